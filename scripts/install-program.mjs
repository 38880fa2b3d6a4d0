/**
 * Puts the built program into a folder as a box runs it, with what it needs from npm and no more:
 * `node scripts/install-program.mjs DIR`, for this CPU; after `npm run build`. Training (tfjs-node) is
 * left out: it needs a compiler and is no work for a box. OpenVINO goes in where `setup:openvino` has fetched it.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CPU, copyOpenvino, VERSION } from './openvino.mjs';
import { pruneModules } from './prune-modules.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

/** @param cpu Node's name of the target ("x64", "arm64"). */
export function installProgram(folder, cpu) {
  mkdirSync(folder, { recursive: true });
  for (const part of ['dist', 'models', 'LICENSE'])
    cpSync(join(root, part), join(folder, part), { recursive: true });
  // The locked versions of what runs, with the native parts of the target only.
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const { devDependencies: _, optionalDependencies: __, scripts: ___, ...runs } = manifest;
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(runs, null, 2)}\n`);
  cpSync(join(root, 'package-lock.json'), join(folder, 'package-lock.json'));
  const target = ['--os=linux', `--cpu=${cpu}`, '--libc=glibc'];
  const quietly = ['--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund'];
  execFileSync('npm', ['install', ...quietly, ...target], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  rmSync(join(folder, 'package-lock.json'));
  checkTarget(folder, cpu);
  pruneModules(join(folder, 'node_modules'), cpu);
  if (cpu === CPU && !copyOpenvino(root, folder)) {
    process.stderr.write(
      `WITHOUT OpenVINO: there is no ${VERSION} here, and the engine "openvino" will not load. ` +
        `It goes in after: npm run setup:openvino\n`,
    );
  }
}

/** @throws Error where npm has not installed for the target: before version 10 it takes no notice of it. */
function checkTarget(folder, cpu) {
  if (existsSync(join(folder, `node_modules/@img/sharp-linux-${cpu}`))) return;
  const version = execFileSync('npm', ['--version'], { encoding: 'utf8' }).trim();
  throw new Error(`npm ${version} does not install for ${cpu} here: npm install --global npm@10`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv[2] === undefined) throw new Error('Which folder?');
  installProgram(resolve(process.argv[2]), process.arch);
}
