import { expect, it } from 'vitest';
import type { Outcome } from '../../src/daemon/ports.ts';
import { ProgressWatch } from '../../src/daemon/progress-watch.ts';

function watch(photoSeconds = 30) {
  const state = {
    ...{ now: 0, underWay: 0, excused: false, ended: (_: Outcome) => {} },
    onOutcome: (listener: (outcome: Outcome) => void) => {
      state.ended = listener;
      return () => {};
    },
  };
  const progress = new ProgressWatch({
    pipeline: state,
    excused: () => state.excused,
    photoSeconds,
    now: () => state.now,
  });
  return { state, progress };
}
const DEADLINE = 3 * (30_000 + 60_000);

it('is alive while idle, however long', () => {
  const { state, progress } = watch();
  state.now = 100 * DEADLINE;
  expect(progress.alive()).toBe(true);
});

it('is dead once photos wait past the deadline, and alive again when one ends', () => {
  const { state, progress } = watch();
  state.underWay = 2;
  state.now = DEADLINE;
  expect(progress.alive()).toBe(true);
  state.now += 1;
  expect(progress.alive()).toBe(false);
  state.ended({} as Outcome);
  expect(progress.alive()).toBe(true);
});

it('excuses waiting for what a restart does not mend, and counts anew afterwards', () => {
  const { state, progress } = watch();
  state.underWay = 1;
  state.excused = true;
  state.now = 2 * DEADLINE;
  expect(progress.alive()).toBe(true);
  state.excused = false;
  state.now += DEADLINE;
  expect(progress.alive()).toBe(true);
  state.now += 1;
  expect(progress.alive()).toBe(false);
});

it('waits for a worker as long as the supervisor does, where one photo may take longer than a load', () => {
  const { state, progress } = watch(100);
  state.underWay = 1;
  state.now = 3 * (100_000 + 100_000);
  expect(progress.alive()).toBe(true);
  state.now += 1;
  expect(progress.alive()).toBe(false);
});
