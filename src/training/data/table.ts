import { readFile } from 'node:fs/promises';
import { DatasetError, filesOf, type Photo } from './dataset.ts';

/**
 * Two columns of a CSV table with a header. Quotes are for values with commas; Excel's byte order
 * mark is no part of the first name.
 * @throws Error where a column is missing.
 */
export function parseTable(csv: string, columns: readonly [string, string]): [string, string][] {
  const rows = csv
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '')
    .map((line) =>
      // Each cell begins with its comma: an empty first one would be passed over with what is behind it.
      [...`,${line}`.matchAll(/,(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(
        ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? '',
      ),
    );
  const header = rows.shift() ?? [];
  const [a, b] = columns.map((name) => header.indexOf(name)) as [number, number];
  if (a < 0 || b < 0) {
    const semicolons = header.length === 1 && header[0]?.includes(';');
    const hint = semicolons ? '; its columns are separated by ";", not by ","' : '';
    throw new Error(`the file needs columns "${columns[0]}" and "${columns[1]}"${hint}`);
  }
  return rows.map((row) => [row[a] ?? '', row[b] ?? '']);
}

/**
 * Reads a table and hands it to `use`.
 * @throws DatasetError that names the flag and the file, whatever is wrong with it.
 */
export async function withTable<T>(
  flag: string,
  path: string,
  use: (csv: string) => T,
): Promise<T> {
  try {
    return use(await readFile(path, 'utf8'));
  } catch (error) {
    const faults = error instanceof DatasetError ? error.faults : [(error as Error).message];
    throw new DatasetError(`${flag} ${path}`, faults);
  }
}

/**
 * The photo that a path in a table means: the table may have been written from another folder.
 * @returns its file; the path's last two parts where it means none.
 */
export function fileOf(path: string, files: ReadonlySet<string>): string {
  const parts = path.split('/');
  const tails = parts.map((_, i) => parts.slice(i).join('/'));
  return tails.find((tail) => files.has(tail)) ?? parts.slice(-2).join('/');
}

/**
 * Rows by photo.
 * @throws Error where two rows say different things of one photo: nobody knows which is meant.
 */
export function byPhoto(
  rows: readonly [string, string][],
  photos: readonly Photo[],
): Map<string, string> {
  const files = filesOf(photos);
  const found = new Map<string, string>();
  for (const [path, value] of rows) {
    const file = fileOf(path, files);
    const before = found.get(file);
    if (before !== undefined && before !== value) {
      throw new Error(`${file} is listed with "${before}" and with "${value}"`);
    }
    found.set(file, value);
  }
  return found;
}
