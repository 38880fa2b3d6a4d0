import { ApiError, tagPhoto } from './api.js';
import { Card } from './card.js';
import { byId } from './dom.js';

/** Two keep the box busy; more would only stand in its queue before others. */
const AT_ONCE = 2;
const MAX_CARDS = 100;
/** From so many on, the sum is announced and not each photo. */
const MANY = 4;

/** @type {Card[]} */
const waiting = [];
/** @type {Set<Card>} */
const cards = new Set();
let running = 0;
const empty = () => ({ total: 0, done: 0, failed: 0, unreadable: 0, left: 0 });
/** What was chosen since the box last had nothing to do. */
let batch = empty();

/** @param {import('./dropped.js').Dropped} dropped */
export function addPhotos({ files, unreadable, left }) {
  // A text, a link or an empty folder was dropped: what has been is still what there is.
  if (files.length + unreadable + left === 0) return;
  if (isIdle()) batch = empty();
  const added = files.map((file) => new Card(file));
  // In their own order, which is that of their tags, before the cards of an earlier drop.
  byId('cards').prepend(...added.map((card) => card.element));
  for (const card of added) {
    cards.add(card);
    enqueue(card);
  }
  batch.unreadable += unreadable;
  batch.left += left;
  drop();
  showBatch();
  next();
}

/** Removes the cards of finished photos. */
export function clearPhotos() {
  for (const card of cards) {
    if (card.element.matches('.done, .failed')) forget(card);
  }
  batch.unreadable = 0;
  batch.left = 0;
  showBatch();
}

const isIdle = () => running === 0 && waiting.length === 0;

/** @param {Card} card */
function enqueue(card) {
  batch.total += 1;
  waiting.push(card);
  card.wait();
}

function next() {
  while (running < AT_ONCE) {
    const card = waiting.shift();
    if (card === undefined) return;
    running += 1;
    void upload(card).finally(() => {
      running -= 1;
      batch.done += 1;
      drop();
      showBatch();
      if (isIdle()) announceSum();
      next();
    });
  }
}

/** @param {Card} card */
async function upload(card) {
  const { name } = card.file;
  const mine = batch;
  card.sending();
  try {
    const result = await tagPhoto(card.file, (why) => card.sending(why ?? undefined));
    card.done(result);
    if (batch.total < MANY) announce(`${name}: ${result.tag ?? 'not sure'}`);
  } catch (error) {
    batch.failed += 1;
    const message = error instanceof Error ? error.message : String(error);
    const retry = () => {
      if (isIdle()) batch = empty();
      // In the batch it failed in it is the same photo; later it is one more.
      if (mine === batch) {
        batch.total -= 1;
        batch.done -= 1;
        batch.failed -= 1;
      }
      enqueue(card);
      showBatch();
      next();
    };
    card.failed(message, mayPass(error) ? retry : null);
    if (batch.total < MANY) announce(`${name} was not tagged: ${message}`);
  }
}

/**
 * Whether another try may help: not where the photo itself is at fault, nor where the box has it and
 * takes long (504).
 * @param {unknown} error
 */
function mayPass(error) {
  if (!(error instanceof ApiError)) return true;
  const { status } = error;
  return status < 400 || status === 408 || (status >= 500 && status !== 504);
}

function showBatch() {
  byId('batch').hidden = cards.size + batch.unreadable + batch.left === 0;
  const bar = /** @type {HTMLProgressElement} */ (byId('batch-bar'));
  bar.max = Math.max(1, batch.total);
  bar.value = batch.done;
  const failed = batch.failed > 0 ? `, ${batch.failed} not tagged` : '';
  const unreadable = batch.unreadable > 0 ? `, ${batch.unreadable} could not be read` : '';
  const left = batch.left > 0 ? `, ${batch.left} were too many at once` : '';
  const some = batch.done > MAX_CARDS && cards.size >= MAX_CARDS;
  const last = some ? `; the last ${MAX_CARDS} are shown` : '';
  const text = `${batch.done} of ${batch.total} done${failed}${unreadable}${left}${last}`;
  byId('batch-text').textContent = text;
  // What waits is lost with the page: the browser asks first.
  globalThis.onbeforeunload = isIdle() ? null : (event) => event.preventDefault();
}

function announceSum() {
  if (batch.total < MANY) return;
  announce(`${batch.total - batch.failed} photos tagged, ${batch.failed} not tagged`);
}

/** @param {string} text */
function announce(text) {
  byId('announcer').textContent = text;
}

/** Bounds the cards of finished photos: the newest stay; what failed longer than what is done. */
function drop() {
  const oldest = ['.done', '.failed'].flatMap((kind) =>
    [...cards].filter((card) => card.element.matches(kind)),
  );
  for (const card of oldest.slice(0, Math.max(0, oldest.length - MAX_CARDS))) forget(card);
}

/** @param {Card} card */
function forget(card) {
  cards.delete(card);
  card.remove();
}
