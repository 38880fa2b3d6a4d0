import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { RetaggerError, tooManyPixels } from '../../errors.ts';

/**
 * HEIC from phones. sharp's prebuilt libvips has no HEVC decoder, so libheif runs here as
 * WebAssembly: slower, but a hostile file cannot leave its sandbox.
 */

/** A decoded photo, rotated and mirrored as its container says (HEIF ignores EXIF orientation). */
export interface HeicImage {
  /** Interleaved, row by row. A view into the decoder's memory: no copy. */
  readonly pixels: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly channels: 3 | 4;
  /** The embedded ICC profile, if any. */
  readonly icc: Uint8Array | null;
}

/** The parts of libheif's C API that are used. Structs are returned through a first pointer. */
interface Libheif {
  readonly HEAPU8: Uint8Array;
  _malloc(size: number): number;
  _heif_context_alloc(): number;
  _heif_context_read_from_memory_without_copy(
    error: number,
    context: number,
    data: number,
    size: number,
    options: number,
  ): void;
  _heif_context_get_primary_image_handle(error: number, context: number, handle: number): void;
  _heif_image_handle_get_width(handle: number): number;
  _heif_image_handle_get_height(handle: number): number;
  _heif_image_handle_has_alpha_channel(handle: number): number;
  _heif_image_handle_get_raw_color_profile_size(handle: number): number;
  _heif_image_handle_get_raw_color_profile(error: number, handle: number, out: number): void;
  _heif_decode_image(
    error: number,
    handle: number,
    image: number,
    colorspace: number,
    chroma: number,
    options: number,
  ): void;
  _heif_image_get_width(image: number, channel: number): number;
  _heif_image_get_height(image: number, channel: number): number;
  _heif_image_get_plane_readonly2(image: number, channel: number, rowBytes: number): number;
}

type LibheifFactory = (options: { readonly wasmBinary: Uint8Array }) => Libheif;

// Constants of libheif's heif_image.h.
const COLORSPACE_RGB = 1;
const CHROMA_INTERLEAVED_RGB = 10;
const CHROMA_INTERLEAVED_RGBA = 11;
const CHANNEL_INTERLEAVED = 10;
/**
 * Of heif_error.h, `Unsupported_filetype`, `Unsupported_feature`, `Plugin_loading_error`: what the file
 * asks for was not built in. libheif-js is built with HEVC alone.
 */
const UNSUPPORTED = new Set([3, 4, 11]);
/**
 * What libheif 1.23.2 says of a whole photo that its container crops (a box `clap`) by much: it lets the
 * decoder have little more room than the part needs (strukturag/libheif#1856).
 */
const TOO_SMALL = /exceeds the maximum image size/;
/** More is not a colour profile of a camera. */
const MAX_ICC_BYTES = 4 * 1024 * 1024;

const require = createRequire(import.meta.url);
let loaded: Promise<{ factory: LibheifFactory; wasmBinary: Uint8Array }> | undefined;

/**
 * A fresh instance for every photo: WebAssembly memory never shrinks, so an instance that was kept
 * would hold its largest photo for ever, and one that trapped could not be trusted again.
 */
async function instantiate(): Promise<Libheif> {
  loaded ??= (async () => {
    const path = require.resolve('libheif-js/libheif-wasm/libheif.js');
    const wasmBinary = await readFile(path.replace(/\.js$/, '.wasm'));
    return { factory: require(path) as LibheifFactory, wasmBinary };
  })();
  const { factory, wasmBinary } = await loaded;
  return factory({ wasmBinary });
}

/**
 * Decodes the primary image.
 * @param maxPixels larger photos are refused from their header.
 * @throws RetaggerError `image_corrupt`, `image_too_large`; `image_unsupported` for HEIF in another coding
 * than HEVC.
 */
export async function decodeHeic(bytes: Buffer, maxPixels: number): Promise<HeicImage> {
  const heif = await instantiate();
  try {
    return decodeWith(heif, bytes, maxPixels);
  } catch (error) {
    if (error instanceof RetaggerError) throw error;
    // A trap or abort inside the sandbox: out of memory, or a fault of the decoder.
    throw new RetaggerError('image_corrupt', `HEIC: ${(error as Error).message}`, { cause: error });
  }
}

function decodeWith(heif: Libheif, bytes: Buffer, maxPixels: number): HeicImage {
  // One small block for every out parameter: 12 bytes of error struct, then a pointer.
  const error = heif._malloc(16);
  const out = error + 12;
  const word = (pointer: number): number =>
    new DataView(heif.HEAPU8.buffer, heif.HEAPU8.byteOffset).getUint32(pointer, true);
  const check = (): void => {
    const code = word(error);
    if (code === 0) return;
    const text = heif.HEAPU8.subarray(word(error + 8), word(error + 8) + 200);
    const [message = ''] = Buffer.from(text).toString('latin1').split('\0', 1);
    if (TOO_SMALL.test(message) && bytes.includes('clap')) {
      throw new RetaggerError('image_unsupported', 'HEIC: its container crops it by much.');
    }
    throw new RetaggerError(
      UNSUPPORTED.has(code) ? 'image_unsupported' : 'image_corrupt',
      `HEIC: ${message}`,
    );
  };

  const context = heif._heif_context_alloc();
  const file = heif._malloc(bytes.length);
  heif.HEAPU8.set(bytes, file);
  heif._heif_context_read_from_memory_without_copy(error, context, file, bytes.length, 0);
  check();
  heif._heif_context_get_primary_image_handle(error, context, out);
  check();
  const handle = word(out);
  const width = heif._heif_image_handle_get_width(handle);
  const height = heif._heif_image_handle_get_height(handle);
  if (width * height > maxPixels) throw tooManyPixels(width, height, maxPixels);

  let icc: Uint8Array | null = null;
  const iccBytes = heif._heif_image_handle_get_raw_color_profile_size(handle);
  if (iccBytes > 0 && iccBytes <= MAX_ICC_BYTES) {
    const profile = heif._malloc(iccBytes);
    heif._heif_image_handle_get_raw_color_profile(error, handle, profile);
    check();
    icc = heif.HEAPU8.slice(profile, profile + iccBytes);
  }

  const alpha = heif._heif_image_handle_has_alpha_channel(handle) !== 0;
  const chroma = alpha ? CHROMA_INTERLEAVED_RGBA : CHROMA_INTERLEAVED_RGB;
  heif._heif_decode_image(error, handle, out, COLORSPACE_RGB, chroma, 0);
  check();
  const image = word(out);
  const plane = heif._heif_image_get_plane_readonly2(image, CHANNEL_INTERLEAVED, out);
  if (plane === 0) throw new RetaggerError('image_corrupt', 'HEIC: no pixels');
  const rowBytes = word(out);
  const decoded = {
    width: heif._heif_image_get_width(image, CHANNEL_INTERLEAVED),
    height: heif._heif_image_get_height(image, CHANNEL_INTERLEAVED),
  };
  const channels = alpha ? 4 : 3;
  const row = decoded.width * channels;
  // Padding between rows is taken out in its place: of a large photo another copy would be the largest
  // thing in memory.
  for (let y = 1; y < decoded.height && row < rowBytes; y++) {
    const from = plane + y * rowBytes;
    heif.HEAPU8.copyWithin(plane + y * row, from, from + row);
  }
  const pixels = heif.HEAPU8.subarray(plane, plane + row * decoded.height);
  return { pixels, ...decoded, channels, icc };
}
