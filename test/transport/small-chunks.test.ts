import { expect, test } from 'vitest';
import { SmallChunks } from '../../src/transport/small-chunks.ts';

/** A packet of so many bytes in pieces of the given sizes, over and over, as the parser sees it. */
function seen(bytes: number, sizes: number[]): { packet: Buffer; pieces: Buffer[] } {
  const packet = Buffer.from(Array.from({ length: bytes }, (_, n) => n % 251));
  const chunks = new SmallChunks();
  const pieces: Buffer[] = [];
  for (let at = 0, n = 0; at < bytes; n++) {
    const end = at + (sizes[n % sizes.length] as number);
    const piece = chunks.add(packet.subarray(at, end), end >= bytes);
    if (piece !== null) pieces.push(piece);
    at = end;
  }
  return { packet, pieces };
}

test.each([
  ['bytes', [1], 7],
  ['large chunks', [65_536], 2],
  ['both', [1, 4096], 25],
])('a packet that comes in %s: all of it, in few pieces', (_name, sizes, count) => {
  const { packet, pieces } = seen(100_000, sizes);
  expect(Buffer.concat(pieces).equals(packet)).toBe(true);
  expect(pieces.length).toBe(count);
});

test('what comes whole is passed on at once', () => {
  const chunk = Buffer.from('ping');
  expect(new SmallChunks().add(chunk, true)).toBe(chunk);
});

test('what is held can be taken', () => {
  const chunks = new SmallChunks();
  expect(chunks.take()).toBe(null);
  for (const byte of 'ping') expect(chunks.add(Buffer.from(byte), false)).toBe(null);
  expect(chunks.take()?.toString()).toBe('ping');
  expect(chunks.take()).toBe(null);
});
