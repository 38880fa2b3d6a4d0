import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256OfFile } from '../../files/file-hash.ts';
import type { Dataset, Photo } from './dataset.ts';
import { type GroupOf, isAlone } from './groups.ts';

/** Photos with the same bytes, each set in the data set's order. */
export async function findDuplicates({ dir, photos }: Dataset): Promise<Photo[][]> {
  const sizes = await Promise.all(
    photos.map(async ({ file }) => (await stat(join(dir, file))).size),
  );
  const many = new Map<number, number>();
  for (const size of sizes) many.set(size, (many.get(size) ?? 0) + 1);
  const sets = new Map<string, Photo[]>();
  for (const [i, photo] of photos.entries()) {
    if (many.get(sizes[i] as number) === 1) continue;
    const hash = await sha256OfFile(join(dir, photo.file));
    sets.set(hash, [...(sets.get(hash) ?? []), photo]);
  }
  return [...sets.values()].filter((set) => set.length > 1);
}

/** The photos of each class in a set. */
function byClass(set: readonly Photo[]): Photo[][] {
  const labels = new Set(set.map(({ label }) => label));
  return [...labels].map((label) => set.filter((photo) => photo.label === label));
}

const MAX_NAMED = 3;

function named(sets: readonly Photo[][]): string {
  const some = sets.slice(0, MAX_NAMED).map((set) => set.map(({ file }) => file).join(' = '));
  const more = sets.length - some.length;
  return `${sets.length} (${some.join(', ')}${more > 0 ? ` … and ${more} more` : ''})`;
}

/**
 * Copies of one class stay in one group, so that no photo is judged on that was trained on. Of two
 * homes only a person can say whether they are one.
 * @param note told of copies that a person should look at.
 */
export function keepTogether(
  copies: readonly Photo[][],
  groupOf: GroupOf,
  note: (text: string) => void,
): GroupOf {
  const mixed = copies.filter((set) => byClass(set).length > 1);
  if (mixed.length > 0) note(`warning: the same photo in two classes: ${named(mixed)}`);
  const joined = new Map<string, string>();
  const apart: Photo[][] = [];
  for (const set of copies.flatMap(byClass)) {
    const groups = set.map(groupOf);
    const homes = new Set(groups.filter((group) => !isAlone(group)));
    if (homes.size > 1) apart.push(set);
    const [group = groups[0] as string] = homes;
    for (const photo of set) if (isAlone(groupOf(photo))) joined.set(photo.file, group);
  }
  if (apart.length > 0) note(`warning: the same photo in two homes: ${named(apart)}`);
  return (photo) => joined.get(photo.file) ?? groupOf(photo);
}
