import { make, percent, tagged } from './dom.js';
import { pathOf } from './dropped.js';
import { thumbnail } from './thumbnail.js';

/** @typedef {import('./api.js').Result} Result */

/** One photo that the person chose: picture, state, scores. */
export class Card {
  /** @param {File} file */
  constructor(file) {
    this.file = file;
    /** @type {import('./table.js').Row} */
    this.row = { file: pathOf(file), result: null, error: null };
    this.picture = make('div', { class: 'picture' });
    this.headline = make('p', { class: 'headline quiet' });
    this.body = make('div', { class: 'answer' });
    this.element = make(
      'li',
      { class: 'card' },
      this.picture,
      make(
        'div',
        { class: 'text' },
        this.headline,
        make('p', { class: 'name quiet', title: this.row.file }, file.name),
        this.body,
      ),
    );
    void this.#show();
  }

  /** @param {() => void} takeOut */
  wait(takeOut) {
    this.row.error = null;
    this.#state('waiting', 'Waiting');
    const label = `Remove: ${this.file.name}`;
    this.out = make('button', { class: 'out', title: 'Remove', label }, '×');
    this.out.addEventListener('click', takeOut);
    this.headline.append(this.out);
  }

  sending(state = 'Tagging') {
    this.#state('sending', state);
  }

  /** @param {Result} result */
  done(result) {
    const { tag, score, scores } = result;
    const best = tag ?? bestOf(scores);
    this.#state('done', '');
    this.headline.append(
      tagged(tag),
      make('span', { class: 'score' }, tag ? percent(score) : `perhaps ${best}`),
    );
    this.body.replaceChildren(bars(scores, best));
    this.row.result = result;
  }

  /**
   * @param {string} message
   * @param {(() => void) | null} retry null where another try cannot help
   */
  failed(message, retry) {
    this.row.error = message;
    this.#state('failed', 'Not tagged');
    this.body.replaceChildren(make('p', { class: 'bad' }, message));
    if (retry === null) return;
    const label = `Try again: ${this.file.name}`;
    const button = make('button', { class: 'plain', label }, 'Try again');
    button.addEventListener('click', retry);
    this.body.append(button);
  }

  /** Lets go of the picture. */
  remove() {
    this.element.remove();
    if (this.url) URL.revokeObjectURL(this.url);
    this.removed = true;
  }

  /**
   * @param {string} state
   * @param {string} headline
   */
  #state(state, headline) {
    const held = this.element.contains(document.activeElement);
    this.element.className = `card ${state}`;
    this.headline.replaceChildren(headline);
    this.body.replaceChildren();
    if (!held) return;
    // A button goes with its state; the keyboard stays at this photo.
    this.element.tabIndex = -1;
    this.element.focus({ preventScroll: true });
  }

  async #show() {
    try {
      const url = await thumbnail(this.file, () => !this.removed);
      if (this.removed) return URL.revokeObjectURL(url);
      this.url = url;
      const image = make('img');
      image.alt = '';
      image.src = url;
      this.picture.replaceChildren(image);
    } catch {
      // The tag comes all the same: the box reads formats that browsers do not.
      const type = /\.([a-z0-9]{1,5})$/i.exec(this.file.name)?.[1] ?? 'photo';
      this.picture.replaceChildren(make('span', {}, type.toUpperCase()));
    }
  }
}

/**
 * @param {Record<string, number>} scores
 * @returns {string}
 */
function bestOf(scores) {
  const [[label] = ['']] = Object.entries(scores).sort(([, a], [, b]) => b - a);
  return label;
}

/**
 * @param {Record<string, number>} scores
 * @param {string} best
 */
function bars(scores, best) {
  const list = make('ul', { class: 'bars', label: 'Scores' });
  for (const [label, score] of Object.entries(scores)) {
    const fill = make('i');
    fill.style.width = `${100 * score}%`;
    list.append(
      make(
        'li',
        { class: label === best ? 'best' : '', tone: label },
        make('span', {}, label),
        make('span', { class: 'track' }, fill),
        make('span', { class: 'number' }, percent(score)),
      ),
    );
  }
  return list;
}
