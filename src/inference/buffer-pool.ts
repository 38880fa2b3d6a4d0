const MiB = 1024 * 1024;
/** Free places kept, in all. */
const KEPT_BYTES = 8 * MiB;
/** Sizes are rounded up to this, so that a place fits the next photo too. */
const STEP_BYTES = MiB / 4;

/** Smallest first. */
const free: ArrayBuffer[] = [];

/**
 * Memory for one photo's bytes or pixels, that goes on to the next. As garbage it would lie outside
 * V8's heap, where only a full collection finds it: one every six photos of 640×480.
 * @returns so many bytes, with anything in them.
 */
export function acquireBuffer(bytes: number): Buffer {
  const at = free.findIndex((place) => place.byteLength >= bytes);
  const size = Math.ceil(bytes / STEP_BYTES) * STEP_BYTES;
  const place =
    at < 0 ? Buffer.allocUnsafeSlow(size).buffer : (free.splice(at, 1)[0] as ArrayBuffer);
  return Buffer.from(place, 0, bytes);
}

/**
 * Nobody may read or write it from now on.
 * @param memory what `acquireBuffer` returned.
 * @throws Error where it has been given back: two photos would share it.
 */
export function releaseBuffer({ buffer }: Buffer): void {
  const place = buffer as ArrayBuffer;
  if (free.includes(place)) throw new Error('given back twice');
  const kept = free.reduce((sum, { byteLength }) => sum + byteLength, 0);
  if (kept + place.byteLength > KEPT_BYTES) return;
  const at = free.findIndex(({ byteLength }) => byteLength >= place.byteLength);
  free.splice(at < 0 ? free.length : at, 0, place);
}
