import { byId, make, percent, tagged, UNSURE } from './dom.js';
import { keepDays, timeOf } from './times.js';

/**
 * @typedef {import('./api.js').FeedItem} FeedItem
 * @typedef {import('./api.js').Recent} Recent
 */

const ROWS = 20;
const SOURCES = /** @type {Record<string, string>} */ ({
  folder: 'folder',
  mqtt: 'MQTT',
  http: 'HTTP',
});

/** @type {Set<string>} */
const seen = new Set();
/** @type {FeedItem[]} */
let pending = [];
/** @type {Map<string, number>} */
let counts = new Map();
let drawing = false;

keepDays(byId('feed'));

/** @param {Recent} recent */
export function showRecent({ labels, counts: { tags, abstained, failed }, items }) {
  const known = new Set([...labels, ...Object.keys(tags)]);
  counts = new Map([...known].map((label) => [label, tags[label] ?? 0]));
  counts.set(UNSURE, abstained);
  counts.set('failed', failed);
  seen.clear();
  byId('feed').replaceChildren();
  pending = [];
  for (const item of items.toReversed()) add(item);
  // Without any item too: a box that has begun anew counts from 0.
  drawSoon();
}

/** @param {FeedItem} item */
export function showItem(item) {
  if (seen.has(idOf(item))) return;
  const key = item.kind === 'failure' ? 'failed' : (item.result.tag ?? UNSURE);
  counts.set(key, (counts.get(key) ?? 0) + 1);
  add(item);
}

/** @param {FeedItem} item */
function add(item) {
  seen.add(idOf(item));
  // Only what is still shown can come a second time.
  for (const id of seen) {
    if (seen.size <= 10 * ROWS) break;
    seen.delete(id);
  }
  pending.push(item);
  // A hidden tab draws nothing for hours; no more is kept than will be shown.
  if (pending.length > ROWS) pending.shift();
  drawSoon();
}

function drawSoon() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(draw);
}

function draw() {
  drawing = false;
  const feed = byId('feed');
  for (const item of pending) feed.prepend(row(item));
  pending = [];
  while (feed.children.length > ROWS) feed.lastElementChild?.remove();
  byId('feed-empty').hidden = feed.children.length > 0;
  drawCounts();
}

function drawCounts() {
  const tiles = [...counts].map(([label, count]) =>
    make(
      'li',
      { tone: label, class: count === 0 ? 'none' : '' },
      make('b', {}, count.toLocaleString()),
      make('span', {}, label),
    ),
  );
  byId('counts').replaceChildren(...tiles);
}

/** @param {FeedItem} item */
function row(item) {
  const { source, file } = item.kind === 'result' ? item.result : item.failure;
  const name = file ?? 'photo without a name';
  return make(
    'li',
    {},
    make('span', { class: 'name', title: name }, name),
    item.kind === 'result'
      ? tagged(item.result.tag)
      : make('span', { class: 'tag', tone: 'failed' }, 'failed'),
    make('span', { class: 'quiet' }, `${SOURCES[source] ?? source}, `, timeOf(item.at)),
    detail(item),
  );
}

/** @param {FeedItem} item */
function detail(item) {
  const text = item.kind === 'result' ? percent(item.result.score) : item.failure.code;
  const title = item.kind === 'result' ? '' : item.failure.message;
  return make('span', { class: 'quiet number', title }, text);
}

/**
 * Senders may give many photos one id.
 * @param {FeedItem} item
 */
const idOf = (item) => `${item.at} ${item.kind === 'result' ? item.result.id : item.failure.id}`;
