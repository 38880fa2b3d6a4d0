import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodePath, encodePath, pathOf } from '../../src/daemon/paths.ts';

test('any bytes survive being stored as JSON', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const path = pathOf(Buffer.from(bytes));
      const back = decodePath(JSON.parse(JSON.stringify(encodePath(path))));
      expect(Buffer.from(back as string).equals(Buffer.from(bytes))).toBe(true);
    }),
  );
});
