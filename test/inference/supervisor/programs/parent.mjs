/** A process with a tagger, to be killed. Usage: node parent.mjs MODEL_DIR; prints the worker's pid. */
import { pino } from 'pino';
import { createTagger } from '../../../../dist/inference/supervisor/supervisor.js';

const tagger = createTagger({
  modelDir: process.argv[2],
  engine: 'onnxruntime',
  limits: { upload_bytes: 1e6, pixels: 1e6, memory_bytes: 512 * 1024 * 1024, photo_seconds: 30 },
  log: pino({ level: 'silent' }),
});
await tagger.start();
process.stdout.write(`${tagger.pids.join(' ')}\n`);
