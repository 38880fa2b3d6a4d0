import { byId, make, tagged, UNSURE } from './dom.js';

/**
 * What was chosen since the box last had nothing to do, in numbers.
 * @typedef {{total: number, done: number, failed: number, unreadable: number, left: number,
 *   tags: Map<string | null, number>}} Batch
 */

/** From so many on, the tags are counted and the sum is announced, not each photo. */
export const MANY = 4;

/** @returns {Batch} */
export const emptyBatch = () => ({
  ...{ total: 0, done: 0, failed: 0, unreadable: 0, left: 0 },
  tags: new Map(),
});

/**
 * In the model's order; what got no tag comes last.
 * @param {Batch} batch
 * @param {import('./api.js').Result} result
 */
export function countTag({ tags }, { tag, scores }) {
  for (const label of [...Object.keys(scores), null]) {
    tags.set(label, (tags.get(label) ?? 0) + Number(label === tag));
  }
}

/**
 * @param {Batch} batch
 * @param {number} shown cards of finished photos
 * @param {number} most so many stay
 */
export function showNumbers(batch, shown, most) {
  const bar = /** @type {HTMLProgressElement} */ (byId('batch-bar'));
  bar.max = Math.max(1, batch.total);
  bar.value = batch.done;
  const failed = batch.failed > 0 ? `, ${batch.failed} not tagged` : '';
  const unreadable = batch.unreadable > 0 ? `, ${batch.unreadable} could not be read` : '';
  const left = batch.left > 0 ? `, ${batch.left} were too many at once` : '';
  const some = shown >= most && shown < batch.done;
  const last = some ? `; the last ${shown} are shown` : '';
  const text = `${batch.done} of ${batch.total} done${failed}${unreadable}${left}${last}`;
  byId('batch-text').textContent = text;
  const tallies = batch.total < MANY ? [] : found(batch);
  byId('batch-tags').replaceChildren(
    ...tallies.map(([tag, count]) =>
      make('li', {}, tagged(tag), make('span', { class: 'number' }, ` ${count.toLocaleString()}`)),
    ),
  );
}

/**
 * The sum in one sentence.
 * @param {Batch} batch
 */
export function sumOf(batch) {
  const tags = found(batch).map(([tag, count]) => `${count} ${tag ?? UNSURE}`);
  const which = tags.length > 0 ? ` (${tags.join(', ')})` : '';
  return `${batch.total - batch.failed} photos tagged${which}, ${batch.failed} not tagged`;
}

/** @param {Batch} batch */
const found = ({ tags }) => [...tags].filter(([, count]) => count > 0);
