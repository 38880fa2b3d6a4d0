/** Results as a table and a bar chart. */

const SIZE = '2mp';

const { median } = await import('../../dist/bench/median.js');

const over = (rounds, pick) => median(rounds.map(pick));

/** A Markdown table. */
const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |\n`).join('');

/**
 * @param command how this run was started, to be named beside its figures.
 * @param auto the name of our server with the engine that `auto` takes: ratios are to this one.
 */
export function report({ date, machine, rounds, failures, long }, command, auto) {
  const measured = Object.entries(rounds).filter(([, list]) => list.length > 0);
  const sizes = Object.keys(measured[0]?.[1][0].sizes ?? {});
  const ours = rounds[auto] ?? [];
  const parts = [
    `# Servers compared\n\n${date.slice(0, 10)}, ${machine}; ` +
      `\`node bench/run.mjs ${command}\`. Medians of ${measured[0]?.[1].length ?? 0} rounds; ` +
      'all use the same weights and get the same photos.\n',
  ];
  for (const size of sizes) {
    const perSecond = (list) => over(list, (round) => round.sizes[size].perSecond);
    const rows = measured.map(([name, list]) => [
      name,
      ...['p50', 'p95', 'p99'].map((p) => over(list, (round) => round.sizes[size][p]).toFixed(0)),
      perSecond(list).toFixed(1),
      ours.length > 0 ? (perSecond(ours) / perSecond(list)).toFixed(2) : '–',
    ]);
    const head = ['server', 'p50 ms', 'p95 ms', 'p99 ms', 'photos/s', 'ours ×'];
    parts.push(`\n## ${size} JPEG: latency at one client, throughput at eight\n\n`);
    parts.push(table(head, rows));
  }
  parts.push('\n## Start to first tag, memory of the whole process tree (PSS)\n\n');
  const rows = measured.map(([name, list]) => [
    name,
    over(list, (round) => round.start).toFixed(0),
    over(list, (round) => round.idle).toFixed(0),
    over(list, (round) => round.loaded).toFixed(0),
  ]);
  parts.push(table(['server', 'restart ms', 'idle MiB', 'loaded MiB'], rows));
  for (const [name, memory] of Object.entries(long)) {
    const [, early] = memory;
    const late = memory.at(-1);
    parts.push(
      `\n${name}: ${early.toFixed(0)} MiB over the second thousand of photos, ${late.toFixed(0)} over ` +
        `the tenth (${((late / early - 1) * 100).toFixed(1)} %); medians of ten, one every hundred.\n`,
    );
  }
  for (const [name, reason] of Object.entries(failures)) {
    parts.push(`\n${name} could not be measured: ${reason}\n`);
  }
  return { markdown: parts.join(''), svg: bars(measured) };
}

/** Photos per second as horizontal bars. */
function bars(measured) {
  const values = measured.map(([name, list]) => [
    name,
    over(list, (round) => round.sizes[SIZE].perSecond),
  ]);
  const most = Math.max(...values.map(([, value]) => value));
  const rows = values
    .toSorted(([, a], [, b]) => b - a)
    .map(([name, value], i) => {
      const y = 40 + i * 28;
      const fill = name.startsWith('RE-Tagger') ? '#1f6f5c' : '#9aa5b1';
      const width = (value / most) * 420;
      return (
        `<text x="250" y="${y + 15}" text-anchor="end">${name}</text>` +
        `<rect x="260" y="${y}" width="${width.toFixed(0)}" height="20" fill="${fill}"/>` +
        `<text x="${(268 + width).toFixed(0)}" y="${y + 15}">${value.toFixed(1)}</text>`
      );
    });
  const height = 56 + rows.length * 28;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="760" height="${height}" ` +
    'font-family="sans-serif" font-size="13"><rect width="100%" height="100%" fill="#fff"/>' +
    '<text x="20" y="24" font-weight="bold">Photos/s over HTTP, 2 MP JPEG, 8 clients, 2 cores</text>' +
    `${rows.join('')}</svg>\n`
  );
}
