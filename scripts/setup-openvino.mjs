/**
 * Puts the libraries of the optional engine `openvino` where the program looks for them:
 * `npm run setup:openvino`.
 *
 * They come out of the OpenVINO wheel on PyPI (pinned, checked), without a compiler: what runs an ONNX
 * model on the CPU, into `vendor/openvino`. Needs x86-64, and python3 with pip. `--out=DIR` names another
 * folder, `RETAGGER_OPENVINO_WHEEL` a wheel that is already on disk.
 */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { CPU, folderIn, install, isComplete, LIBRARIES, VERSION } from './openvino.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const say = (text) => process.stderr.write(`setup-openvino: ${text}\n`);

/** Loads every library, and has the CPU named by the plugin: OpenVINO itself finds that only then. */
const CHECK = `
  const [koffiFile, version, c, ...others] = process.argv.slice(1);
  const koffi = require(koffiFile);
  const api = koffi.load(c);
  for (const library of others) koffi.load(library);
  koffi.struct('ov_version', { build: 'const char *', description: 'const char *' });
  const call = (prototype, ...args) => {
    const status = api.func(prototype)(...args);
    if (status !== 0) throw new Error(prototype + ': status ' + status);
  };
  const found = {};
  call('int ov_get_openvino_version(_Out_ ov_version *version)', found);
  if (!found.build.startsWith(version)) throw new Error('it says that it is ' + found.build);
  const core = [null];
  call('int ov_core_create(_Out_ void **core)', core);
  const name = [null];
  call(
    'int ov_core_get_property(void *core, const char *device, const char *key, _Out_ const char **value)',
    core[0], 'CPU', 'FULL_DEVICE_NAME', name,
  );
  process.stdout.write('OpenVINO ' + found.build + ', ' + name[0]);
`;

/**
 * In a process of its own: a half-made library may crash.
 * @returns what it says of itself. @throws Error with what is wrong.
 */
function load(folder) {
  // The C API first: it brings along what it needs, as it does in the program.
  const isApi = (name) => Number(name.includes('_c.so'));
  const names = LIBRARIES.toSorted((a, b) => isApi(b) - isApi(a));
  const args = [
    '-e',
    CHECK,
    '--',
    koffiFile(),
    VERSION,
    ...names.map((name) => join(folder, name)),
  ];
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
  });
  if (status === 0) return stdout;
  const reason = /^(?:\w*Error: .*)$/m.exec(stderr)?.[0] ?? signal ?? `exit ${status}`;
  throw new Error(`the libraries do not load: ${reason}`);
}

/** For a program that is started with `-e`, which has no place of its own to look from. */
function koffiFile() {
  try {
    return createRequire(import.meta.url).resolve('koffi');
  } catch {
    throw new Error('koffi is not installed: run npm ci first');
  }
}

async function setUp() {
  const { out } = parseArgs({ options: { out: { type: 'string' } } }).values;
  const { platform, arch, env } = process;
  if (platform !== 'linux' || arch !== CPU)
    throw new Error(`OpenVINO computes in 8 bits on x86-64 only, not on ${platform} ${arch}`);
  koffiFile(); // before 59 MB are fetched
  const folder = out === undefined ? folderIn(root) : resolve(out);
  if (isComplete(folder)) {
    try {
      say(`already there (${load(folder)})`);
      return;
    } catch (error) {
      say(`${error.message}; once more`);
    }
  }
  const works = await install(folder, { given: env.RETAGGER_OPENVINO_WHEEL, say, check: load });
  say(`${relative(process.cwd(), folder)}: works (${works})`);
}

await setUp().catch((error) => {
  say(error.message);
  process.exitCode = 1;
});
