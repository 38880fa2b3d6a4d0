import { readdir, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { isNoPhoto } from '../../files/no-photo.ts';
import { tagFolder } from '../../files/tag-folder.ts';
import { preprocess } from '../../inference/preprocess.ts';

/** One labelled photo. */
export interface Photo {
  /** Path below the data folder, with `/`: `kitchen/a.jpg`. Names the photo everywhere. */
  readonly file: string;
  /** Index into the data set's labels. */
  readonly label: number;
  /** Size and time of the last change: another one is another photo. */
  readonly version?: string;
}

export interface Dataset {
  readonly dir: string;
  readonly labels: readonly string[];
  /** Sorted by file, so that runs on any file system agree. */
  readonly photos: readonly Photo[];
}

/** The names of photos. */
export const filesOf = (photos: readonly Photo[]): ReadonlySet<string> =>
  new Set(photos.map(({ file }) => file));

/** Where no label's folder is, names tell photos from tables; within one the bytes do. */
const EXTENSIONS = new Set(
  ['jpg', 'jpeg', 'png', 'webp', 'avif', 'gif', 'tif', 'tiff', 'heic', 'heif'].map((e) => `.${e}`),
);
export const TRAINING_LIMITS = { pixels: 100_000_000, bytes: 64 * 1024 * 1024 };
const MAX_NAMED = 10;
export const isPhoto = (name: string): boolean => EXTENSIONS.has(extname(name).toLowerCase());

/** Bad training data; `faults` has one line each. */
export class DatasetError extends Error {
  readonly faults: readonly string[];

  constructor(dir: string, faults: readonly string[]) {
    const more = faults.length > MAX_NAMED ? `\n  … and ${faults.length - MAX_NAMED} more` : '';
    super(`${dir}:\n  ${faults.slice(0, MAX_NAMED).join('\n  ')}${more}`);
    this.name = 'DatasetError';
    this.faults = faults;
  }
}

/** What the daemon could not tag: it has no label yet. */
const UNLABELLED = tagFolder(null);

/** Folders of a data set that are taken for no label. */
export const isPassedOver = (folder: string): boolean =>
  folder.startsWith('.') || folder === UNLABELLED;

/**
 * Reads `DIR/<label>/**`, as `<data.dir>/tagged` is too: hidden entries, sidecars and the folder of photos
 * without a tag are passed over.
 * @param labels their order in the model; default: the folders' names, sorted.
 * @param partial some labels may have no photo here, but not all.
 * @throws DatasetError naming every empty, missing or unknown class and every foreign file.
 */
export async function readDataset(
  dir: string,
  labels?: readonly string[],
  partial = false,
): Promise<Dataset> {
  const faults: string[] = [];
  const entries = await readdir(dir, { withFileTypes: true }).catch((error: Error) => {
    throw new DatasetError(dir, [`cannot be read: ${error.message}`]);
  });
  const folders: string[] = [];
  for (const { name } of entries.filter((entry) => !isPassedOver(entry.name))) {
    // A link to a folder is as good as one.
    const isFolder = await stat(join(dir, name)).then(
      (stats) => stats.isDirectory(),
      () => false,
    );
    if (isFolder) folders.push(name);
    else if (isPhoto(name)) faults.push(`${name} lies in no label's folder`);
  }
  folders.sort();
  const order = labels ?? folders;
  for (const [i, label] of order.entries()) {
    if (order.indexOf(label) !== i) faults.push(`label "${label}" is given twice`);
    if (!folders.includes(label) && !partial) faults.push(`no folder for label "${label}"`);
  }
  for (const folder of folders) {
    if (!order.includes(folder)) {
      faults.push(`folder "${folder}" is none of the labels ${order.join(', ')}`);
    }
  }
  if (order.length < 2) {
    faults.push(`needs at least two folders of labelled photos, found ${order.length}`);
  }
  const photos: Photo[] = [];
  for (const [index, label] of order.entries()) {
    if (!folders.includes(label)) continue;
    const files = await filesBelow(dir, label);
    if (files.length === 0 && !partial) faults.push(`class "${label}" has no photo`);
    for (const file of files) {
      const stats = await stat(join(dir, file)).catch(() => null);
      if (stats?.isFile()) {
        photos.push({ file, label: index, version: `${stats.size}-${stats.mtimeMs}` });
      } else faults.push(`${file} is no photo`);
    }
  }
  if (partial && photos.length === 0) faults.push(`no photo of ${order.join(', ')}`);
  if (faults.length > 0) throw new DatasetError(dir, faults);
  photos.sort((a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : 0));
  return { dir, labels: order, photos };
}

/** @returns what may be photos in a folder and those below it, as paths from `dir` on. */
async function filesBelow(dir: string, folder: string): Promise<string[]> {
  const files: string[] = [];
  for (const entry of await readdir(join(dir, folder), { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`;
    if (isNoPhoto(entry.name)) continue;
    if (entry.isDirectory()) files.push(...(await filesBelow(dir, path)));
    else files.push(path);
  }
  return files;
}

/**
 * Decodes every photo once, so that a damaged one is named before hours of training.
 * @throws DatasetError naming each photo that cannot be read.
 */
export async function checkPhotos(
  dataset: Dataset,
  onProgress: (done: number) => void = () => {},
  signal?: AbortSignal,
): Promise<void> {
  const faults: string[] = [];
  let next = 0;
  let done = 0;
  const lane = async () => {
    for (;;) {
      const photo = dataset.photos[next++];
      if (!photo || signal?.aborted) return;
      try {
        await preprocess(join(dataset.dir, photo.file), TRAINING_LIMITS);
      } catch (error) {
        faults.push(`${photo.file}: ${(error as Error).message}`);
      }
      onProgress(++done);
    }
  };
  await Promise.all([lane(), lane(), lane(), lane()]);
  signal?.throwIfAborted();
  if (faults.length > 0) throw new DatasetError(dataset.dir, faults.sort());
}
