import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RetaggerError } from '../../../src/errors.ts';
import {
  MAX_TRIES,
  type PhotoJob,
  PhotoJobs,
} from '../../../src/inference/supervisor/photo-jobs.ts';

const CONCURRENCY = 3;

function setUp(count: number) {
  const outcomes = new Map<string, string>();
  const jobs = new PhotoJobs();
  for (let i = 0; i < count; i++) {
    const path = String(i);
    jobs.add({
      path,
      resolve: () => outcomes.set(path, 'tagged'),
      reject: (error) => outcomes.set(path, error.code),
      lost: 0,
    });
  }
  return { jobs, outcomes };
}

function take(jobs: PhotoJobs, inFlight: Set<PhotoJob>): string[] {
  const taken: string[] = [];
  for (;;) {
    const job = jobs.next(inFlight, CONCURRENCY);
    if (!job) return taken;
    inFlight.add(job);
    taken.push(job.path);
  }
}

describe('PhotoJobs', () => {
  it('hands out photos in their order, so many at once', () => {
    const { jobs } = setUp(5);
    const inFlight = new Set<PhotoJob>();
    expect(take(jobs, inFlight)).toEqual(['0', '1', '2']);
    inFlight.delete([...inFlight][1] as PhotoJob);
    expect(take(jobs, inFlight)).toEqual(['3']);
  });

  it('tries suspects again alone, before others', () => {
    const { jobs } = setUp(4);
    const lost = new Set<PhotoJob>();
    take(jobs, lost);
    jobs.takeBack(lost, 'worker_crashed');
    const inFlight = new Set<PhotoJob>();
    for (const path of ['0', '1', '2']) {
      expect(take(jobs, inFlight)).toEqual([path]);
      inFlight.clear();
    }
    expect(take(jobs, inFlight)).toEqual(['3']);
  });

  it('tells whether one of them waits or is being tried', () => {
    const { jobs } = setUp(2);
    const inFlight = new Set<PhotoJob>();
    take(jobs, inFlight);
    expect(jobs.hasSuspect(inFlight)).toBe(false);
    jobs.takeBack(inFlight, 'worker_crashed');
    inFlight.clear();
    expect(jobs.hasSuspect(inFlight)).toBe(true);
    take(jobs, inFlight);
    inFlight.clear();
    take(jobs, inFlight);
    expect([jobs.waiting, jobs.hasSuspect(inFlight)]).toEqual([0, true]);
    inFlight.clear();
    expect(jobs.hasSuspect(inFlight)).toBe(false);
  });

  it('names the fault of the last try', () => {
    const { jobs, outcomes } = setUp(1);
    for (const fault of ['worker_crashed', 'worker_crashed', 'worker_timeout'] as const) {
      const inFlight = new Set<PhotoJob>();
      take(jobs, inFlight);
      jobs.takeBack(inFlight, fault);
    }
    expect(outcomes.get('0')).toBe('worker_timeout');
  });

  it('rejects all that wait, suspects too, and hands none of them out', () => {
    const { jobs, outcomes } = setUp(5);
    const lost = new Set<PhotoJob>();
    take(jobs, lost);
    jobs.takeBack(lost, 'worker_crashed');
    jobs.rejectAll(new RetaggerError('stopping'));
    expect([...outcomes.values()]).toEqual(Array(5).fill('stopping'));
    expect(take(jobs, new Set())).toEqual([]);
  });

  it('ends every photo right, whichever kill a worker and in whatever order it works', () => {
    const photos = fc.array(fc.boolean(), { minLength: 1, maxLength: 12 });
    const choices = fc.infiniteStream(fc.nat());
    fc.assert(
      fc.property(photos, choices, (poisons, choice) => {
        const { jobs, outcomes } = setUp(poisons.length);
        let inFlight = new Set<PhotoJob>();
        let crashes = 0;
        for (;;) {
          take(jobs, inFlight);
          if (inFlight.size === 0) break;
          const waiting = [...inFlight];
          const job = waiting[choice.next().value % waiting.length] as PhotoJob;
          if (poisons[Number(job.path)]) {
            crashes += 1;
            const lost = inFlight;
            inFlight = new Set();
            jobs.takeBack(lost, 'worker_crashed');
          } else {
            inFlight.delete(job);
            job.resolve({} as Parameters<PhotoJob['resolve']>[0]);
          }
        }
        for (const [i, poison] of poisons.entries()) {
          expect(outcomes.get(String(i))).toBe(poison ? 'worker_crashed' : 'tagged');
        }
        expect(crashes).toBeLessThanOrEqual(poisons.filter(Boolean).length * MAX_TRIES);
      }),
    );
  });
});
