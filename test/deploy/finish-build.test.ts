import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

test('the build names a Node that is too old', () => {
  const old = "Object.defineProperty(process, 'versions', { value: { node: '18.20.8' } })";
  const as = ['--import', `data:text/javascript,${encodeURIComponent(old)}`];
  const { status, stderr } = spawnSync('node', [...as, 'scripts/finish-build.mjs']);
  expect(status).toBe(1);
  expect(stderr.toString()).toBe('Node 18.20.8 is not supported: install Node 20.19 to 24\n');
});
