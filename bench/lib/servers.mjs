import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Every server compared: its program and arguments; all answer `POST /re-tagger`. */
export function servers({ python, layers, weights, f32, int8, qdq }) {
  const peer = (file, ...args) => ({
    command: python,
    args: (port) => [here(`../peers/${file}`), port, ...args],
    env: { TF_CPP_MIN_LOG_LEVEL: '3', KERAS_BACKEND: 'tensorflow' },
  });
  const ours = (engine) => ({
    command: here('../../dist/cli.js'),
    args: () => ['run'],
    env: { RETAGGER_ENGINE: engine, RETAGGER_LOG_LEVEL: 'warn' },
    ours: true,
  });
  return {
    'Flask + Keras': peer('flask_keras.py', layers, weights),
    'FastAPI + ONNX Runtime f32': peer('fastapi_onnxruntime.py', f32),
    'FastAPI + ONNX Runtime int8': peer('fastapi_onnxruntime.py', int8),
    'FastAPI + OpenVINO bf16': peer('fastapi_openvino.py', f32, 'bf16', 'LATENCY'),
    'FastAPI + OpenVINO int8': peer('fastapi_openvino.py', qdq, 'f32', 'LATENCY'),
    'FastAPI + OpenVINO int8, throughput': peer('fastapi_openvino.py', qdq, 'f32', 'THROUGHPUT'),
    'tfjs-node LayersModel': {
      command: process.execPath,
      args: (port) => [here('../peers/tfjs-node.mjs'), port, layers, weights],
      env: {},
    },
    'RE-Tagger openvino': ours('openvino'),
    'RE-Tagger onnxruntime': ours('onnxruntime'),
    'RE-Tagger tfjs-node': ours('tfjs-node'),
    'RE-Tagger wasm': ours('wasm'),
  };
}

/** Calls `work` with a data folder that is there as long as it runs. */
export async function withDataFolder(work) {
  const data = await mkdtemp(join(tmpdir(), 'retagger-bench-'));
  try {
    return await work(data);
  } finally {
    await rm(data, { recursive: true, force: true });
  }
}

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Waits until a daemon can tag. @throws Error where it ends before. */
export async function ready(port, daemon) {
  const asked = () => fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null);
  while (!(await asked())?.ok) {
    if (daemon.exitCode !== null) throw new Error(`the daemon ended with ${daemon.exitCode}`);
    await sleep(20);
  }
}

/**
 * Starts one and does not wait. `stop` ends it and its children.
 * @param data the folder it may keep things in from one start to the next.
 */
export async function launch({ command, args, env }, data) {
  const port = await freePort();
  const own = { RETAGGER_DATA_DIR: data, RETAGGER_HTTP_PORT: port, RETAGGER_MQTT_ENABLED: 'false' };
  // As a user would run it: nothing of npm's or of ours in the environment.
  const child = spawn(command, args(String(port)), {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...own, ...env },
    stdio: ['ignore', 'ignore', process.env.BENCH_VERBOSE ? 'inherit' : 'ignore'],
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  return {
    pid: child.pid,
    url: `http://127.0.0.1:${port}/re-tagger`,
    get running() {
      return child.exitCode === null && child.signalCode === null;
    },
    async stop() {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await ended;
      clearTimeout(timer);
    },
  };
}
