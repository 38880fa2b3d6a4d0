import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import { tooLittleSpace } from '../../src/training/disk-space.ts';

test('what does not fit on the disk is said before it is computed', async () => {
  expect(await tooLittleSpace(tmpdir(), 1)).toBeNull();
  const warning = await tooLittleSpace(tmpdir(), 1e18);
  expect(warning).toMatch(/need 1\.00e\+9 GB in .* are free; fewer --examples/);
});
