import { execFileSync } from 'node:child_process';
import { appendFile, mkdir, readdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { eventually, home, jpeg } from './harness.ts';
import { childrenOf } from './victims.ts';

/** docs/measurements.md has a run of 100,000. */
const FILES = Number(process.env.TINY_FILES ?? 2000);

test('pipes, devices, links and a file that grows for ever wait for nobody and hold up nobody', async () => {
  const box = await home(['--ingest-rescan-s', '1', '--ingest-settle-ms', '300']);
  await mkdir(box.ingest, { recursive: true });
  const at = (name: string) => join(box.ingest, name);
  execFileSync('mkfifo', [at('pipe.jpg')]);
  // Root may make them: /dev/zero, from which one could read for ever, and a disk.
  execFileSync('mknod', [at('zero.jpg'), 'c', '1', '5']);
  execFileSync('mknod', [at('disk.jpg'), 'b', '7', '0']);
  await symlink('/etc/hostname', at('link.jpg'));
  await symlink('..', at('up'));
  let growing = true;
  const grow = (async () => {
    for (let n = 0; growing; n++) {
      await appendFile(at('growing.jpg'), n === 0 ? await jpeg(1) : Buffer.alloc(1000));
      await sleep(50);
    }
  })();
  const program = box.run();
  await program.ready();
  for (let n = 10; n < 20; n++) {
    await box.drop(`${n}.jpg`, await jpeg(n));
    await sleep(200);
  }
  await eventually(async () => (await box.tree('tagged')).length === 20);
  const left = ['disk.jpg', 'growing.jpg', 'link.jpg', 'pipe.jpg', 'up', 'zero.jpg'];
  expect((await readdir(box.ingest)).sort()).toEqual(left);
  expect((await fetch(`${box.url}/readyz`)).status).toBe(200);
  growing = false;
  await grow;
  await eventually(async () => (await box.tree('tagged')).length === 22);
  expect(await box.tree('failed')).toEqual([]);
  expect(await program.terminate()).toBe(0);
});

/** MiB of the daemon with its workers; shared pages are counted once. */
async function memoryOf(pid: number): Promise<number> {
  let kilobytes = 0;
  for (const each of [pid, ...childrenOf(pid)]) {
    const text = await readFile(`/proc/${each}/smaps_rollup`, 'utf8').catch(() => '');
    kilobytes += Number(/^Pss:\s+(\d+)/m.exec(text)?.[1] ?? 0);
  }
  return kilobytes / 1024;
}

async function watchesOf(pid: number): Promise<number> {
  let watches = 0;
  for (const fd of await readdir(`/proc/${pid}/fdinfo`)) {
    const text = await readFile(`/proc/${pid}/fdinfo/${fd}`, 'utf8').catch(() => '');
    watches += text.split('\n').filter((line) => line.startsWith('inotify wd')).length;
  }
  return watches;
}

test(`${FILES} tiny files at once, and photos behind them`, async () => {
  const box = await home(['--log-level', 'error']);
  await mkdir(box.ingest, { recursive: true });
  const prepared = join(box.dir, 'prepared');
  await mkdir(prepared);
  for (let n = 0; n < FILES; n++) await writeFile(join(prepared, `${n}.jpg`), `text ${n}`);
  const program = box.run();
  await eventually(async () => (await fetch(`${box.url}/readyz`).catch(() => null))?.ok === true);
  const began = performance.now();
  let [peak, watches] = [0, 0];
  const sampler = setInterval(async () => {
    peak = Math.max(peak, await memoryOf(program.pid));
    watches = Math.max(watches, await watchesOf(program.pid));
  }, 500);
  onTestFinished(() => clearInterval(sampler));
  await rename(prepared, join(box.ingest, 'tiny'));
  for (let n = 0; n < 10; n++) await box.drop(`${n}.jpg`, await jpeg(n));
  const failed = async () => (await readdir(join(box.dir, 'failed/tiny')).catch(() => [])).length;
  while ((await failed()) < 2 * FILES && !program.ended) await sleep(500);
  await eventually(async () => (await box.tree('tagged')).length === 20);
  clearInterval(sampler);
  const seconds = Math.round((performance.now() - began) / 1000);
  process.stdout.write(
    `${JSON.stringify({ files: FILES, seconds, 'peak MiB': Math.round(peak), watches })}\n`,
  );
  expect(program.ended, program.output).toBe(false);
  expect(await failed()).toBe(2 * FILES);
  // One a folder, whatever is in it.
  expect(watches).toBeLessThanOrEqual(2);
  expect(peak).toBeLessThan(512);
}, 3_600_000);
