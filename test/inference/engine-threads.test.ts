import { access, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { loadBundle, type ModelBundle } from '../../src/inference/bundle.ts';
import { inThreads } from '../../src/inference/engine-threads.ts';
import { loadHere } from '../../src/inference/engines.ts';
import { INPUT_SIZE } from '../../src/inference/network/inceptionv3.ts';
import { randomPixels } from '../training/export/tiny-network.ts';
import { writeTinyBundle } from './tiny-bundle.ts';

/** Programs for the next threads instead of the real one. */
const programs = vi.hoisted(() => [] as string[]);
vi.mock('../../src/inference/built-program.ts', async (original) => {
  const real = await original<typeof import('../../src/inference/built-program.ts')>();
  return { builtProgram: (name: string) => programs.shift() ?? real.builtProgram(name) };
});

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
  const answers: Float32Array[] = [];
  // Many: the first may be there before we are.
  const all = (async () => {
    while (answers.length < 20) answers.push(await there.infer(photo));
  })();
  await new Promise((resolve) => setImmediate(resolve));
  expect(answers.length).toBeLessThan(20);
  await all;
  expect(answers[0]).toEqual(await here.infer(photo));
  await Promise.all([here.close(), there.close()]);
});

it('an engine that does not load in its thread is an error here', async () => {
  const written = await writeTinyBundle();
  const broken = await loadBundle(written.dir);
  await rm(join(written.dir, 'int8.onnx'));
  await expect(inThreads('onnxruntime', broken, { threads: 2, atOnce: 2 })).rejects.toThrow(
    'int8.onnx',
  );
  await written.remove();
});

/** The next thread does this; `say` answers as the real one does. */
async function nextThread(name: string, ...lines: string[]): Promise<void> {
  const path = join(bundle.dir, name);
  const begin = [
    `import { writeFileSync } from 'node:fs';`,
    `import { parentPort } from 'node:worker_threads';`,
    `const say = (type, more) => parentPort.postMessage({ type, ...more });`,
  ];
  await writeFile(path, [...begin, ...lines].join('\n'));
  programs.push(path);
}

it('an inference that fails in its thread is an error here', async () => {
  await nextThread(
    'fails.mjs',
    `parentPort.on('message', (asked) => {`,
    `  if (asked === 'infer') say('failed', { error: new Error('no memory') });`,
    `  else parentPort.close();`,
    `});`,
    `say('loaded');`,
  );
  const engine = await inThreads('onnxruntime', bundle, { threads: 1 });
  await expect(engine.infer(photo)).rejects.toThrow('no memory');
  await engine.close();
});

it('of two of which one does not load none stays', async () => {
  const ended = join(bundle.dir, 'ended');
  await nextThread(
    'loads.mjs',
    `parentPort.once('message', () => writeFileSync('${ended}', ''));`,
    `say('loaded');`,
  );
  await nextThread('fails.mjs', `say('failed', { error: new Error('no memory') });`);
  await expect(inThreads('onnxruntime', bundle, { threads: 2, atOnce: 2 })).rejects.toThrow(
    'no memory',
  );
  await access(ended);
});
