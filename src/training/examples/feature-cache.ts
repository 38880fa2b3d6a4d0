import { type FileHandle, mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ifThere } from '../../files/system-errors.ts';
import { float16ToFloat32, float32ToFloat16 } from '../../inference/network/float16.ts';
import { namingFile } from '../files.ts';

function isName(line: string): boolean {
  try {
    return typeof JSON.parse(line) === 'string';
  } catch {
    return false;
  }
}

/** Of one photo, in half precision. */
const rowBytes = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 2);

/**
 * Outputs of frozen layers on disk, one file a layer, half precision, rows of equal size. It only
 * grows: a run that is stopped or repeated computes what is missing.
 *
 * `rows.txt` names the rows, one JSON string a line, and is written when they are on disk: a row
 * that is not named does not exist, nor does one that the numbers do not reach.
 */
export class FeatureCache {
  readonly layer: string;
  /** Of one photo: height, width, channels. */
  readonly shape: readonly number[];
  readonly #file: string;
  readonly #rowBytes: number;
  readonly #data: FileHandle;
  readonly #names: FileHandle;
  readonly #rows: Map<string, number>;

  private constructor(
    file: string,
    layer: string,
    shape: readonly number[],
    data: FileHandle,
    names: FileHandle,
    rows: Map<string, number>,
  ) {
    this.layer = layer;
    this.#file = file;
    this.shape = shape;
    this.#rowBytes = rowBytes(shape);
    this.#data = data;
    this.#names = names;
    this.#rows = rows;
  }

  /**
   * @param key of all that the features depend on (weights, augmentation). A cache with another
   *   key is emptied.
   */
  static async open(
    dir: string,
    layer: string,
    shape: readonly number[],
    key: string,
  ): Promise<FeatureCache> {
    await mkdir(dir, { recursive: true });
    const keyFile = join(dir, `${layer}.key`);
    const stored = await readFile(keyFile, 'utf8').catch(() => '');
    const flags = stored === key ? 'a+' : 'w+';
    const namesFile = join(dir, `${layer}.rows.txt`);
    const names = await open(namesFile, flags);
    let data: FileHandle | null = null;
    try {
      const dataFile = join(dir, `${layer}.f16`);
      const there = stored === key ? await ifThere(open(dataFile, 'r+')) : null;
      data = there ?? (await open(dataFile, 'w+'));
      await writeFile(keyFile, key);
      const text = await readFile(namesFile, 'utf8');
      // A line without its end was cut off by a crash; what comes after a damaged one is not to be trusted.
      const complete = text.split('\n').slice(0, -1);
      const damaged = complete.findIndex((line) => !isName(line));
      const reached = Math.floor((await data.stat()).size / rowBytes(shape));
      const lines = complete.slice(0, Math.min(reached, damaged < 0 ? reached : damaged));
      const whole = lines.map((line) => `${line}\n`).join('');
      if (whole !== text) await names.truncate(Buffer.byteLength(whole));
      const rows = new Map(lines.map((name, row) => [JSON.parse(name) as string, row]));
      return new FeatureCache(dataFile, layer, shape, data, names, rows);
    } catch (error) {
      await data?.close();
      await names.close();
      throw error;
    }
  }

  /** Bytes that so many more rows take. */
  bytesOf(rows: number): number {
    return rows * this.#rowBytes;
  }

  get size(): number {
    return this.#rows.size;
  }

  has(name: string): boolean {
    return this.#rows.has(name);
  }

  /** @param values rows one after another, as many as names; none of them stored before. */
  async append(names: readonly string[], values: Float32Array): Promise<void> {
    const halves = float32ToFloat16(values);
    const first = this.#rows.size;
    const data = new Uint8Array(halves.buffer);
    for (let at = 0; at < data.length; ) {
      // A disk that is just full takes a part; writing the rest says why.
      const left = data.length - at;
      const { bytesWritten } = await this.#data
        .write(data, at, left, first * this.#rowBytes + at)
        .catch((error: Error) => {
          throw namingFile(error, this.#file);
        });
      at += bytesWritten;
    }
    await this.#data.datasync();
    await this.#names.appendFile(names.map((name) => `${JSON.stringify(name)}\n`).join(''));
    for (const [i, name] of names.entries()) this.#rows.set(name, first + i);
  }

  /** Rows one after another. @throws Error for a name that is not stored. */
  async read(names: readonly string[]): Promise<Float32Array> {
    const bytes = this.#rowBytes;
    const halves = new Uint16Array(new ArrayBuffer(this.bytesOf(names.length)));
    await Promise.all(
      names.map(async (name, i) => {
        const row = this.#rows.get(name);
        if (row === undefined) throw new Error(`${name} is not in the feature cache`);
        const target = new Uint8Array(halves.buffer, i * bytes, bytes);
        const { bytesRead } = await this.#data.read(target, 0, bytes, row * bytes);
        if (bytesRead < bytes) throw new Error(`${this.#file} is cut short at ${name}; delete it`);
      }),
    );
    return float16ToFloat32(halves);
  }

  async close(): Promise<void> {
    await this.#data.close();
    await this.#names.close();
  }
}
