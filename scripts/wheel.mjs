/**
 * What the set-up scripts share: native libraries out of a Python wheel that is pinned by its SHA-256.
 * pip fetches it, so that the index, mirror and proxy that a user has set up count. Needs python3 with pip.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

/** With a wheel only: its files' names as JSON; else takes {name: target} as JSON and extracts these. */
const ZIP = `
import json, os, shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as z:
    if sys.argv[2] == 'list':
        json.dump([m.filename for m in z.infolist() if not m.is_dir()], sys.stdout)
    else:
        for name, target in json.load(sys.stdin).items():
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with z.open(name) as source, open(target, 'wb') as sink:
                shutil.copyfileobj(source, sink, 1 << 22)
`;

/** @throws Error where the program cannot be started or does not end well; what it says is shown. */
export function run(command, args, { cwd, input } = {}) {
  const stdin = input === undefined ? 'ignore' : 'pipe';
  const { status, error } = spawnSync(command, args, { cwd, input, stdio: [stdin, 2, 2] });
  if (error || status !== 0) throw failure(command, args, status, error);
}

const failure = (command, args, status, error) =>
  new Error(`${command} ${args[0] ?? ''} failed: ${error?.message ?? `exit ${status}`}`);

async function sha256(file) {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

/**
 * @param pin requirement, platform and sha256 of the wheel, and its size in megabytes.
 * @param given a wheel that is already on disk; without it, pip puts one into `folder`.
 * @returns the path of the checked wheel.
 */
export async function fetchWheel(pin, { folder, given, say }) {
  let wheel = given;
  if (!wheel) {
    const { requirement, platform, megabytes } = pin;
    say(`fetching ${requirement} (about ${megabytes} MB) from the Python package index`);
    run('python3', [
      ...['-m', 'pip', 'download', '--quiet', '--no-deps', '--only-binary=:all:'],
      ...['--implementation', 'cp', '--python-version', '3.11', '--platform', platform],
      ...['--dest', folder, requirement],
    ]);
    const name = (await readdir(folder)).find((file) => file.endsWith('.whl'));
    if (!name) throw new Error('pip left no wheel');
    wheel = join(folder, name);
  }
  const found = await sha256(wheel);
  if (found !== pin.sha256) throw new Error(`${wheel}: SHA-256 is ${found}, not ${pin.sha256}`);
  return wheel;
}

/** @param place gives the path for a file of the wheel by its name there, or null to leave it out. */
export function extract(wheel, place) {
  const args = ['-c', ZIP, wheel];
  const { status, error, stdout } = spawnSync('python3', [...args, 'list'], {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
    stdio: ['ignore', 'pipe', 2],
  });
  if (error || status !== 0) throw failure('python3', args, status, error);
  const targets = JSON.parse(stdout).map((name) => [name, place(name)]);
  const input = JSON.stringify(Object.fromEntries(targets.filter(([, target]) => target !== null)));
  run('python3', [...args, 'extract'], { input });
}
