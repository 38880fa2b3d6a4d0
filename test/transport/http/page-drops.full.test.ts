import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page, Route } from 'playwright-core';
import { expect, test } from 'vitest';
import { home, temporaryDir } from '../../e2e/harness.ts';
import { browse, open } from './browser.ts';
import { LABELS } from './support.ts';

/** What becomes of a drop of many photos on the page, in Chromium. */

const ROOM = 'test/fixtures/rooms/kitchen.jpg';

async function openPage(options: Parameters<typeof browse>[0] = {}) {
  const box = await home();
  await box.run().ready();
  const opened = await open(await browse(options), box.url);
  await opened.page.locator('#counts b').first().waitFor();
  return { ...opened, url: box.url };
}

async function photos(names: readonly string[]) {
  const buffer = await readFile(ROOM);
  return names.map((name) => ({ name, mimeType: 'image/jpeg', buffer }));
}

const numbered = (count: number) => photos(Array.from({ length: count }, (_, n) => `${n}.jpg`));

/** An answer like the box's own. */
function tagged(route: Route, tag: string | null = 'kitchen') {
  const scores = Object.fromEntries(LABELS.map((label) => [label, label === tag ? 0.9 : 0.02]));
  const ms = { queued: 0, decode: 1, infer: 1 };
  return route.fulfill({
    json: { id: '', source: 'http', file: null, tag, score: 0.9, scores, ms },
  });
}

/** Uploads wait until it is called. */
async function held(page: Page): Promise<() => void> {
  let letGo = () => {};
  const gate = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  await page.route('**/re-tagger', async (route) => {
    await gate;
    return tagged(route);
  });
  return letGo;
}

const line = (page: Page) => page.locator('#batch-text').textContent();
const said = (page: Page) => page.locator('#announcer').textContent();
const focused = (page: Page) =>
  page.evaluate<string>(
    "document.activeElement.getAttribute('aria-label') ?? document.activeElement.id",
  );

/** What a press on the button saves. */
async function saved(page: Page): Promise<{ name: string; text: string }> {
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Save as CSV' }).click(),
  ]);
  const text = await readFile(await download.path(), 'utf8');
  return { name: download.suggestedFilename(), text };
}

test('what failed is all tried again at one press, however many', async () => {
  const { page, complaints } = await openPage();
  let well = false;
  await page.route('**/re-tagger', (route) =>
    well ? tagged(route) : route.fulfill({ status: 500, json: { detail: 'a fault' } }),
  );
  const all = page.getByRole('button', { name: 'Try all again' });
  await page.setInputFiles('#files', (await numbered(130)).slice(0, 1));
  await page.getByText('1 of 1 done, 1 not tagged').waitFor();
  // The photo has its own.
  expect(await all.isVisible()).toBe(false);
  await page.getByRole('button', { name: 'Clear' }).click();
  await page.evaluate(`{
    globalThis.announced = 0;
    const count = () => { announced += 1; };
    new MutationObserver(count).observe(document.querySelector('#announcer'), { childList: true });
  }`);
  await page.setInputFiles('#files', await numbered(130));
  await page.getByText('130 of 130 done').waitFor();
  expect(await line(page)).toBe('130 of 130 done, 130 not tagged');
  expect(await page.locator('.card.failed').count()).toBe(130);
  well = true;
  await all.press('Enter');
  // The button has gone; the keyboard stays beside it.
  expect(await focused(page)).toBe('batch-text');
  await page.getByText('130 of 130 done; the last 100 are shown').waitFor();
  expect(await all.isVisible()).toBe(false);
  expect(await page.locator('.card').count()).toBe(100);
  expect(await said(page)).toBe('130 photos tagged (130 kitchen), 0 not tagged');
  // How many there are, the sum, that they are tried again, the sum.
  expect(await page.evaluate('announced')).toBe(4);
  expect(complaints).toEqual([]);
});

test('a photo that a proxy gave up on can be tried again, one that the box still has cannot', async () => {
  const { page } = await openPage();
  const queued = { code: 'still_queued', title: 'It waits.', detail: 'It waits.' };
  await page.route('**/re-tagger', (route) => route.fulfill({ status: 504, json: queued }), {
    times: 1,
  });
  const again = page.getByRole('button', { name: 'Try again' });
  await page.setInputFiles('#files', ROOM);
  await page.getByText('1 of 1 done, 1 not tagged').waitFor();
  expect(await again.count()).toBe(0);
  await page.route('**/re-tagger', (route) => route.fulfill({ status: 504, body: '<h1>' }), {
    times: 1,
  });
  await page.setInputFiles('#files', [ROOM, ROOM]);
  await page.getByText('2 of 2 done, 1 not tagged').waitFor();
  await again.click();
  await page.locator('.card.done').nth(1).waitFor();
  // It is of the same drop, also once all is done.
  expect(await line(page)).toBe('2 of 2 done');
});

test('a photo that waits is taken out, and the keyboard goes on to the next', async () => {
  const { page, complaints } = await openPage();
  const letGo = await held(page);
  await page.setInputFiles(
    '#files',
    await photos(['a', 'b', 'c', 'd', 'e'].map((n) => `${n}.jpg`)),
  );
  await page.getByText('0 of 5 done').waitFor();
  const out = page.getByRole('button', { name: 'Remove: ' });
  // Two are with the box.
  expect(await out.count()).toBe(3);
  await page.getByRole('button', { name: 'Remove: d.jpg' }).press('Enter');
  expect(await said(page)).toBe('d.jpg removed');
  expect(await focused(page)).toBe('Remove: e.jpg');
  await page.keyboard.press('Enter');
  expect(await focused(page)).toBe('Remove: c.jpg');
  expect(await line(page)).toBe('0 of 3 done');
  letGo();
  await page.getByText('3 of 3 done').waitFor();
  expect(await page.locator('.card .name').allTextContents()).toEqual(['a.jpg', 'b.jpg', 'c.jpg']);
  // The button went when its photo was sent.
  expect(await page.evaluate("document.activeElement.matches('.card')")).toBe(true);
  expect(complaints).toEqual([]);
});

test('of the live list, what is not of today has its day, also at midnight', async () => {
  const { page, url } = await openPage({ locale: 'en-GB', timezoneId: 'Europe/Berlin' });
  await page.clock.install({ time: '2026-03-10T23:59:00+01:00' });
  await page.reload();
  await page.locator('#counts b').first().waitFor();
  const item = (at: string) => ({
    kind: 'failure',
    at,
    failure: { id: at, source: 'mqtt', file: `${at}.jpg`, code: 'image_corrupt', message: '' },
  });
  const items = JSON.stringify(['2026-03-09T06:05:04Z', '2026-03-10T22:58:57Z'].map(item));
  await page.evaluate(
    `import('${url}/feed.js').then(({ showItem }) => ${items}.forEach((each) => showItem(each)))`,
  );
  const times = page.locator('#feed time');
  await times.nth(1).waitFor();
  expect(await times.allTextContents()).toEqual(['23:58:57', '9 Mar, 07:05']);
  await page.clock.fastForward('05:00');
  await expect.poll(() => times.first().textContent()).toBe('10 Mar, 23:58');
  expect(await times.first().getAttribute('datetime')).toBe('2026-03-10T22:58:57Z');
  expect(await times.first().getAttribute('title')).toMatch(/^Tuesday.* 10 March 2026.* 23:58:57/);
});

test('of many photos the tags are counted, of a few each stands for itself', async () => {
  const { page, complaints } = await openPage();
  let answers = 0;
  const tags = ['kitchen', 'kitchen', 'kitchen', 'hall', null, 'kitchen'];
  await page.route('**/re-tagger', (route) => tagged(route, tags[answers++]));
  const tallies = page.locator('#batch-tags li');
  await page.setInputFiles('#files', await numbered(2));
  await page.getByText('2 of 2 done').waitFor();
  expect(await tallies.count()).toBe(0);
  await page.setInputFiles('#files', await numbered(4));
  await page.getByText('4 of 4 done').waitFor();
  expect(await tallies.allTextContents()).toEqual(['kitchen 2', 'hall 1', 'not sure 1']);
  for (const width of [320, 360]) {
    await page.setViewportSize({ width, height: 740 });
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
  }
  expect(complaints).toEqual([]);
});

test('what the page has been given is saved as CSV, until it is cleared', async () => {
  const { page, complaints } = await openPage();
  let answers = 0;
  await page.route('**/re-tagger', (route) => {
    answers += 1;
    if (answers === 2) return route.fulfill({ status: 422, json: { title: 'Bad, "very"' } });
    return tagged(route, answers === 3 ? null : 'kitchen');
  });
  for (const name of ['=1+1.jpg', 'a, b.jpg', 'Küche.jpg']) {
    await page.setInputFiles('#files', await photos([name]));
    await page.locator('.card.done, .card.failed', { hasText: name }).waitFor();
  }
  const { name, text } = await saved(page);
  expect(name).toMatch(/^retagger-\d{4}-\d\d-\d\d\.csv$/);
  expect(text.split('\r\n')).toEqual([
    '\ufefffile,tag,score,bedroom,bathroom,balcony,kitchen,hall,others,error',
    "'=1+1.jpg,kitchen,0.9000,0.0200,0.0200,0.0200,0.9000,0.0200,0.0200,",
    '"a, b.jpg",,,,,,,,,"Bad, ""very"" (The box answered 422.)"',
    'Küche.jpg,not sure,0.9000,0.0200,0.0200,0.0200,0.0200,0.0200,0.0200,',
    '',
  ]);
  await page.getByRole('button', { name: 'Clear' }).click();
  await page.setInputFiles('#files', await photos(['later.jpg']));
  await page.locator('.card.done').waitFor();
  expect((await saved(page)).text.split('\r\n')).toHaveLength(3);
  expect(complaints).toEqual([]);
});

test('in the table photos of several folders have their paths, and none is left out', async () => {
  const { page } = await openPage();
  await page.route('**/re-tagger', (route) => tagged(route));
  const folder = join(await temporaryDir(), 'street');
  const photo = await readFile(ROOM);
  for (const house of ['1', '2']) {
    await mkdir(join(folder, house), { recursive: true });
    for (let n = 0; n < 60; n++) await writeFile(join(folder, house, `${n}.jpg`), photo);
  }
  const browser = await page.context().newCDPSession(page);
  const data = { items: [], files: [folder], dragOperationsMask: 1 };
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const) {
    await browser.send('Input.dispatchDragEvent', { type, x: 300, y: 200, data });
  }
  await page.getByText('120 of 120 done').waitFor();
  const rows = (await saved(page)).text.trim().split('\r\n').slice(1);
  expect(new Set(rows.map((row) => row.split(',')[0])).size).toBe(120);
  expect(rows.some((row) => row.startsWith('street/2/59.jpg,kitchen,'))).toBe(true);
});
