/** MQTT packet type in the upper half of the first byte. */
const PUBLISH = 3;
/** Longest Remaining Length field. */
const LENGTH_BYTES = 4;

/**
 * Cuts the payload of oversized PUBLISH packets out of a byte stream while it passes, so that a
 * message of 256 MB (MQTT's own limit) never lies in memory. What comes out is a valid packet that
 * is still too long by a little, so the reader sees by its size that it must be refused, and can
 * acknowledge it: a broker would send a message for ever that only ends the connection.
 */
export class PacketCutter {
  readonly #limit: number;
  readonly #onPacket: (bytes: number) => void;
  /** Fixed header as far as it has come. */
  #header: number[] = [];
  /** Bytes of the present packet still to pass on, then still to drop. */
  #pass = 0;
  #drop = 0;

  /**
   * @param limit Remaining Length, in bytes, that a PUBLISH keeps.
   * @param onPacket told of every packet's Remaining Length (after cutting) as it begins.
   */
  constructor(limit: number, onPacket: (bytes: number) => void = () => {}) {
    this.#limit = limit;
    this.#onPacket = onPacket;
  }

  /** @returns what the reader may see of `chunk`; the chunk itself where nothing is cut. */
  cut(chunk: Buffer): Buffer {
    const parts: Buffer[] = [];
    let at = 0;
    while (at < chunk.length) {
      if (this.#pass > 0) {
        const end = Math.min(chunk.length, at + this.#pass);
        parts.push(chunk.subarray(at, end));
        this.#pass -= end - at;
        at = end;
      } else if (this.#drop > 0) {
        const end = Math.min(chunk.length, at + this.#drop);
        this.#drop -= end - at;
        at = end;
      } else {
        this.#header.push(chunk[at++] as number);
        if (this.#complete()) parts.push(this.#begin());
      }
    }
    return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
  }

  #complete(): boolean {
    const last = this.#header.length - 1;
    // A fifth byte is a protocol error; the reader finds it out.
    return last >= 1 && ((this.#header[last] as number) < 0x80 || last === LENGTH_BYTES);
  }

  /** @returns the fixed header to pass on. */
  #begin(): Buffer {
    const [first = 0, ...digits] = this.#header;
    this.#header = [];
    const length = digits.reduce((sum, digit, n) => sum + (digit & 0x7f) * 128 ** n, 0);
    const cut = first >> 4 === PUBLISH && length > this.#limit;
    this.#pass = cut ? this.#limit : length;
    this.#drop = length - this.#pass;
    this.#onPacket(this.#pass);
    return Buffer.from([first, ...(cut ? remainingLength(this.#limit) : digits)]);
  }
}

/** MQTT's variable byte integer. */
function remainingLength(value: number): number[] {
  const digits: number[] = [];
  let rest = value;
  do {
    const more = rest >= 128 ? 0x80 : 0;
    digits.push((rest % 128) | more);
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return digits;
}
