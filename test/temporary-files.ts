import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** One folder for all temporary files of a run, the programs' that it starts included; gone after it. */
export default function setup(): () => void {
  const dir = mkdtempSync(join(tmpdir(), 'retagger-run-'));
  // As /tmp: some programs run as another user.
  chmodSync(dir, 0o1777);
  process.env.TMPDIR = dir;
  return () => rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
}
