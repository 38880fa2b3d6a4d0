import type { Photo } from '../data/dataset.ts';
import { type GroupOf, isAlone } from '../data/groups.ts';
import { type Random, random } from '../random.ts';
import type { Example, Weight } from './examples.ts';

/**
 * `equal`: every class as many photos an epoch as the smallest has (the paper's under-sampling).
 * `root`: the geometric mean of that and the class's own count. `none`: all photos.
 */
export type Balance = 'equal' | 'root' | 'none';

export interface SamplerOptions {
  readonly balance: Balance;
  /**
   * 0: all photos of a class alike. 1: all its groups (homes, sites) alike, however many photos
   * they have. Between: photos weigh group size ^ -spread.
   */
  readonly spread: number;
  /** Multiplies what `spread` gives. */
  readonly weight?: Weight;
  readonly seed: number;
}

/** Photos of each class in one epoch. */
export function classDraws(counts: readonly number[], balance: Balance): number[] {
  const least = Math.min(...counts);
  return counts.map((count) => {
    if (balance === 'none') return count;
    return balance === 'equal' ? least : Math.round(Math.sqrt(least * count));
  });
}

/**
 * `n` items with expected counts proportional to weight, and each item's count within one of its
 * expectation (systematic sampling): equal weights and n ≤ items never draw one twice.
 */
export function drawSystematic<T>(
  items: readonly T[],
  weights: readonly number[],
  n: number,
  stream: Random,
): T[] {
  const order = stream.shuffle(items.map((_, i) => i));
  const step = weights.reduce((a, b) => a + b, 0) / n;
  let next = stream.next() * step;
  let sum = 0;
  const drawn: T[] = [];
  for (const i of order) {
    sum += weights[i] as number;
    while (next < sum && drawn.length < n) {
      drawn.push(items[i] as T);
      next += step;
    }
  }
  // Rounding may leave the last point just beyond the sum.
  while (drawn.length < n) drawn.push(items[order.at(-1) as number] as T);
  return drawn;
}

/**
 * How much each photo of one class weighs. A photo that is its own group comes from a collection of
 * many homes; it weighs as much as a photo with a known home does on average.
 */
function groupWeights(photos: readonly Photo[], groupOf: GroupOf, spread: number): number[] {
  const sizes = new Map<string, number>();
  for (const photo of photos) sizes.set(groupOf(photo), (sizes.get(groupOf(photo)) ?? 0) + 1);
  const weight = (photo: Photo) => (sizes.get(groupOf(photo)) as number) ** -spread;
  const homed = photos.filter((photo) => !isAlone(groupOf(photo)));
  const average = homed.reduce((sum, photo) => sum + weight(photo), 0) / Math.max(1, homed.length);
  const alone = homed.length > 0 ? average : 1;
  return photos.map((photo) => (isAlone(groupOf(photo)) ? alone : weight(photo)));
}

/** The same epoch number gives the same examples in the same order. */
export type Sampler = (epoch: number) => Example[];

/**
 * Draws photos afresh each epoch, then one of each photo's variants.
 * @param examples all that may be drawn; several variants a photo.
 */
export function createSampler(
  examples: readonly Example[],
  labelCount: number,
  groupOf: GroupOf,
  options: SamplerOptions,
): Sampler {
  const variants = new Map<Photo, Example[]>();
  for (const example of examples) {
    const known = variants.get(example.photo);
    if (known) known.push(example);
    else variants.set(example.photo, [example]);
  }
  const classes = Array.from({ length: labelCount }, (_, label) =>
    [...variants.keys()].filter((photo) => photo.label === label),
  );
  const { spread, weight = () => 1 } = options;
  const weights = classes.map((photos) =>
    groupWeights(photos, groupOf, spread).map((w, i) => w * weight(photos[i] as Photo)),
  );
  const draws = classDraws(
    classes.map((photos) => photos.length),
    options.balance,
  );
  return (epoch) => {
    const stream = random(options.seed, 'epoch', epoch);
    const photos = classes.flatMap((items, k) =>
      drawSystematic(items, weights[k] as number[], draws[k] as number, stream),
    );
    return stream.shuffle(photos).map((photo) => {
      const choices = variants.get(photo) as Example[];
      return choices[stream.integer(choices.length)] as Example;
    });
  };
}
