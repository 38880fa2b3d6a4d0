import { DatasetError, filesOf, type Photo } from './dataset.ts';
import { byPhoto, parseTable } from './table.ts';

/** How often a photo is drawn against others of its class, by file below the data folder. */
type PhotoWeights = ReadonlyMap<string, number>;

/**
 * Reads `file` and `weight` columns; photos that are not listed weigh 1.
 * @throws DatasetError for a weight outside 0.01..100, or a photo that is not there.
 */
export function parseWeights(csv: string, dir: string, photos: readonly Photo[]): PhotoWeights {
  const files = filesOf(photos);
  const rows = [...byPhoto(parseTable(csv, ['file', 'weight']), photos)].map(
    ([file, weight]) => [file, Number(weight)] as const,
  );
  const faults = rows.flatMap(([file, weight]) => {
    if (!files.has(file)) return [`weight for ${file}: no such photo`];
    return weight >= 0.01 && weight <= 100 ? [] : [`weight for ${file}: not from 0.01 to 100`];
  });
  if (faults.length > 0) throw new DatasetError(dir, faults);
  return new Map(rows);
}
