import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { confusionTable, mistakesCsv } from '../../src/commands/evaluation-tables.ts';
import { modelLike } from './model-like.ts';

function evaluate(...args: string[]) {
  return spawnSync(process.execPath, ['dist/cli.js', 'evaluate', ...args], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH },
  });
}

/** A folder with these photos: below it → fixture. */
function photos(files: Record<string, string | null>): string {
  const dir = mkdtempSync(join(tmpdir(), 'retagger-evaluate-'));
  for (const [file, fixture] of Object.entries(files)) {
    mkdirSync(join(dir, file, '..'), { recursive: true });
    if (fixture === null) writeFileSync(join(dir, file), 'no photo');
    else copyFileSync(`test/fixtures/rooms/${fixture}.jpg`, join(dir, file));
  }
  return dir;
}

test('photos of some labels are judged on these, and the others named', () => {
  const dir = photos({ 'kitchen/a.jpg': 'kitchen', 'bedroom/b.jpg': 'bedroom' });
  const json = join(dir, 'figures.json');
  const { status, stdout, stderr } = evaluate('--data', dir, '--json', json);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toContain(
    'Not in the macro F1, without a photo here that can be read: bathroom, balcony, hall,',
  );
  const { macroF1, perClass } = JSON.parse(readFileSync(json, 'utf8'));
  const present = perClass.filter(({ support }: { support: number }) => support > 0);
  expect(present).toHaveLength(2);
  expect(macroF1).toBeCloseTo((present[0].f1 + present[1].f1) / 2);
});

test('the surest mistakes come first, and a photo that cannot be read is exit code 1', () => {
  // Whatever the model takes a drawing for, in one of two folders it is a mistake.
  const files = ['hall', 'bathroom'].flatMap((room) =>
    ['kitchen', 'bedroom'].map((label) => [`${label}/${room}, "1".jpg`, room]),
  );
  const dir = photos({ ...Object.fromEntries(files), 'hall/x.jpg': null });
  const [json, csv] = [join(dir, 'figures.json'), join(dir, 'errors.csv')];
  const { status, stdout } = evaluate('--data', dir, '--json', json, '--errors', csv);
  expect(status).toBe(1);
  expect(stdout).toMatch(/could not be read: .*x\.jpg: /);
  const { photos: count, unreadable, accuracy, abstained } = JSON.parse(readFileSync(json, 'utf8'));
  expect(count).toBe(5);
  expect(abstained).toBeLessThan(4);
  expect(unreadable).toEqual([expect.objectContaining({ file: join(dir, 'hall/x.jpg') })]);
  const [head, ...lines] = readFileSync(csv, 'utf8').trim().split('\n');
  expect(head).toBe('file,truth,answer,score');
  const rows = lines.map(
    (line) => /^"(\w+)\/\w+, ""1""\.jpg",(\w+),(\w+),(\d\.\d{4})$/.exec(line) ?? [line],
  );
  expect(1 - rows.length / 4).toBeCloseTo(accuracy);
  for (const [, folder, truth, answer] of rows) {
    expect(truth).toBe(folder);
    expect(answer).not.toBe(truth);
  }
  const scores = rows.map(([, , , , score]) => Number(score));
  expect(new Set(scores).size).toBeGreaterThan(1);
  expect(scores).toEqual(scores.toSorted((a, b) => b - a));
});

test('the confusion matrix has each count below its label, also below a short one', () => {
  const lines = confusionTable(
    ['in', 'out'],
    [
      [12345, 2],
      [30, 45678],
    ],
  ).split('\n');
  const ends = lines.map((line) =>
    [...line.matchAll(/\S+/g)].slice(-2).map((m) => m.index + m[0].length),
  );
  expect(new Set(ends.map(String)).size).toBe(1);
  expect(lines.map((line) => line.split(/ {2,}/))).toEqual([
    ['truth \\ tag', 'in', 'out'],
    ['in', '12345', '2'],
    ['out', '30', '45678'],
  ]);
});

test('--limit takes photos of all classes', () => {
  const rooms = ['bathroom', 'hall'].flatMap((room) =>
    [1, 2].map((n) => [`${room}/${n}.jpg`, room]),
  );
  const dir = photos(Object.fromEntries(rooms));
  const json = join(dir, 'figures.json');
  expect(evaluate('--data', dir, '--limit', '2', '--json', json).status).toBe(0);
  const { perClass } = JSON.parse(readFileSync(json, 'utf8'));
  const support = perClass.map((each: { label: string; support: number }) => [
    each.label,
    each.support,
  ]);
  expect(support).toEqual(
    expect.arrayContaining([
      ['bathroom', 1],
      ['hall', 1],
    ]),
  );
});

test('a name may hold what a CSV file is made of', () => {
  const photos = [',', '"', '\n', '\r', ''].map((mark) => ({ file: `a${mark}.jpg`, label: 0 }));
  const dataset = { dir: '.', labels: ['hall', 'bathroom'], photos };
  const scores = photos.map(() => [0.25, 0.75]);
  const end = ',hall,bathroom,0.7500';
  const files = ['"a,.jpg"', '"a"".jpg"', '"a\n.jpg"', '"a\r.jpg"', 'a.jpg'];
  expect(mistakesCsv(dataset, scores)).toBe(
    `file,truth,answer,score\n${files.map((file) => `${file}${end}\n`).join('')}`,
  );
});

test('the reference is compared with, the matrix drawn, and every open tag counted', () => {
  const dir = photos({ 'kitchen/a.jpg': 'kitchen', 'hall/b.jpg': 'hall', 'hall/c.jpg': null });
  const out = photos({});
  const [json, plot] = [join(out, 'figures.json'), join(out, 'matrix.png')];
  const outputs = ['--json', json, '--plot', plot, '--reference'];
  const unsure = modelLike({ threshold: 1 });
  const { stdout } = evaluate('--data', dir, '--model-dir', unsure, ...outputs);
  expect(stdout).toContain('abstained (tag null) on 2.');
  expect(stdout).toContain('Same top tag as the float32 reference on 2 of 2 photos (100.00 %);');
  const { abstained, agreement } = JSON.parse(readFileSync(json, 'utf8'));
  expect(abstained).toBe(2);
  expect(agreement).toMatchObject({ photos: 2, same: 2, share: 1 });
  expect(agreement.maxDifference).toBeLessThan(0.1);
  expect(readFileSync(plot).subarray(1, 4).toString()).toBe('PNG');
});

test('folders of none of the labels, or without a photo, are refused', () => {
  expect(evaluate('--data', photos({ 'attic/a.jpg': 'hall' }))).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('"attic" is none of the labels'),
  });
  const empty = photos({});
  mkdirSync(join(empty, 'hall'));
  expect(evaluate('--data', empty)).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('no photo of bedroom'),
  });
});

test('no photo that can be read: an error, and no figures', () => {
  const { status, stdout, stderr } = evaluate('--data', photos({ 'hall/a.jpg': null }));
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
  expect(stderr).toMatch(/^retagger: no photo could be read\ncould not be read: .*a\.jpg: /);
});

test('two outputs into one file are refused at the start', () => {
  const dir = photos({ 'hall/a.jpg': 'hall' });
  const [json, errors] = [join(dir, 'x'), join(dir, '.', 'x')];
  const { status, stderr } = evaluate('--data', dir, '--json', json, '--errors', errors);
  expect({ status, stderr }).toEqual({
    status: 2,
    stderr: expect.stringMatching(/^retagger: --errors: .* is what --json writes, too/),
  });
});

test('an output among the photos is refused: it would replace one, or be a fault among them', () => {
  const dir = photos({ 'hall/a.jpg': 'hall' });
  const before = readFileSync(join(dir, 'hall/a.jpg'));
  for (const [flag, file] of [
    ['--errors', 'hall/a.jpg'],
    ['--json', 'hall/figures.json'],
    ['--plot', 'confusion.png'],
  ] as const) {
    const { status, stderr } = evaluate('--data', dir, flag, join(dir, file));
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: expect.stringContaining(`${flag}: ${join(dir, file)} would lie among the photos`),
    });
  }
  expect(readFileSync(join(dir, 'hall/a.jpg'))).toEqual(before);
});

test('a figure that cannot be written is named, and costs no other', () => {
  const dir = photos({ 'kitchen/a.jpg': 'kitchen', 'bedroom/b.jpg': 'bedroom' });
  const csv = join(dir, 'errors.csv');
  const { status, stderr } = evaluate('--data', dir, '--json', '/dev/full', '--errors', csv);
  expect({ status, stderr }).toEqual({
    status: 1,
    stderr: 'retagger: --json: /dev/full: ENOSPC: no space left on device, write\n',
  });
  expect(readFileSync(csv, 'utf8')).toMatch(/^file,truth/);
});
