import { expect, onTestFinished, test, vi } from 'vitest';
import { createMetrics, type MetricsParts } from '../../src/daemon/metrics.ts';
import type { Outcome } from '../../src/daemon/ports.ts';
import { parseExposition } from '../transport/http/exposition.ts';

const RECEIVED = '2026-01-02T03:04:05.000Z';

function photo(id: string) {
  return {
    ...{ id, source: 'mqtt' as const, file: null, receivedAt: RECEIVED },
    body: 'upload' as const,
  };
}

function tagged(tag: string | null): Outcome {
  return {
    ok: true,
    photo: photo('1'),
    result: {
      ...{ id: '1', node: 'n', source: 'mqtt', file: null, sha256: '', tag, score: 1, scores: {} },
      ...{ model: 'm@1', engine: 'wasm', width: 1, height: 1 },
      ...{ received_at: RECEIVED, tagged_at: '2026-01-02T03:04:07.000Z' },
      ms: { queued: 3, decode: 20, infer: 700 },
    },
  };
}

const failed: Outcome = {
  ok: false,
  photo: photo('2'),
  failure: { id: '2', source: 'mqtt', file: null, code: 'image_corrupt', message: '' },
};

const running = (model: string) => ({ model, engine: 'wasm', labels: ['kitchen', 'hall'] });

/** Metrics with the listener that the pipeline would call. */
function create() {
  const listeners: ((outcome: Outcome) => void)[] = [];
  const tagger: MetricsParts['tagger'] = {
    ...{ state: 'ready', restarts: { exit: 2, memory: 1 } },
    ...{ pids: [process.pid, process.pid, 2 ** 30], info: running('m@1') },
  };
  const metrics = createMetrics({
    pipeline: {
      onOutcome: (listener) => {
        listeners.push(listener);
        return () => {};
      },
      refusal: (source) => (source === 'http' ? 'queue_full' : null),
      length: 5,
    },
    outbox: { length: 7 },
    tagger,
  });
  const tell = (outcome: Outcome) => {
    for (const listener of listeners) listener(outcome);
  };
  return { metrics, tagger, tell, read: async () => parseExposition(await metrics.text()) };
}

test('counts photos by source, outcome and tag, and failures by code', async () => {
  const { tell, read } = create();
  for (const tag of ['kitchen', 'kitchen', 'hall', null]) tell(tagged(tag));
  tell(failed);
  const value = await read();
  const photos = (outcome: string, tag: string) =>
    value('retagger_photos_total', { source: 'mqtt', outcome, tag });
  expect(photos('tagged', 'kitchen')).toBe(2);
  expect(photos('tagged', 'hall')).toBe(1);
  expect(photos('abstained', '')).toBe(1);
  expect(photos('failed', '')).toBe(1);
  expect(value('retagger_photo_failures_total', { source: 'mqtt', code: 'image_corrupt' })).toBe(1);
});

test('every series of photos is there before the first photo', async () => {
  const value = await create().read();
  for (const source of ['folder', 'mqtt', 'http']) {
    expect(value('retagger_photos_total', { source, outcome: 'tagged', tag: 'hall' })).toBe(0);
    for (const outcome of ['abstained', 'failed']) {
      expect(value('retagger_photos_total', { source, outcome, tag: '' })).toBe(0);
    }
    expect(value('retagger_photo_duration_seconds_count', { source })).toBe(0);
  }
  for (const stage of ['queued', 'decode', 'infer']) {
    expect(value('retagger_photo_stage_duration_seconds_count', { stage })).toBe(0);
  }
});

test('times are seconds', async () => {
  const { tell, read } = create();
  tell(tagged('hall'));
  const value = await read();
  const stage = (name: string) =>
    value('retagger_photo_stage_duration_seconds_sum', { stage: name });
  expect([stage('queued'), stage('decode'), stage('infer')]).toEqual([0.003, 0.02, 0.7]);
  expect(value('retagger_photo_duration_seconds_sum', { source: 'mqtt' })).toBe(2);
  const slow = { stage: 'infer', le: '0.5' };
  expect(value('retagger_photo_stage_duration_seconds_bucket', slow)).toBe(0);
  expect(value('retagger_photo_stage_duration_seconds_bucket', { ...slow, le: '1' })).toBe(1);
});

test('a photo that failed has taken until now, and one of an unknown time no time', async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.parse(RECEIVED) + 5000 });
  onTestFinished(() => void vi.useRealTimers());
  const { tell, read } = create();
  tell(failed);
  tell({ ...failed, photo: { ...failed.photo, receivedAt: 'long ago' } });
  const value = await read();
  expect(value('retagger_photo_duration_seconds_sum', { source: 'mqtt' })).toBe(5);
  expect(value('retagger_photo_duration_seconds_count', { source: 'mqtt' })).toBe(2);
});

test('HTTP requests are counted, and their times are seconds', async () => {
  const { metrics, read } = create();
  metrics.httpRequest({ method: 'GET', route: '/healthz', status: 200, seconds: 0.25 });
  metrics.httpRequest({ method: 'GET', route: '/healthz', status: 503, seconds: 0.5 });
  const value = await read();
  const requests = { method: 'GET', route: '/healthz' };
  expect(value('retagger_http_requests_total', { ...requests, status: '200' })).toBe(1);
  expect(value('retagger_http_requests_total', { ...requests, status: '503' })).toBe(1);
  const route = { route: '/healthz' };
  expect(value('retagger_http_request_duration_seconds_sum', route)).toBe(0.75);
});

test('a photo answered from memory counts, but has no stages', async () => {
  const { tell, read } = create();
  const again = tagged('hall');
  if (again.ok) tell({ ...again, result: { ...again.result, duplicate: true } });
  const value = await read();
  expect(value('retagger_photo_duplicates_total')).toBe(1);
  expect(value('retagger_photos_total', { source: 'mqtt', outcome: 'tagged', tag: 'hall' })).toBe(
    1,
  );
  expect(value('retagger_photo_stage_duration_seconds_count', { stage: 'infer' })).toBe(0);
});

test('a clock that was set back counts no negative time', async () => {
  const { tell, read } = create();
  const early = tagged('hall');
  if (early.ok) tell({ ...early, result: { ...early.result, tagged_at: '2020-01-01T00:00:00Z' } });
  expect((await read())('retagger_photo_duration_seconds_sum', { source: 'mqtt' })).toBe(0);
});

test('the state of the box', async () => {
  const value = await create().read();
  expect(value('retagger_queue_length')).toBe(5);
  expect(value('retagger_outbox_length')).toBe(7);
  expect(value('retagger_accepting', { source: 'http' })).toBe(0);
  expect(value('retagger_accepting', { source: 'folder' })).toBe(1);
  expect(value('retagger_worker_ready')).toBe(1);
  expect(value('retagger_worker_restarts_total', { reason: 'exit' })).toBe(2);
  expect(value('retagger_worker_restarts_total', { reason: 'memory' })).toBe(1);
  // This very process stands for both workers: what is mapped counts once.
  const workers = value('retagger_worker_resident_memory_bytes') ?? 0;
  expect(workers).toBeGreaterThan(process.memoryUsage.rss());
  expect(workers).toBeLessThan(1.9 * process.memoryUsage.rss());
  expect(value('process_resident_memory_bytes')).toBeGreaterThan(10_000_000);
});

test('what runs is in the labels of build_info, alone, also after a swap', async () => {
  const { metrics, tagger } = create();
  const built = async () => (await metrics.text()).match(/^retagger_build_info.*$/gm);
  const line = /^retagger_build_info\{version="\d+\.\d+\.\d+[^"]*",model="m@1",engine="wasm"\} 1$/;
  expect(await built()).toEqual([expect.stringMatching(line)]);
  Object.assign(tagger, { info: running('m@2') });
  expect(await built()).toEqual([expect.stringContaining('model="m@2"')]);
});

test('asking again adds no restart, and a worker that loads is not ready', async () => {
  const { tagger, read } = create();
  await read();
  Object.assign(tagger, { state: 'starting' });
  const value = await read();
  expect(value('retagger_worker_restarts_total', { reason: 'exit' })).toBe(2);
  expect(value('retagger_worker_ready')).toBe(0);
});
