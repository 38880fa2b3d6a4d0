import { random } from '../random.ts';
import { DatasetError, type Photo } from './dataset.ts';
import type { GroupOf } from './groups.ts';

export interface Split {
  readonly train: readonly Photo[];
  readonly validation: readonly Photo[];
}

/**
 * Puts whole groups into validation until every class has about `share` of its photos there. A
 * group that would overfill a class stays in training. At least one photo a class lands on each
 * side where the groups allow it.
 * @param eligible for validation; a group with another photo stays in training.
 * @throws Error where a class has no photo on one side.
 */
export function splitByGroup(
  photos: readonly Photo[],
  labels: readonly string[],
  groupOf: GroupOf,
  share: number,
  seed: number,
  eligible: (photo: Photo) => boolean = () => true,
): Split {
  const groups = new Map<string, Photo[]>();
  for (const photo of photos) {
    const key = groupOf(photo);
    groups.set(key, [...(groups.get(key) ?? []), photo]);
  }
  const count = (some: readonly Photo[]) => {
    const counts = labels.map(() => 0);
    for (const { label } of some) counts[label] = (counts[label] as number) + 1;
    return counts;
  };
  const totals = count(photos.filter(eligible));
  const targets = totals.map((total) => Math.max(1, Math.round(total * share)));
  const held = labels.map(() => 0);
  const validation: Photo[] = [];
  const candidates = [...groups.values()].filter((group) => group.every(eligible));
  const open = new Set(random(seed, 'split').shuffle(candidates));
  // The rarest class first: later its groups would no longer fit beside what others filled.
  const rarestFirst = labels.map((_, k) => k).sort((a, b) => (totals[a] ?? 0) - (totals[b] ?? 0));
  for (const rarest of rarestFirst) {
    for (const group of open) {
      const counts = count(group);
      const fits = counts.every((n, k) => n === 0 || (held[k] ?? 0) + n <= (targets[k] ?? 0));
      if (counts[rarest] === 0 || !fits) continue;
      for (const [k, n] of counts.entries()) held[k] = (held[k] as number) + n;
      validation.push(...group);
      open.delete(group);
    }
  }
  const all = count(photos);
  for (const [k, label] of labels.entries()) {
    if (held[k] === 0 || held[k] === all[k]) {
      const side = held[k] === 0 ? 'validation' : 'training';
      // Homes that were left over were too large for the share.
      const left = [...open].some((group) => group.some((photo) => photo.label === k));
      const cure = held[k] === 0 && left ? '; a larger --validation may help' : '';
      throw new DatasetError('split', [
        `class "${label}" has too few photos, or too few homes: none of them is in ${side}${cure}`,
      ]);
    }
  }
  const inValidation = new Set(validation.map(({ file }) => file));
  const byFile = (a: Photo, b: Photo) => (a.file < b.file ? -1 : 1);
  return {
    train: photos.filter(({ file }) => !inValidation.has(file)),
    validation: validation.sort(byFile),
  };
}
