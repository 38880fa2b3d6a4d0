import type { Config } from '../config/schema.ts';

/** ok: nothing to do. warn: it works, but not as well or not for long. fail: it will not work. */
export type Status = 'ok' | 'warn' | 'fail';

export interface Finding {
  readonly status: Status;
  /** What was found, with figures. */
  readonly detail: string;
  /** What to do about it; there unless the status is ok. */
  readonly advice?: string;
}

/** One file in this folder exports one of these. */
export interface Check {
  readonly name: string;
  /** What it throws becomes a failed finding. */
  run(config: Config): Promise<Finding>;
}

export const ok = (detail: string): Finding => ({ status: 'ok', detail });
export const warn = (detail: string, advice: string): Finding => ({
  status: 'warn',
  detail,
  advice,
});
export const fail = (detail: string, advice: string): Finding => ({
  status: 'fail',
  detail,
  advice,
});

const MiB = 1024 * 1024;
export const mebibytes = (bytes: number): string => `${Math.round(bytes / MiB)} MiB`;
