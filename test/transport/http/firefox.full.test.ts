import { copyFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { home, temporaryDir } from '../../e2e/harness.ts';
import { firefox } from './firefox.ts';

/** The page in Firefox, in what is unlike Chromium there. */

const ROOM = resolve('test/fixtures/rooms/kitchen.jpg');

async function start() {
  const { url, run } = await home();
  const box = run();
  await box.ready();
  return { url, box, browser: await firefox() };
}

test('of windows side by side none waits for another', async () => {
  const { url, browser } = await start();
  for (const _window of [1, 2, 3]) {
    await browser.open(url);
    const opened = performance.now();
    await browser.see('#node', 'retagger-inceptionv3');
    // One that waits has nothing for 20 seconds.
    expect(performance.now() - opened).toBeLessThan(10_000);
  }
});

test('a photo that has gone holds up none behind it', async () => {
  const { url, box, browser } = await start();
  await browser.open(url);
  await browser.see('#node', 'retagger-inceptionv3');
  const gone = join(await temporaryDir(), 'gone.jpg');
  await copyFile(ROOM, gone);
  // The first two wait for the box, and what is behind them for their turn.
  process.kill(box.pid, 'SIGSTOP');
  await browser.choose('#files', [ROOM, ROOM, gone, ROOM]);
  await rm(gone);
  process.kill(box.pid, 'SIGCONT');
  await browser.see('.card.failed', 'cannot read this file any more');
  await browser.see('#batch-text', '4 of 4 done, 1 not tagged');
});
