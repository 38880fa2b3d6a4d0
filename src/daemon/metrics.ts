import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { memoryOf, together } from '../inference/memory.ts';
import type { Tagger } from '../inference/tagger.ts';
import type { Source } from '../result.ts';
import { version } from '../version.ts';
import type { TaggingPipeline } from './pipeline/pipeline.ts';
import type { Outbox, Outcome } from './ports.ts';

/** One answered HTTP request. */
export interface HttpRequest {
  readonly method: string;
  /** The route's pattern, never the address itself: label values must be few. */
  readonly route: string;
  readonly status: number;
  readonly seconds: number;
}

/** What `/metrics` shows. */
export interface Metrics {
  readonly contentType: string;
  /** The exposition, Prometheus text format. */
  text(): Promise<string>;
  httpRequest(request: HttpRequest): void;
}

export interface MetricsParts {
  readonly pipeline: Pick<TaggingPipeline, 'onOutcome' | 'refusal' | 'length'>;
  readonly outbox: Pick<Outbox, 'length'>;
  readonly tagger: Pick<Tagger, 'state' | 'info' | 'restarts' | 'pids'>;
}

const SOURCES: readonly Source[] = ['folder', 'mqtt', 'http'];
/** Seconds. One inference takes 20 to 200 ms; a backlog may wait for hours. */
const STAGE_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const PHOTO_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200];
/** The default of 10 ms would wake an idle box 100 times a second. */
const EVENT_LOOP_PRECISION_MS = 100;

/** A registry of its own, filled from what happens in the daemon. */
export function createMetrics(parts: MetricsParts): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({
    register: registry,
    eventLoopMonitoringPrecision: EVENT_LOOP_PRECISION_MS,
  });
  photoMetrics(registry, parts);
  stateMetrics(registry, parts);
  workerMetrics(registry, parts.tagger);
  const httpRequest = httpMetrics(registry);
  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    httpRequest,
  };
}

function photoMetrics(registry: Registry, { pipeline, tagger }: MetricsParts): void {
  const registers = [registry];
  const photos = new Counter({
    name: 'retagger_photos_total',
    help: 'Photos that ended, by source and outcome (tagged, abstained, failed); tag is empty unless tagged.',
    labelNames: ['source', 'outcome', 'tag'],
    registers,
    collect() {
      // Series that exist from the start let rate() see the first photo.
      for (const source of SOURCES) {
        for (const tag of tagger.info?.labels ?? [])
          this.inc({ source, outcome: 'tagged', tag }, 0);
        for (const outcome of ['abstained', 'failed']) this.inc({ source, outcome, tag: '' }, 0);
      }
    },
  });
  const failures = new Counter({
    name: 'retagger_photo_failures_total',
    help: 'Photos that could not be tagged, by source and error code.',
    labelNames: ['source', 'code'],
    registers,
  });
  const duplicates = new Counter({
    name: 'retagger_photo_duplicates_total',
    help: 'Photos answered from memory (limits.remembered); they have no stages.',
    registers,
  });
  const stages = new Histogram({
    name: 'retagger_photo_stage_duration_seconds',
    help: 'Time of tagged photos by stage: queued, decode (with resize), infer.',
    labelNames: ['stage'],
    buckets: STAGE_BUCKETS,
    registers,
  });
  const total = new Histogram({
    name: 'retagger_photo_duration_seconds',
    help: 'Time from receipt to outcome by source.',
    labelNames: ['source'],
    buckets: PHOTO_BUCKETS,
    registers,
  });
  for (const stage of ['queued', 'decode', 'infer']) stages.zero({ stage });
  for (const source of SOURCES) total.zero({ source });
  pipeline.onOutcome((outcome) => {
    const { source } = outcome.photo;
    photos.inc({ source, ...outcomeLabels(outcome) });
    total.observe({ source }, secondsSince(outcome));
    if (!outcome.ok) {
      failures.inc({ source, code: outcome.failure.code });
      return;
    }
    if (outcome.result.duplicate) {
      duplicates.inc();
      return;
    }
    for (const [stage, ms] of Object.entries(outcome.result.ms)) {
      stages.observe({ stage }, ms / 1000);
    }
  });
}

function outcomeLabels(outcome: Outcome): { outcome: string; tag: string } {
  if (!outcome.ok) return { outcome: 'failed', tag: '' };
  const { tag } = outcome.result;
  return tag === null ? { outcome: 'abstained', tag: '' } : { outcome: 'tagged', tag };
}

/** From receipt to the outcome; a clock that was set back in between gives 0. */
function secondsSince(outcome: Outcome): number {
  const end = outcome.ok ? Date.parse(outcome.result.tagged_at) : Date.now();
  const seconds = (end - Date.parse(outcome.photo.receivedAt)) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : 0;
}

function stateMetrics(registry: Registry, parts: MetricsParts): void {
  const { pipeline, outbox, tagger } = parts;
  const registers = [registry];
  gauge(
    registry,
    'retagger_queue_length',
    'Photos accepted and not finished.',
    () => pipeline.length,
  );
  gauge(
    registry,
    'retagger_outbox_length',
    'Results and errors on disk, waiting for the broker.',
    () => outbox.length,
  );
  new Gauge({
    name: 'retagger_accepting',
    help: '1 while photos of this source are accepted.',
    labelNames: ['source'],
    registers,
    collect() {
      for (const source of SOURCES) this.set({ source }, pipeline.refusal(source) === null ? 1 : 0);
    },
  });
  new Gauge({
    name: 'retagger_build_info',
    help: 'Always 1; what runs is in the labels.',
    labelNames: ['version', 'model', 'engine'],
    registers,
    collect() {
      this.reset();
      this.set({ version, model: tagger.info?.model ?? '', engine: tagger.info?.engine ?? '' }, 1);
    },
  });
}

function workerMetrics(registry: Registry, tagger: MetricsParts['tagger']): void {
  gauge(registry, 'retagger_worker_ready', '1 while the inference process takes photos.', () =>
    tagger.state === 'ready' ? 1 : 0,
  );
  gauge(
    registry,
    'retagger_worker_resident_memory_bytes',
    'Resident memory of the inference processes; files they share count once.',
    () => together(tagger.pids.flatMap((pid) => memoryOf(pid) ?? [])),
  );
  new Counter({
    name: 'retagger_worker_restarts_total',
    help: 'Times the inference process was replaced, by reason.',
    labelNames: ['reason'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [reason, count] of Object.entries(tagger.restarts)) this.inc({ reason }, count);
    },
  });
}

function httpMetrics(registry: Registry): Metrics['httpRequest'] {
  const requests = new Counter({
    name: 'retagger_http_requests_total',
    help: 'Answered HTTP requests.',
    labelNames: ['method', 'route', 'status'],
    registers: [registry],
  });
  const durations = new Histogram({
    name: 'retagger_http_request_duration_seconds',
    help: 'Time from request to end of answer.',
    labelNames: ['route'],
    buckets: STAGE_BUCKETS,
    registers: [registry],
  });
  return ({ method, route, status, seconds }) => {
    requests.inc({ method, route, status });
    durations.observe({ route }, seconds);
  };
}

function gauge(registry: Registry, name: string, help: string, value: () => number): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(value());
    },
  });
}
