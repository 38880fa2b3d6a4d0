import { type Dataset, DatasetError, filesOf, type Photo } from './dataset.ts';
import { byPhoto, parseTable } from './table.ts';

/** File below the data folder → its right label, or '' to leave the photo out. */
type Corrections = ReadonlyMap<string, string>;

/** Reads `file` and `label` columns. @throws Error */
export function parseCorrections(csv: string, photos: readonly Photo[]): Corrections {
  return byPhoto(parseTable(csv, ['file', 'label']), photos);
}

/**
 * The data set with labels put right; the files stay where they are.
 * @throws DatasetError for a photo that is not there, an unknown label, or a class left empty.
 */
export function applyCorrections(dataset: Dataset, corrections: Corrections): Dataset {
  const { dir, labels } = dataset;
  const files = filesOf(dataset.photos);
  const faults = [...corrections].flatMap(([file, label]) => {
    if (!files.has(file)) return [`correction for ${file}: no such photo`];
    return label === '' || labels.includes(label)
      ? []
      : [`correction for ${file}: no label "${label}"`];
  });
  const photos = dataset.photos.flatMap((photo): Photo[] => {
    const label = corrections.get(photo.file);
    if (label === undefined) return [photo];
    return label === '' ? [] : [{ ...photo, label: labels.indexOf(label) }];
  });
  for (const [index, label] of labels.entries()) {
    if (!photos.some((photo) => photo.label === index))
      faults.push(`class "${label}" is left empty`);
  }
  if (faults.length > 0) throw new DatasetError(dir, faults);
  return { dir, labels, photos };
}
