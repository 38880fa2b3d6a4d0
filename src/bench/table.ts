import type { EngineName } from '../inference/engine.ts';
import type { Round } from './measure-engine.ts';
import { median } from './median.ts';

/** An engine's medians over the rounds, or why it does not load here. */
export type EngineFigures =
  | { readonly engine: EngineName; readonly reason: string }
  | ({ readonly engine: EngineName; readonly rounds: number } & Round);

/** Medians over the rounds, and the largest peak of all. */
export function summarize(engine: EngineName, rounds: readonly Round[]): EngineFigures {
  const over = (pick: (round: Round) => number) => median(rounds.map(pick));
  const peaks = rounds.map((round) => round.peakBytes).filter((bytes) => bytes !== null);
  return {
    ...{ engine, rounds: rounds.length },
    start: over((round) => round.start),
    decode: over((round) => round.decode),
    infer: over((round) => round.infer),
    photosPerSecond: over((round) => round.photosPerSecond),
    peakBytes: peaks.length === 0 ? null : Math.max(...peaks),
  };
}

const HEAD = ['engine', 'decode ms', 'infer ms', 'photos/s', 'ratio', 'peak MB', 'start ms'];

/**
 * For people: one line an engine, speed as a ratio to the slowest, and which one `auto` takes.
 * @param order in which `auto` tries them.
 */
export function engineTable(
  figures: readonly EngineFigures[],
  order: readonly EngineName[],
): string {
  const loaded = figures.filter((engine) => 'start' in engine);
  const slowest = Math.min(...loaded.map((engine) => engine.photosPerSecond));
  const rows = loaded.map((engine) => [
    engine.engine,
    engine.decode.toFixed(1),
    engine.infer.toFixed(1),
    engine.photosPerSecond.toFixed(1),
    (engine.photosPerSecond / slowest).toFixed(1),
    engine.peakBytes === null ? '–' : Math.round(engine.peakBytes / 1e6).toString(),
    engine.start.toFixed(0),
  ]);
  const lines = [HEAD, ...rows].map((cells) =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(12) : cell.padStart(10))).join(''),
  );
  for (const engine of figures) {
    if ('reason' in engine) lines.push(`${engine.engine.padEnd(12)}  ${engine.reason}`);
  }
  const auto = order.find((name) => loaded.some((engine) => engine.engine === name));
  if (figures.length > 1) lines.push(auto ? `auto takes ${auto}` : 'auto finds no engine here');
  return `${lines.join('\n')}\n`;
}
