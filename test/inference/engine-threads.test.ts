import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadBundle, type ModelBundle } from '../../src/inference/bundle.ts';
import { inThreads } from '../../src/inference/engine-threads.ts';
import { loadHere } from '../../src/inference/engines.ts';
import { INPUT_SIZE } from '../../src/inference/inceptionv3.ts';
import { randomPixels } from '../training/export/tiny-network.ts';
import { writeTinyBundle } from './tiny-bundle.ts';

const photo = randomPixels(INPUT_SIZE, 42);
let bundle: ModelBundle;
let remove: () => Promise<void>;

beforeAll(async () => {
  const written = await writeTinyBundle();
  remove = written.remove;
  bundle = await loadBundle(written.dir);
});
afterAll(() => remove());

it('says the same as the engine in this thread, which it does not hold up', async () => {
  const [here, there] = await Promise.all([
    loadHere('onnxruntime', bundle, { threads: 1 }),
    inThreads('onnxruntime', bundle, { threads: 1 }),
  ]);
  let done = false;
  const answer = there.infer(photo).finally(() => {
    done = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(done).toBe(false);
  expect(await answer).toEqual(await here.infer(photo));
  await Promise.all([here.close(), there.close()]);
});

it('an engine that does not load in its thread is an error here', async () => {
  const written = await writeTinyBundle();
  const broken = await loadBundle(written.dir);
  await rm(join(written.dir, 'int8.onnx'));
  await expect(inThreads('onnxruntime', broken, { atOnce: 2 })).rejects.toThrow('int8.onnx');
  await written.remove();
});
