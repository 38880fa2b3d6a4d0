import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

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
