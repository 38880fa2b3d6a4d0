import { readdir } from 'node:fs/promises';
import { tagFolder } from '../../files/tag-folder.ts';
import { DatasetError, isPassedOver } from './dataset.ts';

/** The daemon files photos in a folder a label; file systems and people may not tell all names apart. */
const place = (label: string | null): string => tagFolder(label).normalize('NFC').toLowerCase();

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

/** Folders that are taken for no label: hidden ones, and that of photos without a tag. */
export async function foldersPassedOver(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory());
  return folders.map(({ name }) => name).filter(isPassedOver);
}
