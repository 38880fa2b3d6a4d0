// Which way of running the network in tfjs-node is fastest: eager with fused operations (what the
// engine does), a SavedModel session in float32 or bfloat16, or eager with oneDNN told that bfloat16
// will do. Each way in a process of its own, interleaved; medians and the agreement with eager.
//
//   node bench/tfjs-node/run.mjs --python PYTHON [--rounds 3] [--photos 40]
//
// PYTHON has tensorflow-cpu 2.18.1: it writes the SavedModels. Needs `npm run build` and
// `npm run setup:tfjs-node`.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('../../', import.meta.url));
const load = (path) => import(new URL(`../../dist/${path}`, import.meta.url).href);
const { median } = await load('bench/median.js');
const WAYS = {
  eager: {},
  'eager, oneDNN bf16': { ONEDNN_DEFAULT_FPMATH_MODE: 'BF16' },
  'SavedModel f32': { SAVED_MODEL: 'float32' },
  'SavedModel bf16': { SAVED_MODEL: 'bfloat16' },
};

/** In the child: logits of `count` drawn pictures and the milliseconds each took. */
async function measure(count, dir) {
  const { loadTfjs } = await load('inference/tfjs.js');
  const tf = await loadTfjs(2);
  let s = 1;
  const random = () => {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
    return s;
  };
  // Blocks of 23 pixels: something a photo network answers to.
  const picture = () => {
    const blocks = Array.from({ length: 13 * 13 * 3 }, () => random() >>> 24);
    return Uint8Array.from({ length: 299 * 299 * 3 }, (_, i) => {
      const [x, y] = [Math.floor(i / 3) % 299, Math.floor(i / 897)];
      return blocks[(Math.floor(y / 23) * 13 + Math.floor(x / 23)) * 3 + (i % 3)];
    });
  };
  let infer;
  if (process.env.SAVED_MODEL) {
    const model = await tf.node.loadSavedModel(join(dir, process.env.SAVED_MODEL));
    infer = async (pixels) => {
      const x = tf.tensor4d(Float32Array.from(pixels), [1, 299, 299, 3]);
      const { logits } = model.predict({ pixels: x });
      const values = Array.from(await logits.data());
      tf.dispose([x, logits]);
      return values;
    };
  } else {
    const { createTfjsNodeEngine } = await load('inference/engines/tfjs-node.js');
    const { loadBundle, BUNDLED_MODEL_DIR } = await load('inference/bundle.js');
    const engine = await createTfjsNodeEngine(await loadBundle(BUNDLED_MODEL_DIR), { threads: 2 });
    infer = async (pixels) => Array.from(await engine.infer(pixels));
  }
  const [logits, ms] = [[], []];
  for (let i = -5; i < count; i++) {
    const pixels = picture();
    const from = performance.now();
    const values = await infer(pixels);
    if (i < 0) continue; // warm-up
    logits.push(values);
    ms.push(performance.now() - from);
  }
  const memory = Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;
  process.stdout.write(JSON.stringify({ logits, ms, memory }));
  process.exit(0);
}

const print = (line) => process.stdout.write(`${line}\n`);
const softmax = (row) => {
  const exps = row.map((z) => Math.exp(z - Math.max(...row)));
  return exps.map((e) => e / exps.reduce((a, b) => a + b));
};

async function compare({ python, rounds, photos }) {
  const dir = mkdtempSync(join(tmpdir(), 'retagger-ways-'));
  try {
    const { inceptionV3 } = await load('inference/network/inceptionv3.js');
    const { loadBundle, BUNDLED_MODEL_DIR } = await load('inference/bundle.js');
    const { dir: model, manifest } = await loadBundle(BUNDLED_MODEL_DIR);
    writeFileSync(join(dir, 'layers.json'), JSON.stringify(inceptionV3(manifest.labels.length)));
    const script = fileURLToPath(new URL('saved-model.py', import.meta.url));
    const weights = join(model, manifest.files.weights);
    execFileSync(python, [script, join(dir, 'layers.json'), weights, dir], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const results = Object.fromEntries(Object.keys(WAYS).map((name) => [name, []]));
    for (let round = 0; round < rounds; round++) {
      for (const [name, env] of Object.entries(WAYS)) {
        const args = [fileURLToPath(import.meta.url), '--child', dir, '--photos', String(photos)];
        const options = { env: { ...process.env, ...env }, cwd: root, maxBuffer: 2 ** 26 };
        const stdio = ['ignore', 'pipe', 'ignore'];
        const out = execFileSync(process.execPath, args, { ...options, stdio });
        results[name].push(JSON.parse(out));
      }
    }
    const eager = results.eager[0].logits.map(softmax);
    const base = median(results.eager.map(({ ms }) => median(ms)));
    print('| way | ms a photo | against eager | peak MB | largest score difference |');
    print('| --- | --- | --- | --- | --- |');
    for (const [name, runs] of Object.entries(results)) {
      const ms = median(runs.map((run) => median(run.ms)));
      const memory = median(runs.map((run) => run.memory));
      const scores = runs[0].logits.map(softmax);
      const differences = scores.flatMap((row, i) => row.map((v, k) => Math.abs(v - eager[i][k])));
      const most = Math.max(...differences).toExponential(1);
      print(
        `| ${name} | ${ms.toFixed(1)} | ${(ms / base).toFixed(2)} | ${memory.toFixed(0)} | ${most} |`,
      );
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const { values } = parseArgs({
  options: {
    child: { type: 'string' },
    python: { type: 'string', default: 'python3' },
    rounds: { type: 'string', default: '3' },
    photos: { type: 'string', default: '40' },
  },
});
if (values.child) await measure(Number(values.photos), values.child);
else await compare({ ...values, rounds: Number(values.rounds), photos: Number(values.photos) });
