import { readFile } from 'node:fs/promises';
import { createTagger } from '../inference/supervisor/supervisor.ts';
import type { TaggerOptions } from '../inference/tagger.ts';
import { median } from './median.ts';

/** What one round showed of one engine. Times in ms, memory in bytes. */
export interface Round {
  /** From nothing to a loaded model and one trial inference. */
  readonly start: number;
  /** Medians over the photos, one at a time. */
  readonly decode: number;
  readonly infer: number;
  /** With the queue kept full. */
  readonly photosPerSecond: number;
  /** Largest resident set of the worker; null where the system does not tell. */
  readonly peakBytes: number | null;
}

/**
 * Starts an engine's worker, tags the photos one at a time, then as fast as it takes them.
 * @throws Error where the engine does not load or a photo cannot be tagged.
 */
export async function measureEngine(
  options: TaggerOptions,
  photos: readonly string[],
): Promise<Round> {
  const tagger = createTagger(options);
  try {
    const from = performance.now();
    await tagger.start();
    const start = performance.now() - from;
    const decode: number[] = [];
    const infer: number[] = [];
    for (const photo of photos) {
      const { ms } = await tagger.tag(photo);
      decode.push(ms.decode);
      infer.push(ms.infer);
    }
    const begun = performance.now();
    await allAtOnce(photos, tagger.concurrency, (photo) => tagger.tag(photo));
    const seconds = (performance.now() - begun) / 1000;
    return {
      ...{ start, decode: median(decode), infer: median(infer) },
      photosPerSecond: photos.length / seconds,
      peakBytes: await peakOf(tagger.pids[0]),
    };
  } finally {
    await tagger.stop();
  }
}

async function allAtOnce(
  photos: readonly string[],
  width: number,
  tag: (photo: string) => Promise<unknown>,
): Promise<void> {
  const left = photos.values();
  const lane = async () => {
    for (const photo of left) await tag(photo);
  };
  await Promise.all(Array.from({ length: width }, lane));
}

/** The kernel's own high-water mark, so that nothing between two looks is missed. */
async function peakOf(pid: number | undefined): Promise<number | null> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const kilobytes = /^VmHWM:\s+(\d+) kB/m.exec(status)?.[1];
  return kilobytes === undefined ? null : Number(kilobytes) * 1024;
}
