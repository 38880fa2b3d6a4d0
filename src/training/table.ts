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
      [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(
        ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? '',
      ),
    );
  const header = rows.shift() ?? [];
  const [a, b] = columns.map((name) => header.indexOf(name)) as [number, number];
  if (a < 0 || b < 0) throw new Error(`the file needs columns "${columns[0]}" and "${columns[1]}"`);
  return rows.map((row) => [row[a] ?? '', row[b] ?? '']);
}

/** Of a path only `label/name` counts: the table may have been written from another folder. */
export const tail = (file: string): string => file.split('/').slice(-2).join('/');
