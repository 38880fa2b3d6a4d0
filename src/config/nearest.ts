/** Edits (insert, delete, replace) between two words. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (const [i, x] of [...a].entries()) {
    const next = [i + 1];
    for (const [j, y] of [...b].entries()) {
      next.push(
        Math.min((next[j] ?? 0) + 1, (row[j + 1] ?? 0) + 1, (row[j] ?? 0) + (x === y ? 0 : 1)),
      );
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}

/** `; did you mean "http.port"?`, or nothing where no name is close, nor begins as the word does. */
export function nearest(word: string, names: readonly string[]): string {
  const longer = names.filter((name) => name.startsWith(word));
  const [best] = names
    .map((name) => ({ name, edits: distance(word.slice(0, 64), name) }))
    .sort((a, b) => a.edits - b.edits);
  const close = best && best.edits <= Math.min(4, word.length / 2) ? best.name : undefined;
  const meant = close ?? (longer.length === 1 ? longer[0] : undefined);
  return meant === undefined ? '' : `; did you mean "${meant}"?`;
}
