import type { Photo } from '../data/dataset.ts';

/** One picture the network sees in training: a photo as it is (variant 0) or changed. */
export interface Example {
  readonly photo: Photo;
  /** 0: as it is. Others: the n-th draw of augmentations. */
  readonly variant: number;
}

/** Names its features: another photo under the same name has others. */
export const exampleName = ({ photo, variant }: Example): string =>
  `${photo.file}#${variant}${photo.version ? `@${photo.version}` : ''}`;

/** More copies of one photo than this teach nothing new. */
const MAX_VARIANTS = 8;

/** How much a photo counts against others of its class. */
export type Weight = (photo: Photo) => number;

/**
 * Which augmented variants of the training photos are computed: small classes get more variants a
 * photo, and weightier photos more than others, so that each class has about `perClass` examples;
 * every photo has at least one.
 */
export function planExamples(
  photos: readonly Photo[],
  perClass: number,
  weight: Weight = () => 1,
): Example[] {
  const sums = new Map<number, number>();
  for (const photo of photos) {
    sums.set(photo.label, (sums.get(photo.label) ?? 0) + weight(photo));
  }
  return photos.flatMap((photo) => {
    const wanted = Math.round((perClass * weight(photo)) / (sums.get(photo.label) as number));
    const variants = Math.min(MAX_VARIANTS, Math.max(1, wanted));
    return Array.from({ length: variants }, (_, i) => ({ photo, variant: i + 1 }));
  });
}

/** The photos as they are, for validation. */
export const plainExamples = (photos: readonly Photo[]): Example[] =>
  photos.map((photo) => ({ photo, variant: 0 }));

/** So many items at most, spread over all of them: of a sorted list each part keeps its share. */
export function evenly<T>(items: readonly T[], most: number): readonly T[] {
  if (most >= items.length) return items;
  const step = items.length / most;
  return Array.from({ length: most }, (_, i) => items[Math.floor(i * step)] as T);
}
