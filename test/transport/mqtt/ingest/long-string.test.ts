import fc from 'fast-check';
import { expect, test } from 'vitest';
import { splitLongString, TAKEN_OUT } from '../../../../src/transport/mqtt/ingest/long-string.ts';

const split = (json: string) => splitLongString(Buffer.from(json));

test('short JSON is left as it is', () => {
  const json = '{"id": "a\\"b", "path": "x/\\\\"}';
  expect(split(json)).toEqual({ text: json, long: null });
});

test('put together again it is the same value', () => {
  const long = fc
    .tuple(fc.string({ maxLength: 50 }), fc.nat({ max: 100_000 }))
    .map(([text, length]) => text + 'A'.repeat(5000 + length) + text);
  fc.assert(
    fc.property(long, fc.dictionary(fc.string(), fc.string()), (text, others) => {
      const value = { ...others, image: text };
      const parts = split(JSON.stringify(value));
      const parsed = JSON.parse(parts?.text ?? '');
      expect(parsed.image).toBe(TAKEN_OUT);
      expect({ ...parsed, image: JSON.parse(`"${parts?.long}"`) }).toEqual(value);
    }),
  );
});

test.each([
  ['two long strings', `{"a":"${'x'.repeat(5000)}","b":"${'y'.repeat(5000)}"}`],
  ['many short strings', `{${'"a":"b",'.repeat(20_000)}"c":1}`],
  ['brackets', `{"a":${'['.repeat(1_000_000)}`],
  ['numbers after a long string', `{"image":"${'x'.repeat(5000)}","a":[${'1,'.repeat(50_000)}1]}`],
  ['a long string that does not end', `{"image":"${'x'.repeat(1_000_000)}`],
  ['backslashes to the end', `{"image":"${'\\'.repeat(100_001)}`],
])('%s: refused before it is parsed', (_name, json) => {
  expect(split(json)).toBeNull();
});
