/** What goes wrong with bytes on purpose: each takes a good file and gives a bad one. */

type Random = () => number;
type Mutation = (bytes: Buffer, next: Random) => Buffer;

const int = (next: Random, below: number) => Math.floor(next() * Math.max(1, below));
/** Values at which sizes and offsets in headers go wrong. */
const EDGES = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0xffffffff];

const MUTATIONS: readonly Mutation[] = [
  function flipBits(bytes, next) {
    const out = Buffer.from(bytes);
    for (let n = 1 + int(next, 20); n > 0; n--) {
      const at = int(next, out.length);
      out.writeUInt8(out.readUInt8(at) ^ (1 << int(next, 8)), at);
    }
    return out;
  },
  function edgeInHeader(bytes, next) {
    const out = Buffer.from(bytes);
    const at = int(next, Math.min(512, out.length - 4));
    const value = EDGES[int(next, EDGES.length)] as number;
    if (next() < 0.5) out.writeUInt32BE(value, at);
    else out.writeUInt16LE(value & 0xffff, at);
    return out;
  },
  function cutOff(bytes, next) {
    return bytes.subarray(0, int(next, bytes.length));
  },
  function removePiece(bytes, next) {
    const from = int(next, bytes.length);
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(from + int(next, 2000))]);
  },
  function repeatPiece(bytes, next) {
    const from = int(next, bytes.length);
    const piece = bytes.subarray(from, from + int(next, 2000));
    return Buffer.concat([
      bytes.subarray(0, from),
      ...Array(1 + int(next, 5)).fill(piece),
      bytes.subarray(from),
    ]);
  },
  function noise(bytes, next) {
    const out = Buffer.from(bytes);
    const from = int(next, out.length);
    for (let at = from; at < Math.min(out.length, from + 64); at++) out[at] = int(next, 256);
    return out;
  },
];

/** One to three mutations, and sometimes the head of one file on the body of another. */
export function mutate(files: readonly Buffer[], next: Random): Buffer {
  let bytes = files[int(next, files.length)] as Buffer;
  if (next() < 0.1) {
    const other = files[int(next, files.length)] as Buffer;
    const at = int(next, 600);
    bytes = Buffer.concat([bytes.subarray(0, at), other.subarray(at)]);
  }
  for (let n = 1 + int(next, 3); n > 0; n--) {
    if (bytes.length < 8) return bytes;
    bytes = (MUTATIONS[int(next, MUTATIONS.length)] as Mutation)(bytes, next);
  }
  return bytes;
}
