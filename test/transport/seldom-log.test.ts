import { pino } from 'pino';
import { expect, onTestFinished, test, vi } from 'vitest';
import { SeldomLog } from '../../src/transport/seldom-log.ts';

test('what happens often is said once a minute, with how often', () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const lines: object[] = [];
  const destination = { write: (line: string) => lines.push(JSON.parse(line)) };
  const log = new SeldomLog(pino({ base: null, timestamp: false }, destination));
  for (let n = 0; n < 1000; n++) log.warn({ client: `${n}` }, 'refused');
  log.warn({}, 'another thing');
  vi.advanceTimersByTime(61_000);
  for (let n = 0; n < 2; n++) log.warn({ client: 'late' }, 'refused');
  expect(lines).toEqual([
    { level: 40, client: '0', msg: 'refused' },
    { level: 40, msg: 'another thing' },
    { level: 40, client: 'late', unsaid: 999, msg: 'refused' },
  ]);
});
