import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Where Debian and others put libraries, by CPU. */
const FOLDERS: Readonly<Record<string, readonly string[]>> = {
  x64: ['/usr/lib/x86_64-linux-gnu', '/usr/lib64', '/usr/lib'],
  arm64: ['/usr/lib/aarch64-linux-gnu', '/usr/lib64', '/usr/lib'],
};
const LIBRARY = 'libturbojpeg.so.0';

/** The path of libjpeg-turbo's library TurboJPEG, or null where it is not installed. */
export function findTurbojpeg(folders = FOLDERS[process.arch] ?? []): string | null {
  return folders.map((folder) => join(folder, LIBRARY)).find((path) => existsSync(path)) ?? null;
}
