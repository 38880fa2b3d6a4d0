import { defineConfig } from 'vitest/config';
import { reporters } from './vitest.reporters.ts';

/** `npm test`: everything that needs nothing but Node and the npm registry. */
export default defineConfig({
  test: {
    ...reporters,
    globalSetup: 'test/temporary-files.ts',
    // A busy machine is slow, not wrong; a test's own limit is the bound.
    expect: { poll: { timeout: 30_000 } },
    include: ['test/**/*.test.ts'],
    exclude: ['test/**/*.full.test.ts'],
    testTimeout: 180_000,
    hookTimeout: 60_000,
    // Two cores: more files at once would only make each other's timing noisy.
    maxWorkers: 2,
  },
});
