import { SmallChunks } from '../small-chunks.ts';

/** MQTT packet types, in the upper half of the first byte. */
export const CONNECT = 1;
export const PUBLISH = 3;
/** Longest variable byte integer. */
const INTEGER_BYTES = 4;
/**
 * Bytes of MQTT 5 properties that are passed on; with more, a message loses them all. Ours use far
 * less, and parsed they take many times their size.
 */
const PROPERTIES = 128 * 1024;

/** What becomes of one packet. */
interface Plan {
  /** Its beginning as it is passed on. */
  readonly head: Buffer;
  /** Bytes of the original that `head` stands for. */
  readonly length: number;
  /** Bytes after these: to drop, then to pass on, then to drop again. */
  readonly skip: number;
  readonly pass: number;
  readonly drop: number;
}

/**
 * Cuts what is too large out of the PUBLISH packets of a byte stream while it passes, so that a
 * message of 256 MB (MQTT's own limit) never lies in memory. What comes out is a valid packet whose
 * payload is still too long by a little: the reader sees by its size that it must be refused, and
 * can acknowledge it. A broker would send a message for ever that only ends the connection.
 */
export class PacketCutter {
  readonly #limit: number;
  readonly #version: 4 | 5;
  readonly #onPacket: (bytes: number, type?: number) => void;
  /** Beginning of a packet, too short to plan it. */
  #waiting: Buffer = Buffer.alloc(0);
  #skip = 0;
  #pass = 0;
  #drop = 0;
  readonly #chunks = new SmallChunks();

  /**
   * @param limit Remaining Length, in bytes, that a PUBLISH keeps; more than `PROPERTIES`.
   * @param version MQTT version of the stream: packets of MQTT 5 have properties.
   * @param onPacket told of every packet's Remaining Length (after cutting) and type as it begins,
   *   and 0 as it ends.
   */
  constructor(
    limit: number,
    version: 4 | 5,
    onPacket: (bytes: number, type?: number) => void = () => {},
  ) {
    this.#limit = limit;
    this.#version = version;
    this.#onPacket = onPacket;
  }

  /** Bytes that are still to come of the packet that has begun. */
  get left(): number {
    return this.#skip + this.#pass + this.#drop;
  }

  /** @returns what the reader may see by now; null for a crumb, which comes with what follows it. */
  cut(chunk: Buffer): Buffer | null {
    let hasEnded = false;
    let data = this.#waiting.length > 0 ? Buffer.concat([this.#waiting, chunk]) : chunk;
    this.#waiting = Buffer.alloc(0);
    const parts: Buffer[] = [];
    while (data.length > 0) {
      let used: number;
      if (this.#skip > 0) {
        used = Math.min(this.#skip, data.length);
        this.#skip -= used;
      } else if (this.#pass > 0) {
        used = Math.min(this.#pass, data.length);
        this.#pass -= used;
        parts.push(data.subarray(0, used));
      } else if (this.#drop > 0) {
        used = Math.min(this.#drop, data.length);
        this.#drop -= used;
      } else {
        const plan = planOf(data, this.#version, this.#limit);
        if (plan === null) {
          this.#waiting = data;
          break;
        }
        used = plan.length;
        parts.push(plan.head);
        this.#skip = plan.skip;
        this.#pass = plan.pass;
        this.#drop = plan.drop;
        this.#onPacket(plan.pass, typeOf(data));
      }
      data = data.subarray(used);
      if (this.left > 0) continue;
      hasEnded = true;
      this.#onPacket(0);
    }
    const seen = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
    return this.#chunks.add(seen, hasEnded);
  }
}

const typeOf = (packet: Buffer): number => (packet[0] as number) >> 4;

/** @returns null where more of the packet must be seen. */
function planOf(data: Buffer, version: 4 | 5, limit: number): Plan | null {
  const remaining = readInteger(data, 1);
  if (remaining === null) return null;
  const { value, end } = remaining;
  const publish = typeOf(data) === PUBLISH;
  if (!publish || value <= PROPERTIES) {
    return { head: data.subarray(0, end), length: end, skip: 0, pass: value, drop: 0 };
  }
  if (version === 4) return cutAt(data, remaining, end, 0, limit);
  const at = propertiesAt(data, end);
  const properties = readInteger(data, at);
  // They still come: no topic is as long as such a packet.
  if (properties === null) return null;
  // A packet that contradicts itself is left for the reader to find out.
  const tooMany = properties.value > PROPERTIES && properties.end + properties.value <= end + value;
  return cutAt(data, remaining, tooMany ? at : end, tooMany ? properties.value : 0, limit);
}

/**
 * A new fixed header, the original up to `to`, then nothing of `skip` bytes of properties, and of
 * the rest as much as the limit allows.
 */
function cutAt(
  data: Buffer,
  { value, end }: Integer,
  to: number,
  skip: number,
  limit: number,
): Plan {
  // Without properties their length is the one byte 0.
  const none = skip > 0 ? Buffer.from([0]) : Buffer.alloc(0);
  const length = skip > 0 ? (readInteger(data, to) as Integer).end : to;
  const kept = to - end + none.length;
  const left = value - (length - end) - skip;
  const pass = Math.max(0, Math.min(left, limit - kept));
  const head = [data.subarray(0, 1), writeInteger(kept + pass), data.subarray(end, to), none];
  return { head: Buffer.concat(head), length, skip, pass, drop: left - pass };
}

interface Integer {
  readonly value: number;
  /** Offset behind it. */
  readonly end: number;
}

/** Offset of the properties' length: behind the topic and, with QoS, the packet id. */
function propertiesAt(data: Buffer, start: number): number {
  const topic = data.length >= start + 2 ? data.readUInt16BE(start) : 0;
  const id = ((data[0] as number) & 0b110) === 0 ? 0 : 2;
  return start + 2 + topic + id;
}

/** MQTT's variable byte integer; null where it is not all there. */
function readInteger(data: Buffer, start: number): Integer | null {
  let value = 0;
  for (let n = 0; ; n++) {
    const digit = data[start + n];
    if (digit === undefined) return null;
    value += (digit & 0x7f) * 128 ** n;
    // A fourth byte that goes on is a protocol error; the reader finds it out.
    if (digit < 0x80 || n === INTEGER_BYTES - 1) return { value, end: start + n + 1 };
  }
}

function writeInteger(value: number): Buffer {
  const digits: number[] = [];
  let rest = value;
  do {
    const more = rest >= 128 ? 0x80 : 0;
    digits.push((rest % 128) | more);
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return Buffer.from(digits);
}
