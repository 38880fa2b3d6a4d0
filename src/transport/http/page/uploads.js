import { ApiError, tagPhoto } from './api.js';
import { countTag, emptyBatch, MANY, showNumbers, sumOf } from './batch.js';
import { Card } from './card.js';
import { byId, UNSURE } from './dom.js';
import { isFinished, save, tableOf } from './table.js';

/** Two keep the box busy; more would only stand in its queue before others. */
const AT_ONCE = 2;
const MAX_CARDS = 100;
/** As many as may fail of one drop. */
const MAX_FAILURES = 2000;
/** A page may be left open for months. */
const MAX_ROWS = 10_000;

/** @type {Card[]} */
const waiting = [];
/** @type {Set<Card>} */
const cards = new Set();
/**
 * What failed and another try may help, with the batch it failed in.
 * @type {Map<Card, import('./batch.js').Batch>}
 */
const failures = new Map();
/**
 * Every photo since the page was cleared, also where its card has gone.
 * @type {Set<import('./table.js').Row>}
 */
const rows = new Set();
let running = 0;
let batch = emptyBatch();

/** @param {import('./dropped.js').Dropped} dropped */
export function addPhotos({ files, unreadable, left }) {
  // A text, a link or an empty folder was dropped: what has been is still what there is.
  if (files.length + unreadable + left === 0) return;
  if (isIdle()) batch = emptyBatch();
  const added = files.map((file) => new Card(file));
  // In their own order, which is that of their tags, before the cards of an earlier drop.
  byId('cards').prepend(...added.map((card) => card.element));
  for (const card of added) {
    cards.add(card);
    enqueue(card);
  }
  for (const row of rows) {
    if (rows.size <= MAX_ROWS) break;
    rows.delete(row);
  }
  batch.unreadable += unreadable;
  batch.left += left;
  drop();
  showBatch();
  // Until their sum nothing else is said of them.
  if (batch.total >= MANY) announce(`${batch.total} photos to tag`);
  next();
}

/** Removes the cards of finished photos. */
export function clearPhotos() {
  for (const card of cards) {
    if (isFinished(card.row)) forget(card);
  }
  batch.unreadable = 0;
  batch.left = 0;
  // A drop that goes on is saved whole.
  if (isIdle()) rows.clear();
  showBatch();
}

export function tryAllAgain() {
  tryAgain([...failures.keys()]);
}

export function saveTable() {
  save(tableOf([...rows]));
}

const isIdle = () => running === 0 && waiting.length === 0;

/** @param {Card} card */
function enqueue(card) {
  batch.total += 1;
  waiting.push(card);
  rows.add(card.row);
  card.wait(() => takeOut(card));
}

/** @param {Card} card one that waits */
function takeOut(card) {
  const place = waiting.indexOf(card);
  waiting.splice(place, 1);
  batch.total -= 1;
  rows.delete(card.row);
  // The keyboard goes on to the next.
  const near = waiting[place] ?? waiting[place - 1];
  if (near?.out) near.out.focus();
  else byId('batch-text').focus({ preventScroll: true });
  forget(card);
  announce(`${card.file.name} removed`);
  showBatch();
}

/** @param {Card[]} again */
function tryAgain(again) {
  // The same sum may come once more, and would not be announced as a change.
  announce('Trying again');
  for (const card of again) {
    // In the batch it failed in it is the same photo; later it is one more.
    if (failures.get(card) === batch) {
      batch.total -= 1;
      batch.done -= 1;
      batch.failed -= 1;
    }
    failures.delete(card);
    enqueue(card);
  }
  showBatch();
  next();
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
      if (isIdle() && batch.total >= MANY) announce(sumOf(batch));
      next();
    });
  }
}

/** @param {Card} card */
async function upload(card) {
  const { name } = card.file;
  card.sending();
  try {
    const result = await tagPhoto(card.file, (why) => card.sending(why ?? undefined));
    card.done(result);
    countTag(batch, result);
    if (batch.total < MANY) announce(`${name}: ${result.tag ?? UNSURE}`);
  } catch (error) {
    batch.failed += 1;
    const message = error instanceof Error ? error.message : String(error);
    const again = mayPass(error);
    if (again) failures.set(card, batch);
    card.failed(message, again ? () => tryAgain([card]) : null);
    if (batch.total < MANY) announce(`${name} was not tagged: ${message}`);
  }
}

/**
 * Whether another try may help: not where the photo itself is at fault, nor where the box has it and
 * takes long (504 with a code; a proxy that did not want to wait gives none).
 * @param {unknown} error
 */
function mayPass(error) {
  if (!(error instanceof ApiError)) return true;
  const { status, code } = error;
  return status < 400 || status === 408 || (status >= 500 && !(status === 504 && code));
}

function showBatch() {
  byId('batch').hidden = cards.size + batch.unreadable + batch.left === 0;
  const shown = [...cards].filter(({ row }) => isFinished(row)).length;
  showNumbers(batch, shown, MAX_CARDS);
  byId('again').hidden = failures.size < 2;
  byId('save').hidden = ![...rows].some(isFinished);
  // What waits is lost with the page: the browser asks first.
  globalThis.onbeforeunload = isIdle() ? null : (event) => event.preventDefault();
}

/** @param {string} text */
function announce(text) {
  byId('announcer').textContent = text;
}

/**
 * Bounds the cards of finished photos: the newest stay; what failed longer than what is done, and what
 * may be tried again until it is.
 */
function drop() {
  const some = [...cards].filter((card) => !failures.has(card));
  const done = some.filter(({ row }) => row.result !== null);
  const oldest = [...done, ...some.filter(({ row }) => row.error !== null)];
  for (const card of oldest.slice(0, Math.max(0, oldest.length - MAX_CARDS))) forget(card);
  for (const card of failures.keys()) {
    if (failures.size <= MAX_FAILURES) break;
    forget(card);
  }
}

/** @param {Card} card */
function forget(card) {
  cards.delete(card);
  failures.delete(card);
  card.remove();
}
