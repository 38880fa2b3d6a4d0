import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PacketCutter } from '../../../src/transport/mqtt/packet-cutter.ts';

const integer = (value: number): Buffer => {
  const digits = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...digits, rest]);
    digits.push((rest % 128) | 0x80);
  }
};

interface Publish {
  qos: 0 | 1;
  topic: string;
  /** Bytes of properties; null with 3.1.1. */
  properties: number | null;
  payload: number;
}

/** @param size what the Remaining Length says and how much of the packet there is. */
function publish({ qos, topic, properties, payload }: Publish, size = Number.POSITIVE_INFINITY) {
  const name = Buffer.from(topic);
  const body = Buffer.concat([
    Buffer.from([name.length >> 8, name.length & 0xff]),
    name,
    Buffer.alloc(qos * 2, 9),
    properties === null ? Buffer.alloc(0) : integer(properties),
    Buffer.alloc(properties ?? 0, 'p'),
    // In 3.1.1 these are no properties, though they could be read as too many.
    Buffer.alloc(payload, integer(200_000)),
  ]).subarray(0, size);
  return Buffer.concat([Buffer.from([0x30 | (qos << 1)]), integer(body.length), body]);
}

/** The stream in pieces of the given sizes, over and over. */
function inPieces(stream: Buffer, sizes: number[]): Buffer[] {
  const pieces = [];
  for (let at = 0, n = 0; at < stream.length; n++) {
    const size = sizes[n % sizes.length] as number;
    pieces.push(stream.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

const run = (cutter: PacketCutter, pieces: Buffer[]) =>
  Buffer.concat(pieces.flatMap((piece) => cutter.cut(piece) ?? []));

const KiB = 1024;
const PING = Buffer.from([0xd0, 0]);
const LIMIT = 300 * KiB;

const packets = (version: 4 | 5) =>
  fc.array(
    fc.record({
      qos: fc.constantFrom(0 as const, 1 as const),
      topic: fc.constantFrom('a', 'retagger/box/ingest', 't'.repeat(65_535)),
      properties: version === 4 ? fc.constant(null) : fc.constantFrom(0, 5, 1000, 131_073, 400_000),
      payload: fc.constantFrom(0, 1, 5000, 131_072, 299 * KiB, 300 * KiB, 400 * KiB, 3_000_000),
    }),
    { minLength: 1, maxLength: 5 },
  );
const sizes = fc.array(fc.constantFrom(1, 2, 3, 7, 1000, 65_536, 1_000_000), {
  minLength: 1,
  maxLength: 4,
});

test.each([4, 5] as const)('version %i: whatever comes in, valid packets go out', (version) => {
  fc.assert(
    fc.property(packets(version), sizes, (list, pieces) => {
      // One-byte pieces of megabytes only cost time.
      fc.pre(Math.max(...pieces) >= 1000);
      const stream = Buffer.concat(list.flatMap((packet) => [publish(packet), PING]));
      const expected = list.flatMap((packet) => {
        const many = (packet.properties ?? 0) > 128 * KiB;
        const kept = many ? { ...packet, properties: 0 } : packet;
        return [publish(kept, LIMIT), PING];
      });
      const out = run(new PacketCutter(LIMIT, version), inPieces(stream, pieces));
      expect(out.equals(Buffer.concat(expected))).toBe(true);
    }),
    { numRuns: 150 },
  );
});

test('tells of each packet with the size it keeps as it begins, and of its end', () => {
  const told: number[] = [];
  const cutter = new PacketCutter(LIMIT, 4, (bytes) => told.push(bytes));
  const small = publish({ qos: 1, topic: 'a', properties: null, payload: 10 });
  const large = publish({ qos: 1, topic: 'a', properties: null, payload: 400 * KiB });
  cutter.cut(Buffer.concat([small, large.subarray(0, 500)]));
  expect(told).toEqual([15, 0, LIMIT]);
  // But a piece of one.
  expect(cutter.cut(large.subarray(500, 1000))).toBe(null);
  cutter.cut(large.subarray(1000));
  expect(told).toEqual([15, 0, LIMIT, 0]);
});

test('of properties that are longer than their packet nothing is dropped', () => {
  const lying = publish({ qos: 1, topic: 'a', properties: null, payload: 200_000 });
  const stream = Buffer.concat([lying, PING]);
  expect(run(new PacketCutter(LIMIT, 5), inPieces(stream, [1000])).equals(stream)).toBe(true);
});

test('what is no message is passed on whole', () => {
  const size = 400 * KiB;
  const list = Buffer.concat([Buffer.from([0x82]), integer(size), Buffer.alloc(size)]);
  expect(run(new PacketCutter(LIMIT, 5), inPieces(list, [1000])).equals(list)).toBe(true);
});

test('what is no MQTT passes without end', () => {
  const noise = Buffer.alloc(50_000, 0xff);
  expect(() => run(new PacketCutter(LIMIT, 5), inPieces(noise, [777]))).not.toThrow();
});
