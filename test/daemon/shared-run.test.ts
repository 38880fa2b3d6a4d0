import { expect, test } from 'vitest';
import { SharedRun } from '../../src/daemon/shared-run.ts';
import { eventually } from './support.ts';

test('runs once more for those who asked meanwhile, whatever became of the first', async () => {
  const runs: { done: () => void; fail: (error: Error) => void }[] = [];
  const shared = new SharedRun(
    () => new Promise<void>((done, fail) => void runs.push({ done, fail })),
  );
  for (let begun = 1; begun < 6; begun += 2) {
    const first = shared.run();
    const later = Promise.all([shared.run(), shared.run()]);
    expect(runs).toHaveLength(begun);
    runs.at(-1)?.fail(new Error('EIO'));
    await expect(first).rejects.toThrow('EIO');
    await eventually(() => runs.length > begun);
    expect(runs).toHaveLength(begun + 1);
    runs.at(-1)?.done();
    await later;
  }
});
