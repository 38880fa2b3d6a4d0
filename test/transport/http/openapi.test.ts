import { expect, test } from 'vitest';
import { serve } from './support.ts';

interface Operation {
  operationId?: string;
  summary?: string;
  responses: Record<string, { description?: string; content?: Record<string, unknown> }>;
  requestBody?: { content: Record<string, unknown> };
}
interface Description {
  openapi: string;
  info: { title: string; version: string };
  paths: Record<string, Record<string, Operation>>;
  components?: { schemas?: Record<string, unknown> };
}

const ROUTES = {
  '/re-tagger': 'post',
  '/healthz': 'get',
  '/readyz': 'get',
  '/metrics': 'get',
  '/results': 'get',
  '/events': 'get',
  '/openapi.json': 'get',
};

const read = async (url: string) =>
  (await (await fetch(`${url}/openapi.json`)).json()) as Description;

function refs(node: unknown): string[] {
  if (typeof node !== 'object' || node === null) return [];
  return Object.entries(node).flatMap(([key, value]) =>
    key === '$ref' ? [value as string] : refs(value),
  );
}

test('every route is described, and nothing that is not there', async () => {
  const { url } = await serve();
  const { openapi, paths } = await read(url);
  expect(openapi).toMatch(/^3\.1\./);
  const described = Object.entries(paths).map(([path, item]) => [path, Object.keys(item).join()]);
  expect(Object.fromEntries(described)).toEqual(ROUTES);
  for (const [path, method] of Object.entries(ROUTES)) {
    const response = await fetch(url + path, { method, signal: AbortSignal.timeout(5000) });
    expect([path, response.status]).not.toEqual([path, 404]);
    expect(Object.keys(paths[path]?.[method]?.responses ?? {})).toContain(String(response.status));
    await response.body?.cancel();
  }
});

test('operations have names and responses, and references lead somewhere', async () => {
  const { url } = await serve();
  const description = await read(url);
  const operations = Object.values(description.paths).flatMap((item) => Object.values(item));
  const ids = operations.map(({ operationId }) => operationId);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids).not.toContain(undefined);
  for (const { summary, responses } of operations) {
    expect(summary).toBeTruthy();
    for (const response of Object.values(responses)) expect(response.description).toBeDefined();
  }
  const found = refs(description);
  expect(found.length).toBeGreaterThan(0);
  for (const ref of found) {
    const [, ...steps] = ref.split('/');
    const target = steps.reduce<unknown>(
      (node, step) => (node as Record<string, unknown> | undefined)?.[step],
      description,
    );
    expect([ref, target]).not.toEqual([ref, undefined]);
  }
});

test('the upload is multipart with a binary image, and both answers are described', async () => {
  const { url } = await serve();
  const tag = (await read(url)).paths['/re-tagger']?.post;
  expect(tag?.requestBody?.content['multipart/form-data']).toMatchObject({
    schema: { properties: { image: { type: 'string', format: 'binary' } }, required: ['image'] },
  });
  expect(Object.keys(tag?.responses['200']?.content ?? {})).toEqual([
    'application/json',
    'application/vnd.retagger.result+json',
  ]);
  expect(Object.keys(tag?.responses['422']?.content ?? {})).toEqual(['application/problem+json']);
});

test('an answer has one name wherever it is, and what is one of three words is an enum', async () => {
  const { url } = await serve();
  const { paths, components } = await read(url);
  const schemaOf = (path: string, method: string, status: string, type = 'application/json') =>
    paths[path]?.[method]?.responses[status]?.content?.[type];
  const $ref = (name: string) => ({ schema: { $ref: `#/components/schemas/${name}` } });
  const full = schemaOf('/re-tagger', 'post', '200', 'application/vnd.retagger.result+json');
  expect(full).toEqual($ref('Result'));
  expect(schemaOf('/results', 'get', '200')).toEqual($ref('Recent'));
  expect(schemaOf('/readyz', 'get', '200')).toEqual($ref('Readiness'));
  expect(schemaOf('/readyz', 'get', '503')).toEqual($ref('Readiness'));
  const items = { items: { $ref: '#/components/schemas/FeedItem' } };
  expect(components?.schemas?.Recent).toMatchObject({ properties: { items } });
  expect(JSON.stringify(components?.schemas?.FeedItem)).toContain('#/components/schemas/Failure');
  const source = { type: 'string', enum: ['folder', 'mqtt', 'http'] };
  expect(components?.schemas?.Result).toMatchObject({ properties: { source } });
  expect(components?.schemas?.Failure).toMatchObject({ properties: { source } });
});

test('the docs page is found below the path that a proxy puts it at', async () => {
  const { url } = await serve();
  const answer = await fetch(`${url}/docs?a=b`, { redirect: 'manual' });
  expect([answer.status, answer.headers.get('location')]).toEqual([302, 'docs/']);
});

test('the docs page loads nothing from elsewhere', async () => {
  const { url } = await serve();
  const html = await (await fetch(`${url}/docs/`)).text();
  const sources = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, source]) => source ?? '');
  expect(sources.length).toBeGreaterThan(3);
  for (const source of sources) {
    expect(source).toMatch(/^\.\/static\//);
    const found = await fetch(new URL(source, `${url}/docs/`));
    expect(found.status).toBe(200);
    await found.arrayBuffer();
  }
});
