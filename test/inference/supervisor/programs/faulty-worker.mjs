/**
 * The real worker with faults that a photo's name asks for: what a hostile file might do to a
 * decoder. Run by the supervisor in its tests.
 */
import '../../../../dist/inference/worker.js';

const kept = [];

process.on('message', ({ path = '', atOnce }) => {
  if (atOnce) process.stderr.write(`${atOnce} at once\n`);
  if (path.includes('poison')) process.kill(process.pid, 'SIGSEGV');
  if (path.includes('hang')) for (;;);
  if (path.includes('bloat')) kept.push(Buffer.alloc(120 * 1024 * 1024, 1));
  if (path.includes('slow')) for (const from = Date.now(); Date.now() - from < 50; );
  if (path.includes('chatty')) process.stderr.write(`${'x'.repeat(5000)}\n`);
});
