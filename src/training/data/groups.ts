import { DatasetError, filesOf, type Photo } from './dataset.ts';
import { fileOf, parseTable } from './table.ts';

/** Names the home or site a photo is from. Photos of one group are never on both sides. */
export type GroupOf = (photo: Photo) => string;

/** Reads `file` and `source` columns. @throws Error where there are none, or no rows. */
export function parseGroups(csv: string, photos: readonly Photo[]): ReadonlyMap<string, string> {
  const rows = parseTable(csv, ['file', 'source']);
  if (rows.length === 0) throw new Error('the file has no rows');
  const files = filesOf(photos);
  return new Map(rows.map(([path, source]) => [fileOf(path, files), source]));
}

export interface GroupOptions {
  /** From `parseGroups`. */
  readonly sources?: ReadonlyMap<string, string>;
  /** Tried on the file's name first: what it captures names the home. */
  readonly pattern?: RegExp;
}

const ALONE = 'photo:';
/** A source with more photos than both is a collection of many homes: each photo is a group. */
const COLLECTION_SHARE = 0.05;
const COLLECTION_PHOTOS = 500;

/** True for the group of a photo whose home is not known. */
export const isAlone = (group: string): boolean => group.startsWith(ALONE);

export interface Groups {
  readonly of: GroupOf;
  /** What was found, for people: how far the split is one of homes. */
  readonly said: string;
}

/** The folder below the label's that a photo lies in: as a rule that of one home, whatever the room. */
const folderOf = ({ file }: Photo): string => file.split('/').slice(1, -1).join('/');

/**
 * Home by pattern, else source, else the photo's folder, else each photo alone.
 * @throws DatasetError where the pattern fits no photo.
 */
export function groupPhotos(photos: readonly Photo[], options: GroupOptions): Groups {
  const { sources = new Map<string, string>(), pattern } = options;
  const home = ({ file }: Photo): string | undefined => {
    const match = pattern?.exec(file.slice(file.indexOf('/') + 1));
    return match ? `home:${match.slice(1).join('/') || match[0]}` : undefined;
  };
  if (pattern && !photos.some(home)) {
    throw new DatasetError('--group-by', [`${pattern} fits no photo's name`]);
  }
  const sourceOf = (photo: Photo) => sources.get(photo.file) ?? folderOf(photo);
  const counts = new Map<string, number>();
  for (const photo of photos) {
    const source = home(photo) ? undefined : sourceOf(photo);
    if (source) counts.set(source, (counts.get(source) ?? 0) + 1);
  }
  const large = Math.max(COLLECTION_PHOTOS, COLLECTION_SHARE * photos.length);
  const collections = [...counts].filter(([, count]) => count > large);
  const isCollection = new Set(collections.map(([source]) => source));
  const of = (photo: Photo) => {
    const source = sourceOf(photo);
    const known = source && !isCollection.has(source) ? `source:${source}` : undefined;
    return home(photo) ?? known ?? `${ALONE}${photo.file}`;
  };
  const groups = photos.map(of);
  const homes = new Set(groups.filter((group) => !isAlone(group))).size;
  const inCollections = collections.reduce((sum, [, count]) => sum + count, 0);
  const named = collections.map(([source, count]) => `${source} (${count} photos)`).join(', ');
  const without = groups.filter(isAlone).length - inCollections;
  return {
    of,
    said: `${homes} homes; ${without} photos without one; collections: ${named || 'none'}`,
  };
}

/**
 * A table may list the photos of other folders too, so a row without a photo is no fault.
 * @returns a warning where some rows name no photo.
 * @throws Error where none does.
 */
export function unmatchedSources(
  sources: ReadonlyMap<string, string>,
  photos: readonly Photo[],
): string | null {
  const files = filesOf(photos);
  const missing = [...sources.keys()].filter((file) => !files.has(file));
  if (missing.length === 0) return null;
  const said = `${missing.length} of ${sources.size} rows name no photo in this folder, as ${missing[0]}`;
  if (missing.length === sources.size) throw new Error(said);
  return said;
}
