import { acquireBuffer, releaseBuffer } from '../buffer-pool.ts';
import { called } from '../native-call.ts';
import { findTurbojpeg } from './turbojpeg-path.ts';

/**
 * What is used here of libjpeg-turbo's TurboJPEG (2.0 on, `turbojpeg.h`), called without a compiler.
 * It decodes faster than the libjpeg inside sharp, which is built to be small, and to the same
 * pixels.
 */

/** How a JPEG stores colours: `TJCS_YCbCr`. */
const YCBCR = 1;
/**
 * `TJSAMP_444`, `422`, `420`: how many of the colours are kept. What else there is, is rare, and
 * older versions decode it otherwise.
 */
const SUBSAMPLING = new Set([0, 1, 2]);
/** `TJPF_RGB` */
const RGB = 0;

export interface RgbImage {
  /** RGB, row by row. */
  readonly pixels: Buffer;
  readonly width: number;
  readonly height: number;
  /** To be called once, when nobody needs the pixels any more. */
  release(): void;
}

export interface Wanted {
  /** The size that is expected, in pixels; any other is refused. */
  readonly width: number;
  readonly height: number;
  /** 1, 2, 4 or 8: each side is divided by it, and rounded up. */
  readonly shrink: number;
}

/** Decodes a JPEG; null for one with any fault or doubt. */
export type DecodeJpeg = (bytes: Uint8Array, wanted: Wanted) => Promise<RgbImage | null>;

let loading: Promise<DecodeJpeg | null> | undefined;

/** Loaded by the first who asks; null where it is not installed, or does not load. */
export function turbojpeg(): Promise<DecodeJpeg | null> {
  loading ??= load(findTurbojpeg());
  return loading;
}

/** @param path null gives null. */
export async function load(path: string | null): Promise<DecodeJpeg | null> {
  if (path === null) return null;
  try {
    const api = await declare(path);
    return (bytes, wanted) => decode(api, bytes, wanted);
  } catch {
    return null;
  }
}

type Api = Awaited<ReturnType<typeof declare>>;

async function declare(path: string) {
  // Not before the first JPEG: it takes 12 ms.
  const { default: koffi } = await import('koffi');
  const library = koffi.load(path);
  return {
    init: library.func('void *tjInitDecompress()'),
    destroy: library.func('int tjDestroy(void *handle)'),
    header: library.func(
      'int tjDecompressHeader3(void *handle, const uint8_t *jpeg, ulong length, _Out_ int *width, _Out_ int *height, _Out_ int *subsampling, _Out_ int *colours)',
    ),
    decompress: library.func(
      'int tjDecompress2(void *handle, const uint8_t *jpeg, ulong length, uint8_t *pixels, int width, int pitch, int height, int format, int flags)',
    ),
  };
}

/** What a thread reads or writes at present, so that it is not collected meanwhile. */
const inUse = new Set<Uint8Array>();

async function decode(api: Api, bytes: Uint8Array, wanted: Wanted): Promise<RgbImage | null> {
  const handle: unknown = api.init();
  if (handle === null) return null;
  try {
    const size = sizeOf(api, handle, bytes);
    // By its own reading of the header, for that is what it will fill the pixels by.
    if (size?.width !== wanted.width || size.height !== wanted.height) return null;
    const width = Math.ceil(size.width / wanted.shrink);
    const height = Math.ceil(size.height / wanted.shrink);
    const pixels = acquireBuffer(width * height * 3);
    const release = () => releaseBuffer(pixels);
    inUse.add(bytes).add(pixels);
    try {
      const sides = [width, 0, height] as const;
      const photo = [bytes, bytes.length, pixels] as const;
      const status = await called(api.decompress, handle, ...photo, ...sides, RGB, 0);
      // Not 0 for mere warnings too.
      if (status === 0) return { pixels, width, height, release };
      release();
      return null;
    } finally {
      inUse.delete(bytes);
      inUse.delete(pixels);
    }
  } catch {
    return null; // too many calls at once
  } finally {
    api.destroy(handle);
  }
}

/** null for a JPEG whose header is at fault, or whose colours are not stored in the usual way. */
function sizeOf(api: Api, handle: unknown, bytes: Uint8Array) {
  const outs: [number][] = [[0], [0], [0], [0]];
  if (api.header(handle, bytes, bytes.length, ...outs) !== 0) return null;
  const [width = 0, height = 0, subsampling = -1, colours = -1] = outs.map(([out]) => out);
  return colours === YCBCR && SUBSAMPLING.has(subsampling) ? { width, height } : null;
}
