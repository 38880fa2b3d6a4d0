import { expect, test, vi } from 'vitest';
import { create, dir, here, program, ROOMS, tagger, useTinyModel } from './supervisor/support.ts';

// A memory card on which the model's file takes longer to check than to load.
vi.mock('../../src/inference/bundle.ts', async (original) => ({
  ...(await original<typeof import('../../src/inference/bundle.ts')>()),
  verifyBundle: () => new Promise((resolve) => setTimeout(resolve, 1500)),
}));

useTinyModel();

test('a worker that ends while the model is still being checked is replaced', async () => {
  const workerPath = await program(
    'ends-once',
    `import { existsSync, writeFileSync } from 'node:fs';`,
    `import '${here('../../../dist/inference/worker.js')}';`,
    `if (!existsSync('${dir}/ended')) {`,
    `  const send = process.send.bind(process);`,
    `  process.send = (message) => {`,
    `    if (message.type === 'ready') setTimeout(() => process.exit(1), 50);`,
    `    return send(message);`,
    `  };`,
    `  writeFileSync('${dir}/ended', '');`,
    `}`,
  );
  create({}, { workerPath });
  await tagger.start();
  const { tag } = await tagger.tag(ROOMS[0] as string);
  expect(tag === null || typeof tag === 'string').toBe(true);
  expect(tagger.state).toBe('ready');
});
