import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { createMetrics } from '../../src/daemon/metrics.ts';
import { parseExposition } from '../transport/http/exposition.ts';

/** What the dashboard and the alerts ask for is what `/metrics` has. */

const PROMETHEUS = ['up', 'instance', 'job', 'le'];
/** PromQL's own words. */
const WORDS = new Set(
  'sum min max by on and rate increase histogram_quantile label_values'
    .split(' ')
    .concat(PROMETHEUS),
);

interface Panel {
  readonly title: string;
  readonly targets: readonly { readonly expr: string; readonly legendFormat: string }[];
}
interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: { readonly summary: string };
}

async function dashboard(): Promise<{ panels: Panel[]; templating: unknown }> {
  return JSON.parse(await readFile('deploy/grafana/retagger.json', 'utf8'));
}
async function alerts(): Promise<Alert[]> {
  const file = parse(await readFile('deploy/prometheus/alerts.yaml', 'utf8'));
  return file.groups.flatMap(({ rules }: { rules: Alert[] }) => rules);
}

/** Every name and label of a daemon in which everything has happened once. */
async function exposed(): Promise<{ names: Set<string>; labels: Set<string>; text: string }> {
  const metrics = createMetrics({
    pipeline: {
      onOutcome: (listener) => {
        const photo = { id: '1', source: 'mqtt', file: null, receivedAt: '' } as const;
        const failure = { ...photo, code: 'image_corrupt', message: '' };
        listener({ ok: false, photo: { ...photo, body: 'upload' }, failure });
        return () => {};
      },
      refusal: () => null,
      length: 0,
    },
    outbox: { length: 0 },
    tagger: {
      ...{ state: 'ready', restarts: { exit: 1, timeout: 1, memory: 1 }, pids: [process.pid] },
      info: { model: 'm@1', engine: 'wasm', labels: ['kitchen'] },
    },
  });
  metrics.httpRequest({ method: 'GET', route: '/', status: 200, seconds: 0.1 });
  const text = await metrics.text();
  const { names } = parseExposition(text);
  return {
    names,
    text,
    labels: new Set([...text.matchAll(/[{,](\w+)="/g)].map(([, l]) => l as string)),
  };
}

/** Names of metrics and labels in PromQL, without what is in quotes. */
const wordsOf = (expr: string) =>
  [...expr.replaceAll(/"[^"]*"|\$\w+/g, '').matchAll(/(?<![\d.])\b[a-z]\w*/g)]
    .map(([word]) => word)
    .filter((word) => !WORDS.has(word));

test('every name that the dashboard and the alerts ask for is in /metrics', async () => {
  const { names, labels } = await exposed();
  const { panels, templating } = await dashboard();
  const variables = [...JSON.stringify(templating).matchAll(/label_values\((\w+), (\w+)\)/g)];
  const asked = [
    ...panels.flatMap(({ title, targets }) => targets.map(({ expr }) => [title, expr] as const)),
    ...(await alerts()).map(({ alert, expr }) => [alert, expr] as const),
    ...variables.map(([, name = '']) => ['variable', name] as const),
  ];
  expect(asked.length).toBeGreaterThan(15);
  for (const [where, expr] of asked) {
    for (const word of wordsOf(expr.replaceAll(/\[[^\]]*\]/g, ''))) {
      expect([where, word, names.has(word) || labels.has(word)]).toEqual([where, word, true]);
    }
  }
});

test('values that are compared with exist', async () => {
  const { text } = await exposed();
  const panels = (await dashboard()).panels.flatMap(({ targets }) => targets);
  const expressions = [...panels, ...(await alerts())].map(({ expr }) => expr).join('\n');
  const compared = [...expressions.matchAll(/(\w+)!?="(\w+)"/g)].filter(
    ([, label]) => label !== 'job',
  );
  expect(compared.length).toBeGreaterThan(2);
  for (const [, label, value] of compared) expect(text).toContain(`${label}="${value}"`);
});

test('legends name labels that their expression keeps, alerts the box they are about', async () => {
  for (const { title, targets } of (await dashboard()).panels) {
    for (const { expr, legendFormat } of targets) {
      for (const [, label] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
        const kept = /\bby \(([^)]*)\)/.exec(expr)?.[1]?.split(', ') ?? [label, 'instance'];
        expect([title, kept]).toEqual([title, expect.arrayContaining([label])]);
      }
    }
  }
  for (const { annotations } of await alerts()) {
    expect(annotations.summary).toContain('{{ $labels.instance }}');
  }
});
