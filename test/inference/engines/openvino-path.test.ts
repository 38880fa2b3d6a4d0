import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findOpenvino } from '../../../src/inference/engines/openvino-path.ts';
import { temporaryDir } from '../../temporary-dir.ts';

test('finds the C library in its folder, of whatever version, and nothing else', async () => {
  const folder = await temporaryDir();
  await writeFile(join(folder, 'libopenvino.so.2641'), '');
  expect(findOpenvino(folder)).toBeNull();
  await writeFile(join(folder, 'libopenvino_c.so.2641'), '');
  expect(findOpenvino(folder)).toBe(join(folder, 'libopenvino_c.so.2641'));
  expect(findOpenvino(join(folder, 'none'))).toBeNull();
});
