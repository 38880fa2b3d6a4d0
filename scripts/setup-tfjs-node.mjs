/**
 * Makes the optional `@tensorflow/tfjs-node` usable: `npm run setup:tfjs-node`.
 *
 * npm installs only its JavaScript (install scripts are off in this project). Here its native part
 * is added: the official download where that host answers, else TensorFlow's C library out of the
 * TensorFlow wheel on PyPI (pinned, checked) and the add-on compiled from the package's own source.
 *
 * Needs, for the second way: python3 with pip, a C++ compiler, make. The add-on uses Node-API 8, so
 * one build serves Node 20 to 24. `RETAGGER_TF_WHEEL` names a wheel that is already on disk.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { extract, fetchWheel, run } from './wheel.mjs';

const OFFICIAL_HOST = process.env.TFJS_NODE_CDN_STORAGE ?? 'https://storage.googleapis.com/';
/** TensorFlow 2.18.1 keeps the C API that tfjs-node 4.22 was written against (2.9). */
const WHEELS = {
  x64: {
    requirement: 'tensorflow-cpu==2.18.1',
    platform: 'manylinux_2_17_x86_64',
    sha256: '810c75d7149d2da0cb2092187817b0dcabb80728ca9f9cf3a61f3f42fadd1298',
    megabytes: 250,
  },
  arm64: {
    requirement: 'tensorflow==2.18.1',
    platform: 'manylinux_2_17_aarch64',
    sha256: '8a6485edd2148f70d011dbd1d8dc2c775e91774a5a159466e83d0d1f21580944',
    megabytes: 250,
  },
};

const say = (text) => process.stderr.write(`setup-tfjs-node: ${text}\n`);
const require = createRequire(import.meta.url);

/** Loads the package in a process of its own: a half-built one may crash. */
function works(packageDir) {
  // The same shim as in src/inference/tfjs.ts: tfjs-node calls what Node 23 removed.
  const code = `const util = require('node:util');
    util.isNullOrUndefined ??= (value) => value === null || value === undefined;
    util.isArray ??= Array.isArray;
    const tf = require(${JSON.stringify(packageDir)});
    process.exit(tf.add(1, 2).dataSync()[0] === 3 ? 0 : 1);`;
  const env = { ...process.env, TF_CPP_MIN_LOG_LEVEL: '2' };
  return spawnSync(process.execPath, ['-e', code], { env }).status === 0;
}

async function officialHostAnswers() {
  try {
    const response = await fetch(`${OFFICIAL_HOST}tensorflow/libtensorflow/`, {
      method: 'HEAD',
      signal: AbortSignal.timeout(5000),
    });
    return response.status < 500;
  } catch {
    return false;
  }
}

/** Lays the wheel's library out as the package's binding.gyp expects it: deps/lib, deps/include. */
async function unpackWheel(wheel, packageDir) {
  const deps = join(packageDir, 'deps');
  await rm(deps, { recursive: true, force: true });
  await mkdir(deps, { recursive: true });
  extract(wheel, (name) => {
    const inner = name.replace(/^tensorflow\//, '');
    if (/^libtensorflow_(cc|framework)\.so\.2$/.test(inner)) return join(deps, 'lib', inner);
    // What the aarch64 wheel brings along (OpenMP); the libraries look for it beside their own folder.
    const needed = /^include\/.*\.(h|inc)$|^tensorflow\.libs\//.test(inner);
    return needed ? join(deps, inner) : null;
  });
  // The linker looks for these names; the add-on then records each library's own SONAME.
  await symlink('libtensorflow_cc.so.2', join(deps, 'lib', 'libtensorflow.so'));
  await symlink('libtensorflow_framework.so.2', join(deps, 'lib', 'libtensorflow_framework.so'));
}

/** Where Node's headers are: npm's `nodedir`, beside this Node, or (null) node-gyp downloads them. */
function headers() {
  const asked = spawnSync('npm', ['config', 'get', 'nodedir'], { encoding: 'utf8' });
  const candidates = [asked.stdout?.trim(), resolve(dirname(process.execPath), '..')];
  return candidates.find((dir) => dir && existsSync(join(dir, 'include/node/node_api.h'))) ?? null;
}

/** npm's own node-gyp where npm has one, else the registry's. */
function nodeGyp() {
  const npm = spawnSync('npm', ['root', '-g'], { encoding: 'utf8' }).stdout?.trim() ?? '';
  const bundled = join(npm, 'npm/node_modules/node-gyp/bin/node-gyp.js');
  return existsSync(bundled)
    ? [process.execPath, bundled]
    : ['npx', '--yes', '--package=node-gyp@11.5.0', 'node-gyp'];
}

async function compile(packageDir) {
  const { binary } = JSON.parse(await readFile(join(packageDir, 'package.json'), 'utf8'));
  const api = Math.max(
    ...binary.napi_versions.filter((version) => version <= Number(process.versions.napi)),
  );
  const folder = join(packageDir, binary.module_path.replace('{napi_build_version}', api));
  const nodedir = headers();
  const [command, ...first] = nodeGyp();
  say(`compiling the add-on for Node-API ${api}`);
  run(
    command,
    [
      ...first,
      'rebuild',
      `--module=${join(folder, `${binary.module_name}.node`)}`,
      `--module_name=${binary.module_name}`,
      `--module_path=${folder}`,
      `--napi_version=${process.versions.napi}`,
      `--napi_build_version=${api}`,
      ...(nodedir ? [`--nodedir=${nodedir}`] : []),
    ],
    { cwd: packageDir },
  );
}

function installedIn() {
  try {
    return dirname(require.resolve('@tensorflow/tfjs-node/package.json'));
  } catch {
    throw new Error(
      '@tensorflow/tfjs-node is not installed: run npm ci (without --omit=optional) first',
    );
  }
}

async function setUp() {
  const packageDir = installedIn();
  if (works(packageDir)) return say('already works');
  if (await officialHostAnswers()) {
    say('downloading the official binaries');
    const done = spawnSync(process.execPath, ['scripts/install.js'], {
      cwd: packageDir,
      stdio: ['ignore', 2, 2],
    });
    if (done.status === 0 && works(packageDir)) return say('works');
    say('the official binaries do not work here');
  }
  const { platform, arch, env } = process;
  const pin = platform === 'linux' ? WHEELS[arch] : undefined;
  if (!pin) throw new Error(`no TensorFlow wheel is pinned for ${platform} ${arch}`);
  const scratch = await mkdtemp(join(tmpdir(), 'retagger-tf-'));
  try {
    const given = env.RETAGGER_TF_WHEEL;
    await unpackWheel(await fetchWheel(pin, { folder: scratch, given, say }), packageDir);
    await compile(packageDir);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  if (!works(packageDir)) throw new Error('built, but does not load');
  say('works');
}

await setUp().catch((error) => {
  say(error.message);
  process.exitCode = 1;
});
