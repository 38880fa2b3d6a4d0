import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { home, temporaryDir } from '../../e2e/harness.ts';
import { browse, open } from './browser.ts';
import { LABELS, TOKEN } from './support.ts';

/** The page of the real program with the bundled model, in Chromium. */

const ROOMS = ['kitchen', 'bathroom', 'balcony'].map((name) => `test/fixtures/rooms/${name}.jpg`);

async function start(flags: readonly string[] = []) {
  const box = await home(flags);
  const run = box.run();
  await run.ready();
  return { ...box, current: run };
}

async function openPage(flags?: readonly string[]) {
  const box = await start(flags);
  return { ...box, ...(await open(await browse(), box.url)) };
}

const cards = (page: Page) => page.locator('.card.done');

test('chosen photos get their tags and six bars each', async () => {
  const { page, complaints, url } = await openPage();
  await page.getByText('Drop photos here').waitFor();
  await page.setInputFiles('#files', ROOMS);
  await cards(page).nth(2).waitFor();
  for (const card of await cards(page).all()) {
    const labels = await card.locator('.bars li span:first-child').allTextContents();
    expect(labels).toEqual(LABELS);
    const tag = await card.locator('.tag').textContent();
    expect([...LABELS, 'not sure']).toContain(tag);
    const percents = await card.locator('.bars .number').allTextContents();
    const sum = percents.reduce((total, text) => total + Number.parseInt(text, 10), 0);
    expect(Math.abs(sum - 100)).toBeLessThanOrEqual(3);
  }
  expect(await page.locator('#batch-text').textContent()).toBe('3 of 3 done');
  await page.waitForFunction(
    "[...document.querySelectorAll('.card img')].filter((image) => image.naturalWidth > 0).length === 3",
  );
  // In the order of the drop; the API gives the first the same scores.
  const form = new FormData();
  form.append('image', new Blob([await readFile(ROOMS[0] as string)]), 'a.jpg');
  const answer = await fetch(`${url}/re-tagger`, { method: 'POST', body: form });
  const scores = (await answer.json()) as Record<string, number>;
  const shown = await cards(page).first().locator('.bars .number').allTextContents();
  expect(shown).toEqual(LABELS.map((label) => `${Math.round((scores[label] ?? 0) * 100)} %`));
  expect(complaints).toEqual([]);
});

test('the feed shows what the folder brings, and counts it', async () => {
  const { page, complaints, url, drop } = await openPage();
  await page.locator('#health li').first().waitFor();
  await page.getByText('shows up here').waitFor();
  const tiles = page.locator('#counts b');
  await tiles.first().waitFor();
  expect(await tiles.allTextContents()).toEqual(Array(8).fill('0'));
  await drop('from the folder.jpg', await readFile(ROOMS[0] as string));
  const row = page.locator('#feed li', { hasText: 'from the folder.jpg' });
  await row.waitFor();
  expect(await row.textContent()).toContain('folder, ');
  const counts = await page.locator('#counts b').allTextContents();
  expect(counts.map(Number).reduce((sum, count) => sum + count, 0)).toBe(1);
  await drop('broken.jpg', Buffer.from('no image at all'));
  const failed = page.locator('#feed li', { hasText: 'broken.jpg' });
  await failed.waitFor();
  expect(await failed.textContent()).toContain('image_unsupported');
  // A tab opened later shows the same.
  const later = await open(page.context(), url);
  await later.page.locator('#feed li', { hasText: 'broken.jpg' }).waitFor();
  expect(await later.page.locator('#feed li').count()).toBe(2);
  expect(complaints).toEqual([]);
});

test('a bad photo gets a clear message, the next its tag, one that cannot be shown a tile', async () => {
  const { page, complaints } = await openPage();
  const heic = 'test/fixtures/formats/phone.heic';
  await page.setInputFiles('#files', ['test/fixtures/refused/truncated.jpg', heic]);
  await cards(page).first().waitFor();
  await page.locator('.picture', { hasText: 'HEIC' }).waitFor();
  const failed = page.locator('.card.failed');
  await failed.waitFor();
  // In words for people first.
  expect(await failed.locator('.bad').textContent()).toMatch(/^The image is damaged.*\(.+\)$/);
  // Another try cannot mend the photo.
  expect(await failed.getByRole('button').count()).toBe(0);
  await page.getByRole('button', { name: 'Clear' }).click();
  expect(await page.locator('.card').count()).toBe(0);
  expect(complaints).toEqual([]);
});

test('the keyboard reaches what the mouse does, and photos may be dropped anywhere', async () => {
  const { page } = await openPage();
  // Asked for well before the key that opens it: a key pressed at once may be ahead of it.
  const chooser = page.waitForEvent('filechooser');
  await page.keyboard.press('Tab');
  expect(await page.evaluate('document.activeElement.id')).toBe('files');
  const outline = await page.evaluate(
    "getComputedStyle(document.querySelector('#drop')).outlineStyle",
  );
  expect(outline).toBe('solid');
  await page.keyboard.press('Space');
  await (await chooser).setFiles(ROOMS.slice(0, 1));
  await cards(page).first().waitFor();
  // Said to who cannot see it.
  expect(await page.locator('#announcer[role=status]').textContent()).toMatch(/kitchen\.jpg: /);
  const bytes = (await readFile(ROOMS[0] as string)).toString('base64');
  const transfer = await page.evaluateHandle(`(() => {
    const data = new DataTransfer();
    const raw = Uint8Array.from(atob('${bytes}'), (character) => character.charCodeAt(0));
    data.items.add(new File([raw], 'dropped.jpg', { type: 'image/jpeg' }));
    return data;
  })()`);
  await page.dispatchEvent('body', 'drop', { dataTransfer: transfer });
  await cards(page).filter({ hasText: 'dropped.jpg' }).waitFor();
});

test('a wrong token is asked for again, the right one opens the page', async () => {
  const { page, complaints } = await openPage(['--http-token', TOKEN]);
  const field = page.getByLabel('Token', { exact: true });
  await field.fill('not the right one');
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByText('was not accepted').waitFor();
  await page.keyboard.press('Escape');
  await field.fill(TOKEN);
  await page.keyboard.press('Enter');
  await page.getByText('retagger-inceptionv3').first().waitFor();
  await page.setInputFiles('#files', ROOMS.slice(0, 1));
  await cards(page).first().waitFor();
  await page.reload();
  await page.locator('#feed li').first().waitFor();
  expect(await field.isVisible()).toBe(false);
  expect(complaints).toEqual([]);
});

test('it finds the box again after a restart', async () => {
  const { page, run, current, drop } = await openPage();
  await page.locator('#health li').first().waitFor();
  await current.terminate();
  await page.locator('#live', { hasText: 'connecting' }).waitFor();
  await run().ready();
  await page.locator('#live:empty').waitFor({ state: 'attached' });
  await drop('after.jpg', await readFile(ROOMS[0] as string));
  await page.locator('#feed li', { hasText: 'after.jpg' }).waitFor();
});

test('it says so where the box gives no answer, or something else answers for it', async () => {
  const { page, current } = await openPage();
  const pill = (text: string) =>
    page.locator('#ready', { hasText: new RegExp(`^${text}$`) }).waitFor({ timeout: 15_000 });
  await pill('ready');
  process.kill(current.pid, 'SIGSTOP');
  await pill('no answer');
  process.kill(current.pid, 'SIGCONT');
  await pill('ready');
  await page.route('**/readyz', (route) => route.fulfill({ status: 502, json: { message: '' } }), {
    times: 1,
  });
  await pill('no answer');
  await pill('ready');
});

test('photos with one id, and with odd ends of lines in their names, are all shown', async () => {
  const { page, url, drop } = await openPage();
  // What has been is shown first, and would take the place of what comes before it.
  await page.locator('#counts b').first().waitFor();
  const item = (n: number) => ({
    kind: 'failure',
    at: new Date(1.7e12 + n).toISOString(),
    failure: { id: 'cam-7', source: 'mqtt', file: `${n}.jpg`, code: 'image_corrupt', message: '' },
  });
  // As text: the test's own loader would rewrite the import.
  const items = JSON.stringify([1, 2, 3, 1, 2, 3].map(item));
  await page.evaluate(
    `import('${url}/feed.js').then(({ showItem }) => ${items}.forEach((each) => showItem(each)))`,
  );
  await page.locator('#feed li', { hasText: '3.jpg' }).waitFor();
  expect(await page.locator('#feed li').count()).toBe(3);
  await drop('a\u2028b.jpg', await readFile(ROOMS[0] as string));
  await page.locator('#feed li', { hasText: 'b.jpg' }).waitFor();
  expect(await page.locator('#live').textContent()).toBe('');
});

test('a viewer too many sees at least what has been, and a file that has gone is named', async () => {
  const { url } = await start();
  const browser = await browse();
  await browser.route('**/events', (route) =>
    route.fulfill({ status: 503, headers: { 'retry-after': '30' }, json: { detail: 'full' } }),
  );
  const { page } = await open(browser, url);
  await page.locator('#node', { hasText: 'retagger-inceptionv3' }).waitFor();
  const photo = join(await temporaryDir(), 'gone.jpg');
  await writeFile(photo, await readFile(ROOMS[0] as string));
  await page.evaluate(() => {
    const { fetch } = globalThis;
    globalThis.fetch = async (...args) => {
      const held = (globalThis as { held?: Promise<void> }).held;
      if (args[0] === 're-tagger') await held;
      return fetch(...args);
    };
    const held = new Promise<void>((letGo) => {
      Object.assign(globalThis, { letGo });
    });
    Object.assign(globalThis, { held });
  });
  await page.setInputFiles('#files', photo);
  await rm(photo);
  await page.evaluate(() => (globalThis as unknown as { letGo(): void }).letGo());
  await page.locator('.card', { hasText: 'cannot read this file any more' }).waitFor();
  expect(await page.getByRole('button', { name: 'Try again' }).count()).toBe(0);
});

test('it fits a phone, light and dark', async () => {
  const { page, complaints } = await openPage();
  await page.setViewportSize({ width: 360, height: 740 });
  await page.setInputFiles('#files', ROOMS);
  await cards(page).nth(2).waitFor();
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360);
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    const lightness = async (property: string) => {
      const color = await page.evaluate<string>(`getComputedStyle(document.body).${property}`);
      return Number(/\d+/.exec(color)?.[0]);
    };
    const dark = (await lightness('backgroundColor')) < (await lightness('color'));
    expect([colorScheme, dark]).toEqual([colorScheme, colorScheme === 'dark']);
  }
  expect(complaints).toEqual([]);
});

test('all text is as large as the person has set it in the browser', async () => {
  const { page } = await openPage();
  await page.evaluate("document.documentElement.style.fontSize = '24px'");
  for (const text of ['.drop span', '.drop strong', '#feed-empty', '.drop small']) {
    const size = await page.evaluate<string>(
      `getComputedStyle(document.querySelector('${text}')).fontSize`,
    );
    expect([text, Number.parseFloat(size) > 18]).toEqual([text, true]);
  }
});

test('the API page works under the same policy', async () => {
  const { page, complaints, url } = await openPage();
  await page.goto(`${url}/docs/`);
  await page.locator('#operations-photos-tag').click();
  await page.getByRole('button', { name: 'Try it out' }).click();
  await page.setInputFiles('.opblock input[type=file]', ROOMS.slice(0, 1));
  await page.getByRole('button', { name: 'Execute' }).click();
  await page.locator('.live-responses-table', { hasText: '"bedroom"' }).waitFor();
  expect(complaints).toEqual([]);
});

test('of many photos a hundred cards stay, and one tried again is no second photo', async () => {
  const { page } = await openPage();
  await page.getByText('Drop photos here').waitFor();
  let answers = 0;
  await page.route('**/re-tagger', async (route) => {
    answers += 1;
    const scores = Object.fromEntries(LABELS.map((label) => [label, 1 / LABELS.length]));
    const ms = { queued: 0, decode: 1, infer: 1 };
    const json = {
      id: `${answers}`,
      source: 'http',
      file: null,
      tag: null,
      score: 0.2,
      scores,
      ms,
    };
    // The first fails; the last waits for what the person does meanwhile.
    if (answers === 1) return route.fulfill({ status: 500, json: { detail: 'a fault' } });
    if (answers === 120) await page.getByRole('button', { name: 'Try again' }).click();
    return route.fulfill({ status: 200, json });
  });
  const photo = await readFile(ROOMS[0] as string);
  const many = Array.from({ length: 120 }, (_, n) => ({
    ...{ name: `${n}.jpg`, mimeType: 'image/jpeg', buffer: photo },
  }));
  await page.setInputFiles('#files', many);
  await page.getByText('120 of 120 done').waitFor();
  expect(await page.locator('#batch-text').textContent()).toBe(
    '120 of 120 done; the last 100 are shown',
  );
  expect(await page.locator('.card').count()).toBe(100);
  await page.getByRole('button', { name: 'Clear' }).click();
  await page.setInputFiles('#files', many.slice(0, 1));
  await page.getByText('1 of 1 done').waitFor();
  expect(await page.locator('#batch-text').textContent()).toBe('1 of 1 done');
});

test('a photo of an earlier batch that is tried again is one more of the batch that runs', async () => {
  const { page } = await openPage();
  await page.getByText('Drop photos here').waitFor();
  let answers = 0;
  let letGo = () => {};
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  await page.route('**/re-tagger', async (route) => {
    answers += 1;
    if (answers <= 2) return route.fulfill({ status: 500, json: { detail: 'a fault' } });
    await held;
    return route.continue();
  });
  const [photo = ''] = ROOMS;
  await page.setInputFiles('#files', [photo, photo]);
  await page.getByText('2 of 2 done, 2 not tagged').waitFor();
  await page.setInputFiles('#files', [photo, photo, photo, photo]);
  const again = page.getByRole('button', { name: 'Try again' });
  await again.first().click();
  await again.first().click();
  await page.getByText('0 of 6 done').waitFor();
  letGo();
  await page.getByText('6 of 6 done').waitFor();
  expect(await page.locator('#batch-text').textContent()).toBe('6 of 6 done');
});

test('a box that is away for a while fails none of the photos that wait', async () => {
  const { page } = await openPage();
  let away = true;
  await page.route('**/re-tagger', (route) =>
    away ? route.abort('connectionrefused') : route.continue(),
  );
  await page.setInputFiles('#files', [...ROOMS, ...ROOMS]);
  await page.locator('.card', { hasText: 'does not answer; waiting' }).nth(1).waitFor();
  expect(await page.locator('#batch-text').textContent()).toBe('0 of 6 done');
  away = false;
  await page.getByText('6 of 6 done').waitFor();
  expect(await page.locator('#batch-text').textContent()).toBe('6 of 6 done');
});

test('the keyboard stays at a photo that is tried again', async () => {
  const { page } = await openPage();
  await page.route('**/re-tagger', (route) => route.fulfill({ status: 500, json: {} }));
  await page.setInputFiles('#files', ROOMS.slice(0, 1));
  const again = page.getByRole('button', { name: 'Try again' });
  await again.press('Enter');
  expect(await page.evaluate("document.activeElement.matches('.card')")).toBe(true);
  await again.waitFor();
  await page.keyboard.press('Tab');
  expect(await again.evaluate((button) => button.matches(':focus'))).toBe(true);
});

test('on a narrow phone, and in high contrast, the bars still show the scores', async () => {
  const { page } = await openPage();
  await page.setInputFiles('#files', ROOMS.slice(0, 1));
  await cards(page).first().waitFor();
  for (const width of [320, 360, 390, 414]) {
    await page.setViewportSize({ width, height: 740 });
    expect((await page.locator('.track').first().boundingBox())?.width).toBeGreaterThan(48);
    const { clientWidth, scrollWidth } = (await page.evaluate(
      "(({ clientWidth, scrollWidth }) => ({ clientWidth, scrollWidth }))(document.querySelector('.bars'))",
    )) as { clientWidth: number; scrollWidth: number };
    expect(scrollWidth).toBeLessThanOrEqual(clientWidth);
  }
  await page.emulateMedia({ forcedColors: 'active' });
  const background = (selector: string, pseudo: string) =>
    page.evaluate<string>(
      `getComputedStyle(document.querySelector('${selector}'), '${pseudo}').backgroundColor`,
    );
  const canvas = await background('.card', '');
  expect(await background('.best .track i', '')).not.toBe(canvas);
  for (const mark of ['.pill', '.health li', '.tag:not(.unsure)']) {
    expect([mark, await background(mark, '::before')]).not.toEqual([mark, canvas]);
  }
});

test('a hidden tab holds no connection, and shows what it missed when it is looked at', async () => {
  const { page, complaints, drop } = await openPage();
  await page.locator('#counts b').first().waitFor();
  const hide = (hidden: boolean) =>
    page.evaluate(`
      Object.defineProperty(document, 'hidden', { configurable: true, value: ${hidden} });
      document.dispatchEvent(new Event('visibilitychange'));
    `);
  const left = page.waitForEvent('requestfailed', (request) => request.url().endsWith('/events'));
  await hide(true);
  await left;
  await drop('meanwhile.jpg', await readFile(ROOMS[0] as string));
  await drop('also.jpg', await readFile(ROOMS[0] as string));
  await page.waitForTimeout(2000);
  expect(await page.locator('#feed li').count()).toBe(0);
  await hide(false);
  await page.locator('#feed li', { hasText: 'meanwhile.jpg' }).waitFor();
  await page.locator('#feed li', { hasText: 'also.jpg' }).waitFor();
  await drop('live.jpg', await readFile(ROOMS[0] as string));
  await page.locator('#feed li', { hasText: 'live.jpg' }).waitFor();
  expect(complaints).toEqual([]);
});

test('eight windows side by side all live, and photos still get through', async () => {
  const { url, drop } = await start();
  const browser = await browse();
  const windows: Page[] = [];
  for (let count = 0; count < 8; count++) {
    const { page } = await open(browser, url);
    await page.locator('#node', { hasText: 'retagger-inceptionv3' }).waitFor({ timeout: 5000 });
    windows.push(page);
  }
  const [first, last] = [windows[0] as Page, windows[7] as Page];
  await first.setInputFiles('#files', ROOMS);
  await expect.poll(() => cards(first).count(), { timeout: 15_000 }).toBe(3);
  await drop('seen.jpg', await readFile(ROOMS[0] as string));
  for (const page of windows) {
    await page.locator('#feed li', { hasText: 'seen.jpg' }).waitFor({ timeout: 15_000 });
  }
  // The one that is used has the stream again, and another has gone for it.
  const opened = first.waitForRequest((request) => request.url().endsWith('/events'));
  await first.evaluate('dispatchEvent(new Event("focus"))');
  await opened;
  await last.reload({ timeout: 5000 });
  await last.locator('#node', { hasText: 'retagger-inceptionv3' }).waitFor({ timeout: 5000 });
});

test('a drop without photos changes nothing, and of a folder only what may be one is taken', async () => {
  const { page } = await openPage();
  await page.setInputFiles('#files', ROOMS.slice(0, 1));
  await cards(page).first().waitFor();
  // Thumbnails can be dragged like every picture.
  const picture = page.locator('.card img');
  await picture.hover();
  await page.mouse.down();
  await page.locator('#drop').hover();
  expect(await page.locator('#drop.over').count()).toBe(0);
  await page.mouse.up();
  expect(await page.locator('#batch-text').textContent()).toBe('1 of 1 done');
  const folder = await temporaryDir();
  const photo = await readFile(ROOMS[0] as string);
  await mkdir(join(folder, '@eaDir'));
  const none = ['a.jpg.xmp', 'a.jpg.json', 'Thumbs.db', 'b.jpg.part', '.c.jpg', '@eaDir/a.jpg'];
  for (const name of ['a.jpg', ...none]) {
    await writeFile(join(folder, name), photo);
  }
  const browser = await page.context().newCDPSession(page);
  const data = { items: [], files: [folder], dragOperationsMask: 1 };
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const) {
    await browser.send('Input.dispatchDragEvent', { type, x: 300, y: 200, data });
  }
  await cards(page).nth(1).waitFor();
  expect(await page.locator('#batch-text').textContent()).toBe('1 of 1 done');
  expect(await page.locator('.card .name').allTextContents()).toEqual(['a.jpg', 'kitchen.jpg']);
});

test('photos are pasted, and a token is pasted as text', async () => {
  const { url } = await start(['--http-token', TOKEN]);
  const browser = await browse({ permissions: ['clipboard-read', 'clipboard-write'] });
  const { page, complaints } = await open(browser, url);
  const field = page.getByLabel('Token', { exact: true });
  await field.focus();
  await page.evaluate(`navigator.clipboard.writeText('${TOKEN}')`);
  await page.keyboard.press('Control+V');
  await page.keyboard.press('Enter');
  await page.locator('#counts b').first().waitFor();
  // A text is no photo.
  await page.keyboard.press('Control+V');
  await page.evaluate(`(async () => {
    const canvas = new OffscreenCanvas(80, 60);
    canvas.getContext('2d').fillRect(10, 10, 30, 30);
    const photo = await canvas.convertToBlob({ type: 'image/png' });
    await navigator.clipboard.write([new ClipboardItem({ 'image/png': photo })]);
  })()`);
  await page.keyboard.press('Control+V');
  await cards(page).waitFor({ timeout: 15_000 });
  expect(await page.locator('#batch-text').textContent()).toBe('1 of 1 done');
  // Where the person has just chosen photos, the keyboard stands there.
  await page.locator('#files').focus();
  await page.keyboard.press('Control+V');
  await cards(page).nth(1).waitFor();
  expect(complaints).toEqual([]);
});

test('to leave while photos wait is asked about, and not once they are done', async () => {
  const { page } = await openPage();
  let letGo = () => {};
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  await page.route('**/re-tagger', async (route) => {
    await held;
    return route.continue();
  });
  let asked = 0;
  page.on('dialog', (dialog) => {
    asked += 1;
    return dialog.dismiss();
  });
  // A browser asks only where somebody has used the page.
  await page.getByRole('heading', { name: 'This box' }).click();
  await page.setInputFiles('#files', ROOMS);
  await page.getByText('0 of 3 done').waitFor();
  await page.close({ runBeforeUnload: true });
  await expect.poll(() => asked, { timeout: 5000 }).toBe(1);
  letGo();
  await page.getByText('3 of 3 done').waitFor();
  const closed = page.waitForEvent('close');
  await page.close({ runBeforeUnload: true });
  await closed;
  expect(asked).toBe(1);
});

test('behind a proxy, too, a box that begins anew fails no photo', async () => {
  const { page } = await openPage();
  let answers = 0;
  await page.route('**/re-tagger', (route) => {
    answers += 1;
    return answers <= 2
      ? route.fulfill({ status: 502, contentType: 'text/html', body: '<h1>502 Bad Gateway</h1>' })
      : route.continue();
  });
  await page.setInputFiles('#files', ROOMS);
  await page.getByText('3 of 3 done').waitFor();
  expect(await page.locator('#batch-text').textContent()).toBe('3 of 3 done');
});

test('photos wait some minutes for a box that is away', async () => {
  const { page } = await openPage();
  await page.locator('#counts b').first().waitFor();
  await page.clock.install();
  await page.route('**/re-tagger', (route) => route.abort('connectionrefused'));
  await page.setInputFiles('#files', ROOMS.slice(0, 1));
  const card = page.locator('.card');
  const waits = card.filter({ hasText: 'does not answer; waiting' });
  for (let seconds = 0; seconds < 240; seconds += 2) {
    await waits.waitFor({ timeout: 5000 });
    await page.clock.runFor(2000);
  }
  expect(await card.filter({ hasText: 'Not tagged' }).count()).toBe(0);
});

test('only pictures that are still shown are made, and what is transparent is white in them', async () => {
  const { page } = await openPage();
  await page.locator('#counts b').first().waitFor();
  await page.evaluate(`{
    const real = createImageBitmap;
    const held = new Promise((resolve) => { globalThis.letGo = resolve; });
    globalThis.made = 0;
    globalThis.createImageBitmap = async (file) => {
      made += 1;
      await held;
      return real(file);
    };
  }`);
  await page.route('**/re-tagger', (route) =>
    route.fulfill({ json: { id: '', tag: null, score: 1, scores: { others: 1 } } }),
  );
  const buffer = await sharp({
    create: { width: 40, height: 30, channels: 4, background: { r: 0, g: 0, b: 0, alpha: 0 } },
  })
    .png()
    .toBuffer();
  const many = Array.from({ length: 130 }, (_, n) => ({
    ...{ name: `${n}.png`, mimeType: 'image/png', buffer },
  }));
  await page.setInputFiles('#files', many);
  await page.getByText('130 of 130 done').waitFor();
  await page.evaluate('letGo()');
  await page.locator('.card img').nth(99).waitFor();
  // The first had been begun.
  expect(await page.evaluate('made')).toBe(101);
  const brightness = await page.evaluate(`(async () => {
    const image = document.querySelector('.card img');
    await image.decode();
    const context = new OffscreenCanvas(9, 9).getContext('2d');
    context.drawImage(image, 0, 0);
    return context.getImageData(4, 4, 1, 1).data[0];
  })()`);
  expect(brightness).toBeGreaterThan(250);
});

test('of a tall photo the middle is shown', async () => {
  const { page } = await openPage();
  const create = { width: 300, height: 900, channels: 3, background: '#88aacc' } as const;
  const buffer = await sharp({ create }).png().toBuffer();
  await page.setInputFiles('#files', [{ name: 'tall.png', mimeType: 'image/png', buffer }]);
  await page.locator('.card img').waitFor();
  for (const width of [1280, 360]) {
    await page.setViewportSize({ width, height: 740 });
    const shown = await page.locator('.picture').boundingBox();
    expect([width, await page.locator('.card img').boundingBox()]).toEqual([width, shown]);
  }
});

test('on a phone no label of the counts breaks, and print cuts no card and keeps the bars', async () => {
  const { page } = await openPage();
  await page.setInputFiles('#files', ROOMS.slice(0, 1));
  await cards(page).waitFor();
  for (const width of [320, 360, 375, 390, 412]) {
    await page.setViewportSize({ width, height: 740 });
    const heights = await page.evaluate<number[]>(
      "[...document.querySelectorAll('.counts span')].map((label) => label.offsetHeight)",
    );
    expect([width, new Set(heights).size]).toEqual([width, 1]);
  }
  await page.emulateMedia({ media: 'print' });
  const style = (selector: string, property: string) =>
    page.evaluate(`getComputedStyle(document.querySelector('${selector}')).${property}`);
  expect(await style('.card', 'breakInside')).toBe('avoid');
  expect(await style('.best .track i', 'printColorAdjust')).toBe('exact');
  expect(await page.locator('#drop').isVisible()).toBe(false);
});

test('what answers in place of the box is told in words', async () => {
  const { page } = await openPage();
  const answers: [number, string, string][] = [
    [200, '<h1>Sign in</h1>', 'Something else than the box answered.'],
    [413, '<h1>Request Entity Too Large</h1>', 'The photo is too large for what is between'],
    [422, 'null', 'The box answered 422.'],
  ];
  for (const [status, body, words] of answers) {
    await page.route('**/re-tagger', (route) => route.fulfill({ status, body }), { times: 1 });
    await page.setInputFiles('#files', ROOMS.slice(0, 1));
    await page.getByText('1 of 1 done, 1 not tagged').waitFor();
    expect(await page.locator('.card .bad').textContent()).toContain(words);
    await page.getByRole('button', { name: 'Clear' }).click();
  }
});
