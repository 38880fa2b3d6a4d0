import { readFile } from 'node:fs/promises';
import { float16ToFloat32, float32ToFloat16 } from './float16.ts';

/**
 * The safetensors file format: 8 bytes little-endian header length, a JSON header, raw
 * little-endian numbers. Only F16 and F32 are read and written; in memory all is float32.
 */

export interface Tensor {
  readonly shape: readonly number[];
  /** Row-major; as many numbers as the shape's product. */
  readonly data: Float32Array;
}

/** Tensors by name, in the file's order. */
export type Tensors = ReadonlyMap<string, Tensor>;

const BYTES = { F16: 2, F32: 4 } as const;
type Dtype = keyof typeof BYTES;

/** Larger headers are refused: ours have some 20 kB. */
const MAX_HEADER_BYTES = 16 * 1024 * 1024;

interface HeaderEntry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

const elements = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

function parseHeader(bytes: Uint8Array): { header: Record<string, HeaderEntry>; start: number } {
  if (bytes.length < 8) throw new Error('safetensors: shorter than its header length');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = Number(view.getBigUint64(0, true));
  if (length > MAX_HEADER_BYTES || 8 + length > bytes.length) {
    throw new Error(`safetensors: header of ${length} bytes does not fit`);
  }
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  } catch (error) {
    throw new Error('safetensors: the header is not JSON', { cause: error });
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) {
    throw new Error('safetensors: the header is not an object');
  }
  return { header: header as Record<string, HeaderEntry>, start: 8 + length };
}

function decode(name: string, entry: HeaderEntry, body: Uint8Array): Tensor {
  const { dtype, shape, data_offsets: offsets } = entry;
  if (!(dtype in BYTES)) throw new Error(`safetensors: ${name} has unsupported dtype ${dtype}`);
  if (!Array.isArray(shape) || !Array.isArray(offsets)) {
    throw new Error(`safetensors: ${name} has no shape or offsets`);
  }
  const [from, to] = offsets as [number, number];
  if (!(from >= 0 && to <= body.length && to - from === elements(shape) * BYTES[dtype as Dtype])) {
    throw new Error(`safetensors: ${name} does not fit its offsets`);
  }
  // A copy, because the offset inside the file need not be aligned to the number's size.
  const raw = body.slice(from, to);
  const data =
    dtype === 'F16'
      ? float16ToFloat32(new Uint16Array(raw.buffer, raw.byteOffset, raw.length / 2))
      : new Float32Array(raw.buffer, raw.byteOffset, raw.length / 4);
  return { shape: [...shape], data };
}

/** @throws Error that says what is wrong with the bytes. */
export function decodeSafetensors(bytes: Uint8Array): Tensors {
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { header, start } = parseHeader(plain);
  const body = plain.subarray(start);
  const tensors = new Map<string, Tensor>();
  for (const [name, entry] of Object.entries(header)) {
    if (name !== '__metadata__') tensors.set(name, decode(name, entry, body));
  }
  return tensors;
}

/**
 * @param dtype how all numbers are stored; F16 rounds to the nearest.
 * @throws Error where a tensor's data does not match its shape, or is not finite once stored.
 */
export function encodeSafetensors(tensors: Tensors, dtype: Dtype): Uint8Array {
  const header: Record<string, HeaderEntry> = {};
  let size = 0;
  for (const [name, { shape, data }] of tensors) {
    if (data.length !== elements(shape)) {
      throw new Error(`safetensors: ${name} has ${data.length} numbers, not [${shape}]`);
    }
    const end = size + data.length * BYTES[dtype];
    header[name] = { dtype, shape, data_offsets: [size, end] };
    size = end;
  }
  let json = JSON.stringify(header);
  json += ' '.repeat((8 - (Buffer.byteLength(json) % 8)) % 8); // numbers start aligned
  const head = Buffer.from(json);
  const out = new Uint8Array(8 + head.length + size);
  new DataView(out.buffer).setBigUint64(0, BigInt(head.length), true);
  out.set(head, 8);
  let at = 8 + head.length;
  for (const [name, { data }] of tensors) {
    const stored = dtype === 'F16' ? float32ToFloat16(data) : data;
    if (!isFiniteStored(stored)) throw new Error(`safetensors: ${name} is not finite as ${dtype}`);
    out.set(new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength), at);
    at += stored.byteLength;
  }
  return out;
}

function isFiniteStored(stored: Uint16Array | Float32Array): boolean {
  return stored instanceof Uint16Array
    ? stored.every((half) => (half & 0x7c00) !== 0x7c00)
    : stored.every(Number.isFinite);
}

/** @throws Error that names the file. */
export async function readSafetensors(path: string): Promise<Tensors> {
  const bytes = await readFile(path);
  try {
    return decodeSafetensors(bytes);
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`, { cause: error });
  }
}
