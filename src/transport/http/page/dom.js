/** Small helpers. Text always goes in as text, never as HTML. */

/**
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`no element #${id}`);
  return element;
}

/**
 * Makes an element.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} name
 * @param {{class?: string, title?: string, label?: string, tone?: string | null}} [options] `label` is
 *   what a screen reader says; `tone` the tag whose colour it takes.
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function make(name, options = {}, ...children) {
  const element = document.createElement(name);
  if (options.class) element.className = options.class;
  if (options.title) element.title = options.title;
  if (options.label) element.setAttribute('aria-label', options.label);
  if (options.tone) element.dataset.tone = options.tone;
  element.append(...children);
  return element;
}

/** What a photo is said to be where the model abstained. */
export const UNSURE = 'not sure';

/**
 * A tag with its mark.
 * @param {string | null} tag null where the model abstained
 */
export const tagged = (tag) =>
  make('span', { class: tag ? 'tag' : 'tag unsure', tone: tag }, tag ?? UNSURE);

/** @param {number} score 0..1 */
export const percent = (score) => `${Math.round(score * 100)} %`;

/** @param {number} ms */
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
