import { readFile } from 'node:fs/promises';

/** What the kernel says this CPU can do, as it writes it; empty where it does not say. */
export async function cpuFeatures(): Promise<string> {
  const info = await readFile('/proc/cpuinfo', 'utf8').catch(() => '');
  return /^(?:flags|Features)\s*:.*$/m.exec(info)?.[0] ?? '';
}

/** Whether it multiplies matrices of bytes by itself (Intel's AMX). */
export const multipliesMatrices = (features: string): boolean => /\bamx_int8\b/.test(features);
