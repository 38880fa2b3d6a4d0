import { expect, test } from 'vitest';
import type { EpochRecord } from '../../../src/training/checkpoint.ts';
import { evaluateScores } from '../../../src/training/metrics.ts';
import { TRAIN_DEFAULTS, type TrainOptions } from '../../../src/training/options.ts';
import type { Plan } from '../../../src/training/prepare.ts';
import { doubts } from '../../../src/training/publish/doubts.ts';
import { modelCard } from '../../../src/training/publish/model-card.ts';
import type { Published } from '../../../src/training/publish/published.ts';

/** Of answers to photos: 'aab' are labels 0, 0 and 1. */
function judged(truth: string, answers: string) {
  const index = (letter: string) => 'abc'.indexOf(letter);
  const scores = [...answers].map((letter) => [0, 1, 2].map((k) => (k === index(letter) ? 1 : 0)));
  return evaluateScores(['hall', 'attic', 'barn'], [...truth].map(index), scores);
}
const epoch = (loss: number) => [{ loss, validationLoss: 1 } as EpochRecord];

test('a model that has learnt something raises none', () => {
  expect(doubts(judged('aaabbc', 'aaabcc'), epoch(0.4))).toEqual([]);
  expect(doubts(judged('aaabbc', 'aaabcc'), [])).toEqual([]);
});

test.each([
  [Number.NaN, /NaN.*diverged/],
  [1e9, /1\.00e\+9.*diverged/],
])('a loss of %d', (loss, message) => {
  expect(doubts(judged('abc', 'abc'), epoch(loss))).toEqual([expect.stringMatching(message)]);
});

test('an epoch that was lost after the one that is taken raises none', () => {
  const of = (loss: number, validationMacroF1: number) =>
    ({ loss, validationLoss: 1, validationMacroF1 }) as EpochRecord;
  expect(doubts(judged('abc', 'abc'), [of(0.4, 0.9), of(1e9, 0.2)])).toEqual([]);
  expect(doubts(judged('abc', 'abc'), [of(0.4, 0.1), of(1e9, 0.2)])).toHaveLength(1);
});

test('always the commonest class is no better than that, and the classes are named', () => {
  const found = doubts(judged('aaabbc', 'aaaaaa'), epoch(1));
  expect(found[0]).toMatch(/^macro F1 0\.222 .*no better than always/);
  expect(found[1]).toMatch(/right of: attic, barn$/);
});

test('it is found out however the figures round', () => {
  const [first] = doubts(judged('aabbc', 'aaaaa'), epoch(1));
  expect(first).toMatch(/no better than always/);
});

test('the card says them', () => {
  expect(card({ doubts: ['it has diverged'] })).toContain('\n**Warning: it has diverged.**\n');
});

test('the card gives the learning rates of those stages that were run', () => {
  const history = [{ stage: 'full', epoch: 1, validationMacroF1: 1 } as EpochRecord];
  const skipped = { head: { epochs: 0, learningRate: 0.5 } };
  expect(card({ stage: 'full', history }, skipped)).toContain(
    'rate 0.0001 (second stage), constant',
  );
});

function card(published: Partial<Published>, options: Partial<TrainOptions> = {}): string {
  const validation = judged('abc', 'abc');
  const plan = { dataset: { labels: ['hall'] }, split: { train: [], validation: [] } };
  const manifest = { name: 'n', version: '1', labels: ['hall'], temperature: 1 };
  const whole = { manifest, stage: 'head', history: [], raw: validation, validation, doubts: [] };
  return modelCard(
    plan as unknown as Plan,
    { ...TRAIN_DEFAULTS, ...options } as unknown as TrainOptions,
    { ...whole, ...published } as unknown as Published,
  );
}
