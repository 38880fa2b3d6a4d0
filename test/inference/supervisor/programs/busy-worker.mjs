/** The real worker, whose loop stands still while it reads a photo: it hears late that its parent has left. */
import '../../../../dist/inference/worker.js';

const busy = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
process.on('message', ({ type }) => {
  if (type === 'tag') setTimeout(busy, 5);
});
