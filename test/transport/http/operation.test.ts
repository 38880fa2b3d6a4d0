import { pino } from 'pino';
import { expect, test } from 'vitest';
import { parseExposition } from './exposition.ts';
import { form, post, serve, TOKEN } from './support.ts';

test('liveness', async () => {
  const { url, health } = await serve();
  health.broker = { ok: false, detail: 'away' };
  const response = await fetch(`${url}/healthz`);
  expect([response.status, await response.json()]).toEqual([200, { status: 'ok' }]);
});

test('readiness is 503 as long as one part is not ok', async () => {
  const { url, health } = await serve();
  expect((await fetch(`${url}/readyz`)).status).toBe(200);
  health.broker = { ok: false, detail: 'away' };
  const response = await fetch(`${url}/readyz`);
  expect(response.status).toBe(503);
  expect(await response.json()).toEqual({
    ready: false,
    checks: {
      model: { ok: true, detail: 'text@1' },
      broker: { ok: false, detail: 'away' },
    },
  });
});

test('metrics count photos and requests', async () => {
  const { url } = await serve();
  for (const content of ['kitchen', 'image_corrupt']) await post(url, form(content));
  await fetch(`${url}/not-a-route-${'x'.repeat(50)}`);
  const response = await fetch(`${url}/metrics`);
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  const value = parseExposition(await response.text());
  expect(
    value('retagger_photos_total', { source: 'http', outcome: 'tagged', tag: 'kitchen' }),
  ).toBe(1);
  const requests = (method: string, route: string, status: string) =>
    value('retagger_http_requests_total', { method, route, status });
  expect(requests('POST', '/re-tagger', '200')).toBe(1);
  expect(requests('POST', '/re-tagger', '422')).toBe(1);
  expect(requests('GET', 'unmatched', '404')).toBe(1);
  expect(value('retagger_http_request_duration_seconds_count', { route: '/re-tagger' })).toBe(2);
});

test('names end in their units', async () => {
  const { url } = await serve();
  const { names } = parseExposition(await (await fetch(`${url}/metrics`)).text());
  const ours = [...names].filter((name) => name.startsWith('retagger_'));
  const pattern =
    /_(total|seconds_(bucket|sum|count)|bytes|info|length|ready|accepting)$|^retagger_accepting$/;
  expect(ours.filter((name) => !pattern.test(name))).toEqual([]);
  expect(ours.length).toBeGreaterThan(12);
});

test('the log says once what is listened on, and what was refused', async () => {
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level: 'debug' }, { write: (line) => void lines.push(JSON.parse(line)) });
  const { url } = await serve({ http: { host: '0.0.0.0', token: TOKEN } }, {}, log);
  const about = lines.filter(({ msg }) => /listening/i.test(String(msg)));
  expect(about).toMatchObject([
    { msg: 'listening', host: '0.0.0.0', port: Number(new URL(url).port) },
  ]);
  await fetch(`${url}/results`);
  expect(lines.at(-1)).toMatchObject({ msg: 'a request was refused', code: 'unauthorized' });
});
