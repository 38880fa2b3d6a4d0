import { copyFile, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { BUNDLED_MODEL_DIR } from '../../src/inference/bundle.ts';
import { LOGITS } from '../../src/inference/network/inceptionv3.ts';
import { readSafetensors } from '../../src/inference/network/safetensors.ts';
import { fitHead } from '../../src/training/base.ts';
import { TRAIN_DEFAULTS } from '../../src/training/options.ts';
import { prepare } from '../../src/training/prepare.ts';
import { temporaryDir } from '../temporary-dir.ts';

const WEIGHTS = join(BUNDLED_MODEL_DIR, 'weights.f16.safetensors');
const ROOMS = ['bedroom', 'bathroom', 'balcony', 'kitchen', 'hall', 'others'];
const FOREIGN = ['attic', 'barn', 'cellar', 'garage', 'garden', 'shed'];

let dir = '';
beforeEach(async () => {
  dir = await temporaryDir();
});

/** The plan for these folders, and what was said of it. */
async function planned(labels: readonly string[], options: object) {
  const data = join(dir, 'photos');
  for (const label of labels) {
    await mkdir(join(data, label), { recursive: true });
    for (const n of [1, 2]) await writeFile(join(data, label, `${n}.jpg`), label + n);
  }
  const said: string[] = [];
  const plan = await prepare(
    {
      ...TRAIN_DEFAULTS,
      ...{ data, out: join(dir, 'out'), base: WEIGHTS, validation: 0.5 },
      ...options,
    },
    (text) => said.push(text),
  );
  return { plan, said: said.join('\n') };
}

/** Weights of the last layer for the n-th output. */
async function column(file: string, n: number): Promise<number[]> {
  const data = (await readSafetensors(file)).get(`${LOGITS}/kernel`)?.data ?? [];
  return [...data].filter((_, i) => i % 6 === n);
}

test("our own labels in another order: the base's outputs follow them", async () => {
  const { plan, said } = await planned(ROOMS, {});
  expect(plan.dataset.labels).toEqual([...ROOMS].sort());
  expect(said).toMatch(/last layer is taken.*order/);
  const old = (await readSafetensors(WEIGHTS)).get(`${LOGITS}/bias`)?.data ?? [];
  for (const [k, label] of plan.dataset.labels.entries()) {
    const from = ROOMS.indexOf(label);
    expect(plan.base.get(`${LOGITS}/bias`)?.data[k]).toBe(old[from]);
    const kernel = [...(plan.base.get(`${LOGITS}/kernel`)?.data ?? [])];
    expect(kernel.filter((_, i) => i % 6 === k)).toEqual(await column(WEIGHTS, from));
  }
});

test('the same order is taken as it is', async () => {
  const { plan, said } = await planned(ROOMS, { labels: ROOMS });
  expect(said).toContain("the base's last layer is taken");
  expect(plan.base.get(`${LOGITS}/bias`)).toEqual(
    (await readSafetensors(WEIGHTS)).get(`${LOGITS}/bias`),
  );
});

test('six other labels are no renamed rooms: a new layer, or an error where none is trained', async () => {
  const { plan, said } = await planned(FOREIGN, {});
  expect(plan.base.has(`${LOGITS}/kernel`)).toBe(false);
  expect(said).toMatch(/a new last layer: the base's is for bedroom/);
  const head = { epochs: 0, learningRate: 1e-4 };
  for (const unfreeze of ['none', 'all']) {
    await expect(planned(FOREIGN, { head, unfreeze })).rejects.toThrow(
      /no head epochs.*the base's is for bedroom/,
    );
  }
});

test('weights without model.json: only labels that were listed say what the outputs are', async () => {
  const base = join(dir, 'trained.safetensors');
  await copyFile(WEIGHTS, base);
  const unknown = await planned(ROOMS, { base });
  expect(unknown.plan.base.has(`${LOGITS}/bias`)).toBe(false);
  expect(unknown.said).toContain('a new last layer: no model.json');
  const listed = await planned(ROOMS, { base, labels: ROOMS });
  expect(listed.plan.base.has(`${LOGITS}/bias`)).toBe(true);
  // A manifest that is about other weights says nothing of these.
  await copyFile(join(BUNDLED_MODEL_DIR, 'model.json'), join(dir, 'model.json'));
  const beside = await planned(ROOMS, { base });
  expect(beside.said).toContain('a new last layer: no model.json');
});

test('a model folder stands for its weights; what is none is named', async () => {
  await symlink(BUNDLED_MODEL_DIR, join(dir, 'model'));
  const { said } = await planned(ROOMS, { base: join(dir, 'model') });
  expect(said).toContain('last layer is taken');
  const text = join(dir, 'notes.txt');
  await writeFile(text, 'no weights');
  await expect(planned(ROOMS, { base: text })).rejects.toThrow(text);
  await expect(planned(ROOMS, { base: dir })).rejects.toThrow(`${dir} is not a model folder`);
});

test('another number of labels', () => {
  const base = new Map([[`${LOGITS}/bias`, { shape: [6], data: new Float32Array(6) }]]);
  expect(fitHead(base, null, ['a', 'b'], true).said).toContain('none for 2 labels');
});

test('names that a daemon cannot serve are refused; copies and folders passed over are named', async () => {
  await expect(planned(['hall', 'Hall'], {})).rejects.toThrow('"hall"');
  await rm(join(dir, 'photos'), { recursive: true });
  for (const name of ['.thumbnails', '_abstained']) {
    await mkdir(join(dir, 'photos', name), { recursive: true });
  }
  for (const label of ['attic', 'barn']) {
    await mkdir(join(dir, 'photos', label));
    await writeFile(join(dir, 'photos', label, 'same.jpg'), 'same');
  }
  const { said } = await planned(['attic', 'barn'], {});
  expect(said).toMatch(/folders passed over: .*\.thumbnails/);
  expect(said).toMatch(/folders passed over: .*_abstained/);
  expect(said).toContain('two classes: 1 (attic/same.jpg = barn/same.jpg)');
});
