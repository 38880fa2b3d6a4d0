import sharp from 'sharp';

// libvips' cache and threads would only hold memory: every photo is new, and the cores belong to
// the inference that runs meanwhile.
sharp.cache(false);
sharp.concurrency(1);
// Only these loaders may see a photo's bytes; the rest of libvips' formats stay unreachable.
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({
  operation: ['Jpeg', 'Png', 'Webp', 'Nsgif', 'Tiff', 'Heif'].map(
    (format) => `VipsForeignLoad${format}Buffer`,
  ),
});

/**
 * libvips has one text of its errors for all threads: what one photo's decoding says, the end of
 * another's wipes, and a damaged neighbour's is added. Whether a call fails is its own affair; why,
 * is known only of one that ran alone. Hence all calls in this process come through here.
 */
const beside = new Set<Promise<unknown>>();
let lastAlone: Promise<unknown> = Promise.resolve();

/** Runs a call of sharp beside others. Why it fails may be another photo's reason. */
export function besideOthers<T>(call: () => Promise<T>): Promise<T> {
  const run = lastAlone.then(call);
  const ended: Promise<unknown> = run.catch(() => {}).finally(() => beside.delete(ended));
  beside.add(ended);
  return run;
}

/** Runs calls of sharp with none beside them, in the order of asking. Must not be nested. */
export function alone<T>(calls: () => Promise<T>): Promise<T> {
  const run = Promise.all([lastAlone, ...beside]).then(calls);
  lastAlone = run.catch(() => {});
  return run;
}
