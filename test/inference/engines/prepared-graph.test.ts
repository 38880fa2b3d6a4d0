import {
  appendFile,
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import type { InferenceSession } from 'onnxruntime-common';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { sha256OfFile } from '../../../src/files/file-hash.ts';
import { BUNDLED_MODEL_DIR, loadBundle, type ModelBundle } from '../../../src/inference/bundle.ts';
import { PIXEL_BYTES } from '../../../src/inference/engine.ts';
import { createOnnxruntimeEngine } from '../../../src/inference/engines/onnxruntime.ts';
import { createPrepared } from '../../../src/inference/engines/prepared-graph.ts';
import { temporaryDir } from '../../temporary-dir.ts';

let bundle: ModelBundle;
let cacheDir = '';
let expected: Float32Array;
const pixels = Uint8Array.from({ length: PIXEL_BYTES }, (_, i) => (i * 7919 + (i >> 8) * 31) & 255);

async function logits(folder?: string): Promise<Float32Array> {
  const engine = await createOnnxruntimeEngine(bundle, { threads: 1, cacheDir: folder });
  try {
    return await engine.infer(pixels);
  } finally {
    await engine.close();
  }
}

/** The one folder that a cache may hold, and when its weights were written. */
async function kept() {
  const names = await readdir(cacheDir);
  expect(names).toHaveLength(1);
  const folder = join(cacheDir, names[0] as string);
  return { folder, written: (await stat(join(folder, 'weights.bin'))).mtimeMs };
}

beforeAll(async () => {
  bundle = await loadBundle(BUNDLED_MODEL_DIR);
  expected = await logits();
});
beforeEach(async () => {
  cacheDir = await temporaryDir();
});

describe('a prepared graph', () => {
  test('gives the logits of the bundle, when it is written and when it is read', async () => {
    expect(await logits(cacheDir)).toEqual(expected);
    const { written } = await kept();
    expect(await logits(cacheDir)).toEqual(expected);
    expect((await kept()).written).toBe(written);
  });

  test('is written again where its weights were damaged', async () => {
    await logits(cacheDir);
    const { folder } = await kept();
    const weights = await readFile(join(folder, 'weights.bin'));
    await writeFile(join(folder, 'weights.bin'), weights.fill(0, 1_000_000, 9_000_000));
    expect(await logits(cacheDir)).toEqual(expected);
    expect(await logits(cacheDir)).toEqual(expected);
  });

  test('is written again where its graph was damaged, though it still loads', async () => {
    await logits(cacheDir);
    const graph = join((await kept()).folder, 'graph.onnx');
    const whole = await readFile(graph);
    // A field that no reader of the format knows.
    await appendFile(graph, Buffer.from([0xf8, 0x07, 0x01]));
    expect(await logits(cacheDir)).toEqual(expected);
    expect((await readFile(graph)).length).toBe(whole.length);
  });

  test('is written again where it does not load, though its checksums are right', async () => {
    await logits(cacheDir);
    const { folder } = await kept();
    await writeFile(join(folder, 'graph.onnx'), 'of another library');
    const sums = await Promise.all(
      ['graph.onnx', 'weights.bin'].map((file) => sha256OfFile(join(folder, file))),
    );
    await writeFile(join(folder, 'sha256'), sums.map((sum) => `${sum}\n`).join(''));
    expect(await logits(cacheDir)).toEqual(expected);
    expect((await readFile(join(folder, 'graph.onnx'))).length).toBeGreaterThan(100);
  });

  test('that cannot be packed leaves nothing on the disk', async () => {
    const paths: string[] = [];
    await createPrepared(bundle, cacheDir, async (path, { optimizedModelFilePath }) => {
      if (optimizedModelFilePath) throw new Error('the disk is full');
      paths.push(path);
      return {} as InferenceSession;
    });
    expect(paths).toEqual([join(bundle.dir, bundle.manifest.files.int8)]);
    expect(await readdir(cacheDir)).toEqual([]);
  });

  test('is not packed where the disk has little room for it', async () => {
    const dir = await temporaryDir();
    const large = join(dir, bundle.manifest.files.int8);
    await writeFile(large, '');
    // Without a byte on the disk.
    await truncate(large, 2 ** 40);
    const paths: string[] = [];
    await createPrepared({ ...bundle, dir }, cacheDir, async (path) => {
      paths.push(path);
      return { release: async () => {} } as InferenceSession;
    });
    expect(paths).toEqual([large]);
    expect(await readdir(cacheDir)).toEqual([]);
  });

  test('is written again where the power went before it was whole', async () => {
    await logits(cacheDir);
    const { folder } = await kept();
    await rm(join(folder, 'sha256'));
    expect(await logits(cacheDir)).toEqual(expected);
    expect(await readdir((await kept()).folder)).toContain('sha256');
  });

  test('takes the place of those of other models', async () => {
    await logits(cacheDir);
    const { folder } = await kept();
    const { manifest } = bundle;
    const name = manifest.files.int8;
    const other = { ...manifest, sha256: { ...manifest.sha256, [name]: '0'.repeat(64) } };
    const engine = await createOnnxruntimeEngine(
      { ...bundle, manifest: other },
      { threads: 1, cacheDir },
    );
    await engine.close();
    expect((await kept()).folder).not.toBe(folder);
  });

  test('takes nothing along that is not ours: the folder may be one that somebody had before', async () => {
    await mkdir(join(cacheDir, 'browser'));
    await writeFile(join(cacheDir, 'browser', 'page'), 'theirs');
    await writeFile(join(cacheDir, 'notes.txt'), 'theirs');
    expect(await logits(cacheDir)).toEqual(expected);
    expect(await readdir(cacheDir)).toHaveLength(3);
    expect(await readFile(join(cacheDir, 'browser', 'page'), 'utf8')).toBe('theirs');
  });

  test('is not needed: a folder that cannot be made costs nothing else', async () => {
    const file = join(cacheDir, 'file');
    await writeFile(file, '');
    expect(await logits(join(file, 'cache'))).toEqual(expected);
  });
});
