import { make } from './dom.js';

/** As the person's browser writes them, and in its time zone. */
const FULL = new Intl.DateTimeFormat([], { dateStyle: 'full', timeStyle: 'long' });
const DAY = new Intl.DateTimeFormat([], { month: 'short', day: 'numeric' });
const MINUTE = new Intl.DateTimeFormat([], { timeStyle: 'short' });
const EVERY_MS = 30_000;

/**
 * A moment, short: today's without its day.
 * @param {string} iso
 */
export function timeOf(iso) {
  const time = make('time', { title: FULL.format(new Date(iso)) }, short(iso));
  time.dateTime = iso;
  return time;
}

/**
 * Gives each time in it its day once that is over, also where nothing new comes.
 * @param {HTMLElement} list
 */
export function keepDays(list) {
  setInterval(() => {
    for (const time of list.querySelectorAll('time')) {
      const text = short(time.dateTime);
      // The same text again would still undo what somebody has marked.
      if (time.textContent !== text) time.textContent = text;
    }
  }, EVERY_MS);
}

/** @param {string} iso */
function short(iso) {
  const at = new Date(iso);
  const today = at.toDateString() === new Date().toDateString();
  return today ? at.toLocaleTimeString() : `${DAY.format(at)}, ${MINUTE.format(at)}`;
}
