import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createTagger } from '../../src/inference/supervisor/supervisor.ts';
import { temporaryDir } from '../daemon/support.ts';
import { writeTinyBundle } from './tiny-bundle.ts';

// A memory card on which the model's file takes longer to check than to load.
vi.mock('../../src/inference/bundle.ts', async (original) => ({
  ...(await original<typeof import('../../src/inference/bundle.ts')>()),
  verifyBundle: () => new Promise((resolve) => setTimeout(resolve, 1500)),
}));

test('a worker that ends while the model is still being checked is replaced', async () => {
  const model = await writeTinyBundle();
  onTestFinished(() => model.remove());
  const dir = await temporaryDir();
  const worker = fileURLToPath(new URL('../../dist/inference/worker.js', import.meta.url));
  const workerPath = join(dir, 'worker.mjs');
  const lines = [
    `import { existsSync, writeFileSync } from 'node:fs';`,
    `import '${worker}';`,
    `if (!existsSync('${dir}/ended')) {`,
    `  const send = process.send.bind(process);`,
    `  process.send = (message) => {`,
    `    if (message.type === 'ready') setTimeout(() => process.exit(1), 50);`,
    `    return send(message);`,
    `  };`,
    `  writeFileSync('${dir}/ended', '');`,
    `}`,
  ];
  await writeFile(workerPath, lines.join('\n'));
  const MiB = 1024 * 1024;
  const tagger = createTagger({
    ...{ modelDir: model.dir, engine: 'onnxruntime', threads: 1, workerPath },
    log: pino({ level: 'silent' }),
    limits: {
      ...{ upload_bytes: 8 * MiB, pixels: 50_000_000, memory_bytes: 512 * MiB, photo_seconds: 30 },
    },
  });
  onTestFinished(() => tagger.stop());
  await tagger.start();
  const { tag } = await tagger.tag('test/fixtures/rooms/hall.jpg');
  expect(tag === null || typeof tag === 'string').toBe(true);
  expect(tagger.state).toBe('ready');
});
