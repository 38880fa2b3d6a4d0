import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BUNDLED_MODEL_DIR, loadBundle, verifyBundle } from '../../src/inference/bundle.ts';
import { drawPhotos } from './fixture-photos.ts';

/** Ctrl-C after training: the phases say so themselves, where stderr is a terminal. */
let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'retagger-stop-'));
  await drawPhotos(join(dir, 'photos'), 60);
});
afterAll(() => rm(dir, { recursive: true, force: true }));

function start(...more: string[]): { child: ChildProcess; log: () => string } {
  const settings = '--head-epochs 1 --epochs 1 --examples 8 --unfreeze none --no-augment'.split(
    ' ',
  );
  const command = [
    ...[process.execPath, 'dist/cli.js', 'train', '--data', join(dir, 'photos')],
    ...['--out', join(dir, 'out'), '--base', BUNDLED_MODEL_DIR, ...settings, ...more],
  ];
  // `script` is a terminal: progress is shown at once. `exec` makes the program its child itself.
  const args = ['-qefc', `exec ${command.join(' ')}`, '/dev/null'];
  const child = spawn('script', args, { stdio: ['pipe', 'pipe', 'inherit'] });
  let text = '';
  child.stdout?.on('data', (chunk) => {
    text += chunk;
  });
  return { child, log: () => text };
}

async function stopIn(phase: string, ...more: string[]): Promise<{ code: number; ms: number }> {
  const { child, log } = start(...more);
  while (!log().includes(phase)) {
    if (child.exitCode !== null) throw new Error(`ended before ${phase}: ${log()}`);
    await sleep(20);
  }
  const began = performance.now();
  child.stdin?.write('\x03');
  const [code] = await once(child, 'exit');
  expect(log()).toContain('--resume');
  return { code: code as number, ms: performance.now() - began };
}

test('stopped in each phase within seconds, it goes on with --resume', {
  timeout: 600_000,
}, async () => {
  for (const phase of ['checking photos', 'features', 'int8']) {
    const { code, ms } = await stopIn(phase, ...(phase === 'checking photos' ? [] : ['--resume']));
    expect(code, phase).toBe(130);
    expect(ms, phase).toBeLessThan(10_000);
    await expect(loadBundle(join(dir, 'out'))).rejects.toThrow();
  }
  const last = start('--resume');
  const [code] = await once(last.child, 'exit');
  expect(code, last.log()).toBe(0);
  expect(last.log()).toContain('stage head was finished before');
  await verifyBundle(await loadBundle(join(dir, 'out')));
  const run = JSON.parse(await readFile(join(dir, 'out/.training/run.json'), 'utf8'));
  expect(run.finished).toBe(true);
});
