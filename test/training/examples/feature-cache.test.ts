import { appendFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { FeatureCache } from '../../../src/training/examples/feature-cache.ts';
import { temporaryDir } from '../../temporary-dir.ts';

let dir = '';
beforeEach(async () => {
  dir = await temporaryDir();
});

const open = (key = 'k') => FeatureCache.open(dir, 'mixed8', [1, 2, 2], key);

describe('FeatureCache', () => {
  test('gives rows back in the order asked for, also after it was opened again', async () => {
    const first = await open();
    await first.append(['a', 'b'], Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8));
    await first.append(['c'], Float32Array.of(0.5, 0, -1, 2048));
    await first.close();
    const cache = await open();
    expect(cache.size).toBe(3);
    expect(cache.has('b')).toBe(true);
    expect([...(await cache.read(['c', 'a']))]).toEqual([0.5, 0, -1, 2048, 1, 2, 3, 4]);
    await cache.append(['d'], Float32Array.of(9, 9, 9, 9));
    expect([...(await cache.read(['d']))]).toEqual([9, 9, 9, 9]);
    await cache.close();
  });

  test('another key empties it', async () => {
    const first = await open('weights 1');
    await first.append(['a'], Float32Array.of(1, 2, 3, 4));
    await first.close();
    const cache = await open('weights 2');
    expect(cache.has('a')).toBe(false);
    await expect(cache.read(['a'])).rejects.toThrow(/a is not in the feature cache/);
    await cache.close();
  });

  test('a name that a crash cut off does not count', async () => {
    const first = await open();
    await first.append(['a'], Float32Array.of(1, 2, 3, 4));
    await first.close();
    await appendFile(join(dir, 'mixed8.rows.txt'), 'kitchen/hal');
    const second = await open();
    expect(second.size).toBe(1);
    await second.append(['b'], Float32Array.of(5, 6, 7, 8));
    await second.close();
    const third = await open();
    expect([third.size, third.has('b')]).toEqual([2, true]);
    expect([...(await third.read(['b']))]).toEqual([5, 6, 7, 8]);
    await third.close();
  });

  test('names of any kind keep their rows, also where a crash cut off the next', async () => {
    const names = ['Küche/größe 3', 'a\nb', '台所', '"quoted"'];
    const first = await open();
    for (const [n, name] of names.entries()) {
      await first.append([name], Float32Array.of(n, n, n, n));
    }
    await first.close();
    await appendFile(join(dir, 'mixed8.rows.txt'), '"Küche/hal');
    const second = await open();
    await second.append(['last'], Float32Array.of(9, 9, 9, 9));
    await second.close();
    const third = await open();
    const rows = await third.read([...names, 'last']);
    expect([0, 1, 2, 3, 4].map((n) => rows[4 * n])).toEqual([0, 1, 2, 3, 9]);
    await third.close();
  });

  test('rows that are named but cut short, or gone, are computed again', async () => {
    const first = await open();
    await first.append(['a', 'b'], Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8));
    await first.close();
    await truncate(join(dir, 'mixed8.f16'), 12);
    const second = await open();
    expect([...(await second.read(['a']))]).toEqual([1, 2, 3, 4]);
    expect(second.has('b')).toBe(false);
    await second.append(['b'], Float32Array.of(5, 6, 7, 8));
    await truncate(join(dir, 'mixed8.f16'), 12);
    await expect(second.read(['b'])).rejects.toThrow(/mixed8\.f16 is cut short at b; delete it/);
    await second.close();
    await rm(join(dir, 'mixed8.f16'));
    const third = await open();
    expect(third.size).toBe(0);
    await third.append(['b'], Float32Array.of(5, 6, 7, 8));
    expect([...(await third.read(['b']))]).toEqual([5, 6, 7, 8]);
    await third.close();
  });

  test('names behind a damaged one do not count', async () => {
    const first = await open();
    await first.append(['a'], Float32Array.of(1, 2, 3, 4));
    await first.append(['b'], Float32Array.of(1, 2, 3, 4));
    await first.close();
    await writeFile(join(dir, 'mixed8.rows.txt'), '"a"\n\0\0\n"b"\n');
    const second = await open();
    expect([second.size, second.has('a')]).toEqual([1, true]);
    await second.close();
  });

  test('a full disk names the file', async () => {
    await symlink('/dev/full', join(dir, 'mixed8.f16'));
    const cache = await open();
    await expect(cache.append(['a'], Float32Array.of(1, 2, 3, 4))).rejects.toThrow(
      /mixed8\.f16: .*ENOSPC/,
    );
    expect(cache.has('a')).toBe(false);
    await cache.close();
  });
});
