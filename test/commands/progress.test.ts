import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { startBar } from '../../src/commands/progress.ts';
import { duration, lineWidth, Pace, progressLine } from '../../src/commands/progress-line.ts';
import { createTrainReporter } from '../../src/commands/train-reporter.ts';

const standing = {
  ...{ phase: 'full epoch 1/50', done: 640, total: 12_000, secondsLeft: 3_900 },
  figures: 'loss 0.1234 accuracy 0.9876',
};

test('a line fits the terminal; the time left is never cut', () => {
  const whole = progressLine(standing, 200);
  expect(whole).toMatch(/^full epoch 1\/50 █░+ 640\/12000 loss .* time left 1h 05m$/);
  for (let width = 17; width <= 120; width++) {
    const line = progressLine(standing, width);
    expect(line.length, line).toBeLessThanOrEqual(width);
    expect(line).toContain('time left 1h 05m');
  }
  expect(progressLine(standing, 80)).toBe(
    'full epoch 1/50 640/12000 loss 0.1234 accuracy 0.9876 time left 1h 05m',
  );
  expect(progressLine(standing, 45)).toBe('full epoch 1/50 640/12000 time left 1h 05m');
  expect(progressLine(standing, 3)).toBe('time left 1h 05m');
  expect([100, 0, undefined].map(lineWidth)).toEqual([99, 79, 79]);
});

test('nothing is said of the time before anything is known', () => {
  const pace = new Pace();
  expect(pace.left(300, 1000, 0)).toBeNull();
  expect(pace.left(300, 1000, 5_000)).toBeNull();
  expect(pace.left(400, 1000, 10_000)).toBe(60);
  expect(progressLine({ ...standing, secondsLeft: null }, 80)).toMatch(/time left \?$/);
  expect([0.2, 59, 200, 7_300].map(duration)).toEqual(['1s', '59s', '3m 20s', '2h 01m']);
});

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function written(isTTY: boolean) {
  let text = '';
  const write = (part: string) => {
    text += part;
    return true;
  };
  const stream = { isTTY, columns: 20, write } as unknown as NodeJS.WriteStream;
  return { stream, text: () => text };
}

test.each(['Ctrl-C', 'its end'])('the terminal gets its cursor back, by %s', (how) => {
  const others = process.listeners('exit');
  const { stream, text } = written(true);
  const bar = startBar(stream, 10, () => standing);
  expect(text()).toContain('\u001b[?25l');
  const [exit] = process.listeners('exit').filter((listener) => !others.includes(listener));
  if (how === 'Ctrl-C') exit?.(130);
  else bar.stop();
  expect(text()).toContain('\u001b[?25h');
  expect(process.listeners('exit')).toEqual(others);
});

test('on a terminal a bar makes room for a note, and is gone at the end', () => {
  const { stream, text } = written(true);
  const reporter = createTrainReporter(stream);
  const shown = () => text().split('\u001b[?25l').length - text().split('\u001b[?25h').length;
  reporter.start('head epoch 1/3', 300);
  expect(shown()).toBe(1);
  reporter.note('stopping');
  expect(shown()).toBe(0);
  reporter.start('head epoch 2/3', 300);
  reporter.end();
  expect(shown()).toBe(0);
});

test('without a terminal a line now and then says the time left too', () => {
  const { stream, text } = written(false);
  const reporter = createTrainReporter(stream);
  reporter.start('head epoch 1/3', 300);
  reporter.update(10);
  expect(text()).toBe('');
  vi.advanceTimersByTime(31_000);
  reporter.update(20, { loss: 1, accuracy: 0.5 });
  expect(text()).toBe('head epoch 1/3 20/300 loss 1.0000 accuracy 0.5000 time left 14m 28s\n');
  reporter.update(30);
  expect(text().split('\n')).toHaveLength(2);
  // The next phase has a pace of its own.
  reporter.start('head epoch 2/3', 300);
  reporter.update(10);
  vi.advanceTimersByTime(62_000);
  reporter.update(20);
  expect(text()).toMatch(/\nhead epoch 2\/3 20\/300 time left 28m 56s\n$/);
});
