import { byId } from './dom.js';

const KEY = 'retagger-token';

/** @type {Promise<void> | null} */
let asking = null;

/**
 * The header that carries the token of this tab, if there is one.
 * @returns {Record<string, string>}
 */
export function authorization() {
  const token = sessionStorage.getItem(KEY);
  if (!token) return {};
  // Headers carry bytes: one character each.
  const bytes = String.fromCharCode(...new TextEncoder().encode(token));
  return { authorization: `Bearer ${bytes}` };
}

/**
 * Resolves when there is another token than the one that was refused.
 * @param {Record<string, string>} refused
 * @returns {Promise<void>}
 */
export async function askForToken(refused) {
  if (authorization().authorization !== refused.authorization) return;
  asking ??= ask(refused.authorization !== undefined).finally(() => {
    asking = null;
  });
  await asking;
}

/**
 * @param {boolean} wrong whether one was tried
 * @returns {Promise<void>}
 */
function ask(wrong) {
  const dialog = /** @type {HTMLDialogElement} */ (byId('token-dialog'));
  const input = /** @type {HTMLInputElement} */ (byId('token'));
  byId('token-wrong').hidden = !wrong;
  input.value = '';
  return new Promise((resolve) => {
    const take = () => {
      // Escape closes the dialog too, but without a token nothing here works.
      if (input.value.trim() === '') {
        dialog.showModal();
        return;
      }
      dialog.removeEventListener('close', take);
      sessionStorage.setItem(KEY, input.value.trim());
      resolve();
    };
    dialog.addEventListener('close', take);
    dialog.showModal();
  });
}
