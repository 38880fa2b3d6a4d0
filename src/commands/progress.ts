import cliProgress from 'cli-progress';
import { lineWidth, Pace, progressLine } from './progress-line.ts';

/** A progress bar on stderr. */
export interface Progress {
  advance(): void;
  stop(): void;
}

/** Shown only where stderr is a terminal, so that logs and pipes stay clean. */
export function createProgress(what: string, total: number): Progress {
  if (!process.stderr.isTTY) return { advance: () => {}, stop: () => {} };
  let done = 0;
  const pace = new Pace();
  const bar = new cliProgress.SingleBar({
    stream: process.stderr,
    format: () =>
      progressLine(
        { phase: what, done, total, secondsLeft: pace.left(done, total) },
        lineWidth(process.stderr.columns),
      ),
    hideCursor: true,
    clearOnComplete: true,
  });
  bar.start(total, 0);
  return {
    advance() {
      bar.update(++done);
    },
    stop: () => bar.stop(),
  };
}
