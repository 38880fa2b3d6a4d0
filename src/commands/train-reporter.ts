import cliProgress from 'cli-progress';
import type { TrainReporter } from '../training/options.ts';

/** Between two lines where there is no terminal. */
const LINE_MS = 30_000;

/** Progress on stderr: a bar on a terminal, a line now and then elsewhere. */
export function createTrainReporter(): TrainReporter {
  const stream = process.stderr;
  let bar: cliProgress.SingleBar | null = null;
  let current = { phase: '', total: 0, printed: 0 };
  return {
    note(text) {
      bar?.stop();
      bar = null;
      stream.write(`${text}\n`);
    },
    start(phase, total) {
      current = { phase, total, printed: performance.now() };
      if (!stream.isTTY) return;
      bar = new cliProgress.SingleBar(
        {
          ...{
            stream,
            format: `${phase} {bar} {value}/{total} {figures} time left {eta_formatted}`,
          },
          ...{ hideCursor: true, etaBuffer: 50 },
        },
        cliProgress.Presets.shades_classic,
      );
      bar.start(total, 0, { figures: '' });
    },
    update(done, figures) {
      const text = figures
        ? `loss ${figures.loss.toFixed(4)} accuracy ${figures.accuracy.toFixed(4)}`
        : '';
      bar?.update(done, { figures: text });
      if (stream.isTTY || performance.now() - current.printed < LINE_MS) return;
      current.printed = performance.now();
      stream.write(`${current.phase} ${done}/${current.total} ${text}\n`);
    },
    end() {
      bar?.stop();
      bar = null;
    },
  };
}
