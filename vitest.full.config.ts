import { defineConfig } from 'vitest/config';
import { reporters } from './vitest.reporters.ts';

/**
 * `npm run test:all`: tests that need real mosquitto, Chromium, Firefox, network namespaces, a Debian with
 * systemd, python3, tfjs-node's native library, OpenVINO, TurboJPEG or a folder of labelled photos. `.ci/run` installs
 * what can be installed. A missing part fails the test loudly.
 */
export default defineConfig({
  test: {
    ...reporters,
    globalSetup: 'test/temporary-files.ts',
    // A busy machine is slow, not wrong; a test's own limit is the bound.
    expect: { poll: { timeout: 30_000 } },
    include: ['test/**/*.full.test.ts'],
    testTimeout: 300_000,
    hookTimeout: 120_000,
    maxWorkers: 1,
    fileParallelism: false,
  },
});
