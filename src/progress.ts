import cliProgress from 'cli-progress';

/** A progress bar on stderr. */
export interface Progress {
  advance(): void;
  stop(): void;
}

/** Shown only where stderr is a terminal, so that logs and pipes stay clean. */
export function createProgress(what: string, total: number): Progress {
  if (!process.stderr.isTTY) return { advance: () => {}, stop: () => {} };
  const bar = new cliProgress.SingleBar(
    {
      stream: process.stderr,
      format: `${what} {bar} {value}/{total} · time left {eta_formatted}`,
      hideCursor: true,
      clearOnComplete: true,
    },
    cliProgress.Presets.shades_classic,
  );
  bar.start(total, 0);
  return { advance: () => bar.increment(), stop: () => bar.stop() };
}
