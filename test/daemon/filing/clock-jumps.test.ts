import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ClockJumps } from '../../../src/daemon/filing/clock-jumps.ts';
import { silent, temporaryDir } from '../support.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const TODAY = Date.UTC(2026, 5, 1);
/** The box has been on for so long when the daemon starts. */
const UP = 10_000;

/** Photos are kept for 30 days; the clock says `now` when the daemon starts. */
async function daemonAt(now: number, path?: string) {
  const file = path ?? join(await temporaryDir(), 'clock.json');
  const clock = new ClockJumps(file, 30 * DAY, silent, now, UP);
  await clock.load();
  return { clock, file };
}

test('where the clock goes as it should, photos count from when they were filed', async () => {
  const { clock, file } = await daemonAt(TODAY);
  // Corrected by a minute, and standby overnight; and set on from the last shutdown, a week ago.
  await clock.look(TODAY + HOUR + 60_000, UP + HOUR);
  await clock.look(TODAY + 12 * HOUR, UP + 12 * HOUR);
  await clock.look(TODAY + 7 * DAY, UP + 13 * HOUR);
  expect(clock.countsFrom(TODAY - DAY)).toBe(TODAY - DAY);
  await expect(readFile(file)).rejects.toThrow('ENOENT');
});

test('what was filed by a clock of 1970 counts from when it is set, after a restart too', async () => {
  const { clock, file } = await daemonAt(UP);
  await clock.look(TODAY, UP + HOUR);
  // Once.
  await clock.look(TODAY + HOUR, UP + 2 * HOUR);
  expect(clock.countsFrom(UP + 60_000)).toBe(TODAY);
  expect(clock.countsFrom(TODAY + DAY)).toBe(TODAY + DAY);
  const next = await daemonAt(TODAY + DAY, file);
  expect(next.clock.countsFrom(UP + 60_000)).toBe(TODAY);
});

test('one that was years ahead keeps nothing for years when it is set back', async () => {
  const { clock, file } = await daemonAt(TODAY);
  const wrong = TODAY + 3650 * DAY;
  await clock.look(wrong, UP + HOUR);
  expect(clock.countsFrom(TODAY)).toBe(wrong);
  await clock.look(TODAY + 2 * HOUR, UP + 2 * HOUR);
  expect(clock.countsFrom(TODAY)).toBe(TODAY + 2 * HOUR);
  // Also where that was done while the daemon did not run.
  await clock.look(wrong, UP + 3 * HOUR);
  const next = await daemonAt(TODAY + DAY, file);
  await next.clock.look(TODAY + DAY, UP);
  expect(next.clock.countsFrom(TODAY)).toBe(TODAY + DAY);
});

test('a file that says nothing of use is as none', async () => {
  for (const text of ['', 'null', '{}', '[]', '{"jumpedAt":"soon"}']) {
    const { file } = await daemonAt(TODAY);
    await writeFile(file, text);
    const { clock } = await daemonAt(TODAY, file);
    expect(clock.countsFrom(TODAY - DAY)).toBe(TODAY - DAY);
  }
});
