import { readdir } from 'node:fs/promises';
import { folderName } from '../../daemon/filing/filed-name.ts';
import { DatasetError } from './dataset.ts';

/** The daemon files photos in a folder a label; file systems and people may not tell all names apart. */
const place = (label: string | null): string => folderName(label).normalize('NFC').toLowerCase();

/** @throws DatasetError naming labels that a daemon cannot serve. */
export function checkLabels(dir: string, labels: readonly string[]): void {
  const taken = new Map([[place(null), 'the folder of photos without a tag']]);
  const faults: string[] = [];
  for (const label of labels) {
    if (/\p{Cc}/u.test(label)) {
      faults.push(`label ${JSON.stringify(label)} has control characters in it`);
    }
    const other = taken.get(place(label));
    if (other) faults.push(`label "${label}" cannot be told from ${other}`);
    taken.set(place(label), `label "${label}"`);
  }
  if (faults.length > 0) throw new DatasetError(dir, faults);
}

/** Folders that are taken for no label, because of the dot. */
export async function hiddenFolders(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory() && entry.name.startsWith('.'))
    .map(({ name }) => name);
}
