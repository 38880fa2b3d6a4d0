import { byId } from './dom.js';
import { atMost, droppedFiles } from './dropped.js';
import { showItem, showRecent } from './feed.js';
import { showHealth, watchHealth } from './health.js';
import { follow } from './live.js';
import { addPhotos, clearPhotos, saveTable, tryAllAgain } from './uploads.js';

const zone = byId('drop');
const input = /** @type {HTMLInputElement} */ (byId('files'));

input.addEventListener('change', () => {
  addPhotos(atMost([...(input.files ?? [])]));
  // The same file may be chosen again.
  input.value = '';
});

for (const type of ['dragenter', 'dragover']) {
  addEventListener(type, (event) => {
    event.preventDefault();
    const { types = [] } = /** @type {DragEvent} */ (event).dataTransfer ?? {};
    zone.classList.toggle('over', types.includes('Files'));
  });
}
addEventListener('dragleave', (event) => {
  if (event.relatedTarget === null) zone.classList.remove('over');
});
addEventListener('drop', async (event) => {
  event.preventDefault();
  zone.classList.remove('over');
  if (!event.dataTransfer) return;
  addPhotos(await droppedFiles(event.dataTransfer));
});
addEventListener('paste', async (event) => {
  // The token is pasted too.
  if (event.target instanceof HTMLInputElement && event.target !== input) return;
  if (!event.clipboardData) return;
  addPhotos(await droppedFiles(event.clipboardData));
});
byId('again').addEventListener('click', () => {
  // The button goes with the failures.
  byId('batch-text').focus();
  tryAllAgain();
});
byId('save').addEventListener('click', saveTable);
byId('clear').addEventListener('click', () => {
  clearPhotos();
  input.focus();
});

void watchHealth();
void follow({
  onRecent(recent) {
    const { node, model, engine } = recent;
    byId('node').textContent = [node, model, engine].filter((part) => part !== null).join(' · ');
    showRecent(recent);
    // With a token just given, there is more to see.
    void showHealth();
  },
  onItem: showItem,
  onState(state) {
    byId('live').textContent = state;
  },
});
