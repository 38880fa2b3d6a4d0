/**
 * Node's own HTTP server and tfjs-node's `LayersModel.predict`, with sharp.
 * Usage: tfjs-node.mjs PORT LAYERS.json WEIGHTS.safetensors
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import sharp from 'sharp';

const [port, layersFile, weightsFile] = process.argv.slice(2);
const load = (path) => import(new URL(`../../dist/${path}`, import.meta.url).href);
const { loadTfjs } = await load('inference/tfjs.js');
const { readSafetensors } = await load('inference/network/safetensors.js');
const tf = await loadTfjs(2);
const weights = await readSafetensors(weightsFile);
const LABELS = ['bedroom', 'bathroom', 'balcony', 'kitchen', 'hall', 'others'];

const input = tf.input({ shape: [299, 299, 3] });
const out = new Map([['input', input]]);
for (const layer of JSON.parse(readFileSync(layersFile, 'utf8'))) {
  const { name, kind, from, padding, stride: strides } = layer;
  const at = Array.isArray(from) ? from.map((one) => out.get(one)) : out.get(from);
  const kernel = weights.get(`${name}/kernel`);
  const given = kernel && {
    weights: [kernel, weights.get(`${name}/bias`)].map((w) => tf.tensor(w.data, [...w.shape])),
  };
  const { filters, kernel: kernelSize, units, rate } = layer;
  const pool = { poolSize: 3, strides, padding };
  const part = {
    conv: () =>
      tf.layers.conv2d({ filters, kernelSize, strides, padding, activation: 'relu', ...given }),
    maxPool: () => tf.layers.maxPooling2d(pool),
    avgPool: () => tf.layers.averagePooling2d(pool),
    concat: () => tf.layers.concatenate(),
    globalAveragePool: () => tf.layers.globalAveragePooling2d({}),
    dense: () => tf.layers.dense({ units, activation: layer.relu ? 'relu' : 'linear', ...given }),
    dropout: () => tf.layers.dropout({ rate }),
  }[kind]();
  out.set(name, part.apply(at));
}
const model = tf.model({ inputs: input, outputs: out.get('logits') });

createServer(async (request, response) => {
  const form = await new Response(request, {
    headers: { 'content-type': request.headers['content-type'] },
  }).formData();
  const bytes = Buffer.from(await form.get('image').arrayBuffer());
  const pixels = await sharp(bytes)
    .resize(299, 299, { fit: 'fill' })
    .removeAlpha()
    .raw()
    .toBuffer();
  const x = tf.tidy(() =>
    tf.tensor4d(Float32Array.from(pixels), [1, 299, 299, 3]).div(127.5).sub(1),
  );
  const scores = tf.tidy(() => model.predict(x).softmax());
  const values = await scores.data();
  tf.dispose([x, scores]);
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(Object.fromEntries(LABELS.map((label, i) => [label, values[i]]))));
}).listen(Number(port), '127.0.0.1');
