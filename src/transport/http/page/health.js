import { readiness } from './api.js';
import { byId, make, pause } from './dom.js';

const EVERY_MS = 5000;

/** Shows the state of the box for ever, while anybody looks. */
export async function watchHealth() {
  for (;;) {
    if (!document.hidden) await showHealth();
    await pause(EVERY_MS);
  }
}

export async function showHealth() {
  // What is between us and the box may answer in its place, with something else.
  await readiness().then(show).catch(unreachable);
}

/** @param {import('./api.js').Readiness} readiness */
function show({ ready, checks }) {
  pill(ready ? 'ready' : 'not ready', ready);
  const rows = Object.entries(checks).map(([name, { ok, detail }]) => {
    const state = make('span', { class: 'unseen' }, ok ? 'good: ' : 'not good: ');
    const text = make('span', { class: 'detail', title: detail ?? '' }, state, detail ?? '');
    return make('li', { class: ok ? '' : 'not' }, make('span', {}, name), text);
  });
  byId('health').replaceChildren(...rows);
}

function unreachable() {
  pill('no answer', false);
  byId('health').replaceChildren(
    make('li', { class: 'not' }, make('span', { class: 'all' }, 'The box does not answer.')),
  );
}

/**
 * @param {string} text
 * @param {boolean} good
 */
function pill(text, good) {
  const element = byId('ready');
  element.className = good ? 'pill good' : 'pill bad';
  // A screen reader announces changes of this element; the same text again is none.
  if (element.textContent !== text) element.textContent = text;
}
