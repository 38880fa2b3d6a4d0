import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fitName } from '../../src/files/fit-name.ts';

test('a fitted name is short enough, ends in its suffix and is whole UTF-8', () => {
  const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 300, size: 'max' });
  fc.assert(
    fc.property(name, fc.constantFrom('', '.json', '.error.json'), (each, suffix) => {
      const fitted = fitName(each, suffix);
      expect(Buffer.byteLength(fitted)).toBeLessThanOrEqual(255);
      expect(fitted.endsWith(suffix)).toBe(true);
      expect(Buffer.from(fitted).toString()).toBe(fitted);
      if (Buffer.byteLength(each + suffix) <= 255) expect(fitted).toBe(each + suffix);
    }),
  );
});

test('the extension stays', () => {
  expect(fitName(`${'a'.repeat(251)}.jpg`, '.json')).toBe(`${'a'.repeat(245)}~.jpg.json`);
});
