import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ofPackage } from '../../package-root.ts';

/** Where `npm run setup:openvino` and the Debian package put OpenVINO's libraries. */
const FOLDER = ofPackage('vendor/openvino/');
const C_LIBRARY = /^libopenvino_c\.so\.\d+$/;

/** Why the engine does not load there, and what to do. */
export const NOT_INSTALLED =
  process.arch === 'x64'
    ? 'it is not installed; in a checkout npm run setup:openvino installs it'
    : 'it is for x86-64 only: elsewhere OpenVINO does not compute in 8 bits';

/** The path of OpenVINO's C library, or null where it is not set up. */
export function findOpenvino(folder = FOLDER): string | null {
  try {
    const name = readdirSync(folder).find((file) => C_LIBRARY.test(file));
    return name === undefined ? null : join(folder, name);
  } catch {
    return null;
  }
}
