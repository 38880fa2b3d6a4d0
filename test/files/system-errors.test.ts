import { expect, test } from 'vitest';
import { isCode, isDiskTrouble, mayPass } from '../../src/files/system-errors.ts';

test.each([
  ['EDQUOT', 122],
  ['ESTALE', 116],
  ['EUCLEAN', 117],
  ['EBADMSG', 74],
])('%s, which Node has no name for, is known as the trouble of a disk', (name, number) => {
  const code = `Unknown system error -${number}`;
  const error = Object.assign(new Error(`${code}: write`), { code, errno: -number });
  expect(isCode(error, name)).toBe(true);
  expect(isDiskTrouble(error)).toBe(true);
  expect(mayPass(error)).toBe(true);
});

test.each([undefined, null, 'EIO', new Error('EIO')])('%s is no system error', (thrown) => {
  expect(isCode(thrown, 'EIO')).toBe(false);
  expect(mayPass(thrown)).toBe(false);
});
