/** How deep pictures may be made of others here; deeper is none that anybody makes. */
const DEPTH = 8;

/** A box of an ISO base media file: its name, and what is in it. */
interface Box {
  readonly name: string;
  readonly body: Buffer;
}

/**
 * Pixels that the largest picture of a HEIC or AVIF has, or its parts together where it is put together
 * from others: they may be far larger than what is cut out of them, and several are decoded at once.
 * Takes any bytes.
 */
export function heifPixels(file: Buffer): number {
  const items = new Items(file);
  let largest = largestSize(file);
  for (const id of items.ids) largest = Math.max(largest, items.pixels(id));
  return largest;
}

/** A box `ispe` names a picture's size. Wherever it is: a file may be built in a way that we cannot read. */
function largestSize(file: Buffer): number {
  let largest = 0;
  for (let at = file.indexOf('ispe'); at >= 0; at = file.indexOf('ispe', at + 4)) {
    largest = Math.max(largest, sizeIn(file.subarray(at + 4)));
  }
  return largest;
}

/** @param ispe a box's body: version and flags, width, height. */
const sizeIn = (ispe: Buffer): number =>
  ispe.length < 12 ? 0 : ispe.readUInt32BE(4) * ispe.readUInt32BE(8);

/** The pictures of a file: how large each is, and which others it is made of. */
class Items {
  /** By id. */
  readonly #sizes = new Map<number, number>();
  readonly #parts = new Map<number, readonly number[]>();
  readonly #known = new Map<number, number>();

  constructor(file: Buffer) {
    for (const { name, body } of boxesIn(file)) {
      if (name !== 'meta') continue;
      for (const box of boxesIn(body.subarray(4))) {
        if (box.name === 'iref') this.#readParts(box.body);
        else if (box.name === 'iprp') this.#readSizes(box.body);
      }
    }
  }

  get ids(): Iterable<number> {
    return this.#parts.keys();
  }

  pixels(id: number, depth = 0): number {
    const known = this.#known.get(id);
    if (known !== undefined) return known;
    // For one that is made of itself.
    this.#known.set(id, 0);
    const parts = depth < DEPTH ? (this.#parts.get(id) ?? []) : [];
    const sum = parts.reduce((all, part) => all + this.pixels(part, depth + 1), 0);
    const pixels = Math.max(sum, this.#sizes.get(id) ?? 0);
    this.#known.set(id, pixels);
    return pixels;
  }

  /** @param iref references between items; those called `dimg` are from a picture to its parts. */
  #readParts(iref: Buffer): void {
    const idBytes = iref[0] === 0 ? 2 : 4;
    for (const { name, body } of boxesIn(iref.subarray(4))) {
      if (name !== 'dimg' || body.length < idBytes + 2) continue;
      const numbers = new Numbers(body);
      const from = numbers.next(idBytes);
      const count = numbers.next(2);
      const parts: number[] = [];
      while (parts.length < count && numbers.left >= idBytes) parts.push(numbers.next(idBytes));
      this.#parts.set(from, parts);
    }
  }

  /** @param iprp properties (`ipco`), and by number from 1 which items have which (`ipma`). */
  #readSizes(iprp: Buffer): void {
    const boxes = [...boxesIn(iprp)];
    const properties = boxes
      .filter(({ name }) => name === 'ipco')
      .flatMap(({ body }) => [...boxesIn(body)]);
    for (const { name, body } of boxes) {
      if (name !== 'ipma' || body.length < 8) continue;
      const idBytes = body[0] === 0 ? 2 : 4;
      const isWide = ((body[3] as number) & 1) !== 0;
      const numbers = new Numbers(body.subarray(8));
      while (numbers.left > idBytes) {
        const id = numbers.next(idBytes);
        for (let count = numbers.next(1); count > 0 && numbers.left >= (isWide ? 2 : 1); count--) {
          // The first bit says whether a reader has to know it.
          const at = isWide ? numbers.next(2) & 0x7fff : numbers.next(1) & 0x7f;
          const property = properties[at - 1];
          if (property?.name !== 'ispe') continue;
          this.#sizes.set(id, Math.max(this.#sizes.get(id) ?? 0, sizeIn(property.body)));
        }
      }
    }
  }
}

/** Unsigned numbers, one after another, big end first. */
class Numbers {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Bytes. */
  get left(): number {
    return this.#bytes.length - this.#at;
  }

  /** @throws RangeError past the end. */
  next(bytes: number): number {
    const number = this.#bytes.readUIntBE(this.#at, bytes);
    this.#at += bytes;
    return number;
  }
}

/** Boxes one after another, up to the first that is none. */
function* boxesIn(bytes: Buffer): Generator<Box> {
  for (let at = 0; at + 8 <= bytes.length; ) {
    const name = bytes.toString('latin1', at + 4, at + 8);
    const short = bytes.readUInt32BE(at);
    const isLong = short === 1 && at + 16 <= bytes.length;
    const head = isLong ? 16 : 8;
    // 0: up to the end.
    const size = isLong ? Number(bytes.readBigUInt64BE(at + 8)) : short || bytes.length - at;
    if (size < head) return;
    yield { name, body: bytes.subarray(at + head, at + size) };
    at += size;
  }
}
