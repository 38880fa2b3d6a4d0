import { defineConfig } from 'vitest/config';

/** `npm test`: everything that needs nothing but Node and the npm registry. */
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/**/*.full.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two cores: more files at once would only make each other's timing noisy.
    maxWorkers: 2,
  },
});
