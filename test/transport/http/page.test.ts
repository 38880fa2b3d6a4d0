import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { serve } from './support.ts';

const PAGE = 'src/transport/http/page';

test('the page and its files, and only those', async () => {
  const { url } = await serve();
  const html = await fetch(url);
  expect(html.headers.get('content-type')).toBe('text/html; charset=utf-8');
  for (const name of await readdir(PAGE)) {
    const response = await fetch(`${url}/${name}`);
    const served = name !== 'tsconfig.json' && name !== 'index.html';
    expect([name, response.status]).toEqual([name, served ? 200 : 404]);
    if (served) expect(await response.text()).toBe(await readFile(`${PAGE}/${name}`, 'utf8'));
  }
});

test('browsers ask again, and get it only where it changed', async () => {
  const { url } = await serve();
  const first = await fetch(`${url}/app.js`);
  expect(first.headers.get('cache-control')).toBe('no-cache');
  const etag = first.headers.get('etag') ?? '';
  const again = await fetch(`${url}/app.js`, { headers: { 'if-none-match': etag } });
  expect([again.status, await again.text()]).toEqual([304, '']);
  const other = await fetch(`${url}/app.js`, { headers: { 'if-none-match': '"other"' } });
  expect(other.status).toBe(200);
});

test('a proxy that compresses makes the tag weak', async () => {
  const { url } = await serve();
  const etag = (await fetch(`${url}/app.js`)).headers.get('etag') ?? '';
  for (const asked of [`W/${etag}`, `"other", W/${etag}`, '*']) {
    const again = await fetch(`${url}/app.js`, { headers: { 'if-none-match': asked } });
    expect([asked, again.status]).toEqual([asked, 304]);
  }
});

test('nothing from elsewhere, nothing inline', async () => {
  for (const name of await readdir(PAGE)) {
    const text = await readFile(`${PAGE}/${name}`, 'utf8');
    const links = text.match(/(?:https?:)?\/\/[a-z0-9.-]+\.[a-z]+/gi) ?? [];
    expect([name, links.filter((link) => !link.includes('www.w3.org'))]).toEqual([name, []]);
    if (!name.endsWith('.html')) continue;
    expect(text).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:/i);
  }
});

test('every answer has a strict policy and no referrer', async () => {
  const { url } = await serve();
  for (const path of ['/', '/docs/', '/results', '/nowhere']) {
    const { headers } = await fetch(url + path);
    const policy = headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toMatch(/unsafe|https:|\*/);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    expect(headers.has('access-control-allow-origin')).toBe(false);
  }
});

test('answers with data are not stored by browsers', async () => {
  const { url } = await serve();
  for (const path of ['/results', '/readyz', '/metrics', '/nowhere']) {
    expect((await fetch(url + path)).headers.get('cache-control')).toBe('no-store');
  }
});

test('its scripts pass the type check', async () => {
  const tsc = ['node_modules/typescript/bin/tsc', '-p', `${PAGE}/tsconfig.json`];
  const { stdout } = await promisify(execFile)(process.execPath, tsc);
  expect(stdout).toBe('');
});

/** What a browser gives for a dropped folder; a file without text cannot be read. */
type Fake = { name: string; text?: string; children?: Fake[] | null };
function entry({ name, text, children }: Fake): unknown {
  if (children === undefined) {
    return {
      ...{ name, isFile: true, isDirectory: false },
      file: (resolve: (file: File) => void, reject: (error: Error) => void) =>
        text === undefined ? reject(new Error('NotFoundError')) : resolve(new File([text], name)),
    };
  }
  const batches = [children ?? [], []];
  const createReader = () => ({
    readEntries: (resolve: (entries: unknown[]) => void, reject: (error: Error) => void) =>
      children === null
        ? reject(new Error('no rights'))
        : resolve(batches.shift()?.map(entry) ?? []),
  });
  return { name, isFile: false, isDirectory: true, createReader };
}

test('more files than can be uploaded at once are counted', async () => {
  const dropped = new URL(`../../../${PAGE}/dropped.js`, import.meta.url).href;
  const { droppedFiles, atMost } = await import(dropped);
  const children = Array.from({ length: 2500 }, (_, n) => ({ name: `${n}.jpg`, text: 'x' }));
  const folder = entry({ name: 'flat', children });
  const transfer = { files: [], items: [{ webkitGetAsEntry: () => folder }] };
  const { files, left } = await droppedFiles(transfer);
  expect([files.length, left]).toEqual([2000, 500]);
  const chosen = atMost(children.map(({ name }) => new File(['x'], name)));
  expect([chosen.files.length, chosen.left]).toEqual([2000, 500]);
});

test('of a dropped folder all is uploaded that can be read, and the rest counted', async () => {
  const dropped = new URL(`../../../${PAGE}/dropped.js`, import.meta.url).href;
  const { droppedFiles } = await import(dropped);
  const folder: Fake = {
    name: 'flat',
    children: [
      { name: 'a.jpg', text: 'a' },
      { name: 'dangling.jpg' },
      { name: '.hidden', text: 'h' },
      { name: 'locked', children: null },
      { name: 'sub', children: [{ name: 'b.jpg', text: 'b' }] },
    ],
  };
  const transfer = { files: [], items: [{ webkitGetAsEntry: () => entry(folder) }] };
  const { files, unreadable } = await droppedFiles(transfer);
  expect(files.map(({ name }: File) => name)).toEqual(['a.jpg', 'b.jpg']);
  expect(unreadable).toBe(2);
});

test('no name of a photo is a formula to a spreadsheet, or breaks its row', async () => {
  const { tableOf } = await import(new URL(`../../../${PAGE}/table.js`, import.meta.url).href);
  const cell = (file: string) => {
    const table: string = tableOf([{ file, result: null, error: 'e' }]);
    return table.slice('\ufefffile,tag,score,error\r\n'.length, -',,,e\r\n'.length);
  };
  const cells = {
    'a.jpg': 'a.jpg',
    'a-b=c.jpg': 'a-b=c.jpg',
    '=1+1.jpg': "'=1+1.jpg",
    '+1.jpg': "'+1.jpg",
    '-1.jpg': "'-1.jpg",
    '@SUM(A1).jpg': "'@SUM(A1).jpg",
    '\t=1.jpg': '"\'\t=1.jpg"',
    '\uff1d1.jpg': "'\uff1d1.jpg",
    'a,b.jpg': '"a,b.jpg"',
    'a;=b.jpg': '"a;=b.jpg"',
    'a"b.jpg': '"a""b.jpg"',
    'a\nb.jpg': '"a\nb.jpg"',
    '=HYPERLINK("x","y")': '"\'=HYPERLINK(""x"",""y"")"',
  };
  expect(Object.fromEntries(Object.keys(cells).map((file) => [file, cell(file)]))).toEqual(cells);
  // What still waits is not in it.
  expect(tableOf([{ file: 'a.jpg', result: null, error: null }]).split('\r\n')).toHaveLength(2);
});
