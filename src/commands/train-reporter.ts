import cliProgress from 'cli-progress';
import type { TrainReporter } from '../training/options.ts';
import { lineWidth, Pace, progressLine } from './progress-line.ts';

/** Between two lines where there is no terminal. */
const LINE_MS = 30_000;

/** Progress on stderr: a bar on a terminal, a line now and then elsewhere. */
export function createTrainReporter(
  stream: Pick<NodeJS.WriteStream, 'isTTY' | 'write' | 'columns'> = process.stderr,
): TrainReporter {
  let bar: cliProgress.SingleBar | null = null;
  let printed = 0;
  let pace = new Pace();
  let standing = { phase: '', done: 0, total: 0, figures: '', secondsLeft: null as number | null };
  return {
    note(text) {
      bar?.stop();
      bar = null;
      stream.write(`${text}\n`);
    },
    start(phase, total) {
      standing = { phase, done: 0, total, figures: '', secondsLeft: null };
      pace = new Pace();
      printed = performance.now();
      if (!stream.isTTY) return;
      bar = new cliProgress.SingleBar({
        ...{ stream: stream as NodeJS.WriteStream, hideCursor: true },
        format: () => progressLine(standing, lineWidth(stream.columns)),
      });
      bar.start(total, 0);
    },
    update(done, figures) {
      const text = figures
        ? `loss ${figures.loss.toFixed(4)} accuracy ${figures.accuracy.toFixed(4)}`
        : '';
      const secondsLeft = pace.left(done, standing.total);
      standing = { ...standing, done, figures: text, secondsLeft };
      bar?.update(done);
      if (stream.isTTY || performance.now() - printed < LINE_MS) return;
      printed = performance.now();
      stream.write(`${progressLine(standing, Number.POSITIVE_INFINITY, false)}\n`);
    },
    end() {
      bar?.stop();
      bar = null;
    },
  };
}
