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
 * @param {{class?: string, title?: string, tone?: string | null, hidden?: boolean}} [options] `tone`
 *   is the label whose colour it takes.
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function make(name, options = {}, ...children) {
  const element = document.createElement(name);
  if (options.class) element.className = options.class;
  if (options.title) element.title = options.title;
  if (options.tone) element.dataset.tone = options.tone;
  if (options.hidden) element.hidden = true;
  element.append(...children);
  return element;
}

/**
 * @param {number} score 0..1
 */
export const percent = (score) => `${Math.round(score * 100)} %`;

/**
 * Keeps the newest children of a list.
 * @param {HTMLElement} list newest first
 * @param {number} most
 */
export function trim(list, most) {
  while (list.children.length > most) list.lastElementChild?.remove();
}

/** @param {number} ms */
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
