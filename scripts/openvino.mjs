/**
 * The part of Intel's OpenVINO that runs an ONNX model on the CPU, in a folder: what it consists of, how
 * it is taken out of the wheel on PyPI, and where it lies.
 */
import { cpSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { extract, fetchWheel } from './wheel.mjs';

export const VERSION = '2026.4.1';
/** Node's name of the only CPU it is for: on ARM64 the plugin computes no 8-bit convolutions. */
export const CPU = 'x64';
export const PIN = {
  requirement: `openvino==${VERSION}`,
  platform: 'manylinux_2_28_x86_64',
  sha256: '2d22b1da03f7caf74df30e9f6417d0ab2f637e4a38e08e1dcd294d2c37407aaf',
  megabytes: 59,
};
/** Written last: names what lies beside it. */
const MANIFEST = 'manifest.json';

/**
 * The C API, the reader of ONNX, the one of OpenVINO's own format (a compiled model that is kept needs it)
 * and the CPU. Of TBB not its malloc, which it does without; its binding to NUMA nodes needs hwloc.
 */
export const LIBRARIES = [
  ...['', '_c', '_onnx_frontend', '_ir_frontend'].map((part) => `libopenvino${part}.so.2641`),
  'libopenvino_intel_cpu_plugin.so',
  ...['libtbb.so.12', 'libtbbbind_2_5.so.3', 'libhwloc.so.15'],
];

/** Where it lies in a checkout or a built program, and the program looks for it. */
export const folderIn = (root) => join(root, 'vendor/openvino');

function manifestIn(folder) {
  try {
    return JSON.parse(readFileSync(join(folder, MANIFEST), 'utf8'));
  } catch {
    return null;
  }
}

/** Whether all of the pinned version lies there. */
export function isComplete(folder, pin = PIN) {
  const manifest = manifestIn(folder);
  if (manifest?.wheel !== pin.sha256) return false;
  return Object.entries(manifest.files).every(
    ([name, size]) => statSync(join(folder, name), { throwIfNoEntry: false })?.size === size,
  );
}

/** Copies it into a built program, where that looks for it. @returns whether there was one. */
export function copyOpenvino(root, program, pin = PIN) {
  if (!isComplete(folderIn(root), pin)) return false;
  cpSync(folderIn(root), folderIn(program), { recursive: true });
  return true;
}

/**
 * Fetches the wheel and puts what is needed of it into `folder`. What lay there stays until all is ready.
 * @param check is given the new folder before it takes its place; throws where it is no good.
 * @returns what `check` does.
 */
export async function install(folder, { pin = PIN, given, say, check }) {
  const parent = dirname(folder);
  await mkdir(parent, { recursive: true });
  await refuseOthers(folder);
  // Beside the folder, for a rename; a run that was killed has left its own.
  const prefix = `.${basename(folder)}.`;
  for (const name of await readdir(parent))
    if (name.startsWith(prefix)) await rm(join(parent, name), { recursive: true });
  const scratch = await mkdtemp(join(parent, prefix));
  try {
    const wheel = await fetchWheel(pin, { folder: scratch, given, say });
    const fresh = join(scratch, 'new');
    await mkdir(fresh);
    unpack(wheel, fresh, pin);
    const found = check(fresh);
    await replace(folder, fresh, join(scratch, 'old'));
    return found;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** A folder that somebody names by mistake is not replaced. */
async function refuseOthers(folder) {
  const names = await readdir(folder).catch((error) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  if (names.length > 0 && manifestIn(folder)?.openvino === undefined)
    throw new Error(`${folder} holds something else: name another folder, or remove it`);
}

function unpack(wheel, folder, pin) {
  const libs = LIBRARIES.map((name) => [`openvino/libs/${name}`, name]);
  const places = new Map(libs);
  const files = new Set([...places.values(), 'licenses/LICENSE']);
  extract(wheel, (name) => {
    const licence = /^openvino-[^/]+\.dist-info\/licenses\/(?:.*\/)?([^/]+)$/.exec(name);
    const place = licence ? `licenses/${licence[1]}` : places.get(name);
    if (place === undefined) return null;
    files.add(place);
    return join(folder, place);
  });
  const sizes = [...files].map((name) => {
    const status = statSync(join(folder, name), { throwIfNoEntry: false });
    if (status === undefined) throw new Error(`${wheel} lacks ${name}`);
    return [name, status.size];
  });
  const manifest = {
    ...{ openvino: VERSION, wheel: pin.sha256 },
    files: Object.fromEntries(sizes),
  };
  writeFileSync(join(folder, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`);
}

/** A folder that holds something cannot be renamed over; for that moment the old one lies in `aside`. */
async function replace(folder, fresh, aside) {
  const moved = await rename(folder, aside).then(
    () => true,
    (error) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );
  try {
    await rename(fresh, folder);
  } catch (error) {
    if (moved) await rename(aside, folder);
    throw error;
  }
}
