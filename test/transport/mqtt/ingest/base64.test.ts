import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeBase64 } from '../../../../src/transport/mqtt/ingest/base64.ts';

const decode = (text: string) => decodeBase64(Buffer.from(text, 'latin1'));

test('gives back what was encoded, with and without padding, in both alphabets', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 2000 }), async (bytes) => {
      const buffer = Buffer.from(bytes);
      const text = buffer.toString('base64');
      expect(await decode(text)).toEqual(buffer);
      expect(await decode(text.replace(/=+$/, ''))).toEqual(buffer);
      expect(await decode(buffer.toString('base64url'))).toEqual(buffer);
    }),
  );
});

test('gives back more than one chunk', async () => {
  const bytes = Buffer.alloc(3_000_001, 'photo');
  expect((await decode(bytes.toString('base64')))?.equals(bytes)).toBe(true);
});

test('one foreign character anywhere makes it no base64', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ minLength: 1, maxLength: 300 }),
      fc.nat(),
      fc.constantFrom(' ', '\n', '\0', '!', '%', '"', '=', 'é', '\u00ff'),
      async (bytes, where, foreign) => {
        const text = Buffer.from(bytes).toString('base64').replace(/=+$/, '');
        const at = where % text.length;
        expect(await decode(text.slice(0, at) + foreign + text.slice(at))).toBeNull();
      },
    ),
  );
});

test.each(['a', 'abcde', '=', '==', '====', 'a===', 'ab=c', 'abc=='])(
  '%j is no base64',
  async (text) => {
    expect(await decode(text)).toBeNull();
  },
);

test('a foreign character in a later chunk is found', async () => {
  const text = 'A'.repeat(2 ** 21 + 400);
  expect(await decode(`${text.slice(0, -7)}*${text.slice(-6)}`)).toBeNull();
});
