import cliProgress from 'cli-progress';
import { lineWidth, Pace, progressLine, type Standing } from './progress-line.ts';

/** A progress bar on stderr. */
export interface Progress {
  advance(): void;
  stop(): void;
}

/** What is written to: `process.stderr`, or a test's. */
export type Terminal = Pick<NodeJS.WriteStream, 'isTTY' | 'write' | 'columns'>;

/** @param standing asked for each time that the line is drawn. */
export function startBar(
  stream: Terminal,
  total: number,
  standing: () => Standing,
  more: cliProgress.Options = {},
): cliProgress.SingleBar {
  const bar = new cliProgress.SingleBar({
    ...{ stream: stream as NodeJS.WriteStream, hideCursor: true, ...more },
    format: () => progressLine(standing(), lineWidth(stream.columns)),
  });
  bar.start(total, 0);
  // However the process ends, the terminal gets its cursor and its line breaks back.
  const restore = () => bar.stop();
  process.once('exit', restore);
  bar.once('stop', () => process.off('exit', restore));
  return bar;
}

/** Shown by default only where stderr is a terminal, so that logs and pipes stay clean. */
export function createProgress(
  what: string,
  total: number,
  shown = process.stderr.isTTY,
): Progress {
  if (!shown) return { advance: () => {}, stop: () => {} };
  let done = 0;
  const pace = new Pace();
  const standing = () => ({ phase: what, done, total, secondsLeft: pace.left(done, total) });
  const bar = startBar(process.stderr, total, standing, { clearOnComplete: true });
  return {
    advance() {
      bar.update(++done);
    },
    stop: () => bar.stop(),
  };
}
