import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { file, folder, number } from '../../src/commands/arguments.ts';

function place(): string {
  const dir = mkdtempSync(join(tmpdir(), 'retagger-arguments-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  mkdirSync(join(dir, 'folder'));
  writeFileSync(join(dir, 'file'), '');
  return dir;
}

test('a folder may be there or not, but must be none of the files', () => {
  const dir = place();
  for (const name of ['folder', 'not yet', 'not/yet'])
    expect(folder(join(dir, name))).toBe(join(dir, name));
  expect(() => folder(join(dir, 'file'))).toThrow('It is not a folder.');
  expect(() => folder('')).toThrow('It must name a folder.');
});

test('a file must be there', () => {
  const dir = place();
  expect(file(join(dir, 'file'))).toBe(join(dir, 'file'));
  expect(() => file(join(dir, 'folder'))).toThrow('It is a folder.');
  expect(() => file(join(dir, 'other'))).toThrow('There is no such file.');
});

test.each([
  ['0', 0],
  ['10', 10],
  ['2.5', 2.5],
  ['1e1', 10],
])('a number within bounds: %s', (text, value) => {
  expect(number(0, 10)(text)).toBe(value);
});

test.each(['', ' ', '-1', '11', 'ten', 'NaN', '1,5'])('no number within bounds: "%s"', (text) => {
  expect(() => number(0, 10)(text)).toThrow('It must be a number from 0 to 10.');
});

test('a whole number is one', () => {
  expect(number(0, 10, true)('7')).toBe(7);
  expect(() => number(0, 10, true)('7.5')).toThrow('It must be a whole number from 0 to 10.');
});
