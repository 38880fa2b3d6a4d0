import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { findOpenvino } from '../../../src/inference/engines/openvino-path.ts';

test('finds the C library in its folder, of whatever version, and nothing else', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'retagger-openvino-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'libopenvino.so.2641'), '');
  expect(findOpenvino(folder)).toBeNull();
  await writeFile(join(folder, 'libopenvino_c.so.2641'), '');
  expect(findOpenvino(folder)).toBe(join(folder, 'libopenvino_c.so.2641'));
  expect(findOpenvino(join(folder, 'none'))).toBeNull();
});
