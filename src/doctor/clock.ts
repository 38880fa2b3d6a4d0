import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type Check, ok, warn } from './check.ts';

const DAY_MS = 24 * 3600 * 1000;

/** The program's own files cannot be from the future; a box without a battery clock starts in 1970. */
export async function clockFinding(now: number, file: string) {
  const { mtimeMs } = await stat(file);
  if (now + DAY_MS >= mtimeMs) return ok(new Date(now).toISOString());
  return warn(
    `the clock says ${new Date(now).toISOString()}, which is before this program was installed`,
    'Times in results will be wrong, and TLS to the broker fails: switch on NTP (timedatectl set-ntp true).',
  );
}

export const clock: Check = {
  name: 'clock',
  run: () => clockFinding(Date.now(), fileURLToPath(import.meta.url)),
};
