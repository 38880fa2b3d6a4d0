import type { SingleBar } from 'cli-progress';
import type { TrainReporter } from '../training/reporter.ts';
import { startBar, type Terminal } from './progress.ts';
import { Pace, progressLine, type Standing } from './progress-line.ts';

/** Between two lines where there is no terminal. */
const LINE_MS = 30_000;

/** Progress on stderr: a bar on a terminal, a line now and then elsewhere. */
export function createTrainReporter(stream: Terminal = process.stderr): TrainReporter {
  let bar: SingleBar | null = null;
  let printed = 0;
  let pace = new Pace();
  let standing: Standing = { phase: '', done: 0, total: 0, secondsLeft: null };
  return {
    note(text) {
      bar?.stop();
      bar = null;
      stream.write(`${text}\n`);
    },
    start(phase, total) {
      standing = { phase, done: 0, total, secondsLeft: null };
      pace = new Pace();
      printed = performance.now();
      if (stream.isTTY) bar = startBar(stream, total, () => standing);
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
