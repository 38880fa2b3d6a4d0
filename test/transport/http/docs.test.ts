import { readFile } from 'node:fs/promises';
import { Value } from 'typebox/value';
import { expect, test } from 'vitest';
import { ResultSchema } from '../../../src/result.ts';
import { parseExposition } from './exposition.ts';
import { form, post, serve } from './support.ts';

/** `docs/http.md`, and `docs/mqtt.md` of the result, say what the running program does. */

const read = async () => readFile('docs/http.md', 'utf8');
const cells = (text: string, pattern: RegExp) =>
  [...text.matchAll(pattern)].map((match) => match[1]);

test('every route', async () => {
  const { url } = await serve();
  const description = await (await fetch(`${url}/openapi.json`)).json();
  const { paths } = description as { paths: Record<string, object> };
  const text = await read();
  for (const [path, item] of Object.entries(paths)) {
    expect(text).toContain(`\`${Object.keys(item)[0]?.toUpperCase()} ${path}\``);
  }
});

test('every key of a result', async () => {
  const [, example = '{}'] =
    /## The result\n[^`]*`NAME[\s\S]*?```json\n([\s\S]*?)```/.exec(
      await readFile('docs/mqtt.md', 'utf8'),
    ) ?? [];
  // Those that are not always there are named below it.
  const { duplicate: _, replayed: __, ...always } = ResultSchema.properties;
  expect(Object.keys(JSON.parse(example))).toEqual(Object.keys(always));
  expect(Value.Check(ResultSchema, JSON.parse(example))).toBe(true);
});

test('every metric', async () => {
  const { url } = await serve();
  await post(url, form('image_corrupt'));
  const { names } = parseExposition(await (await fetch(`${url}/metrics`)).text());
  const ours = [...names].filter((name) => name.startsWith('retagger_'));
  const families = new Set(ours.map((name) => name.replace(/_(bucket|sum|count)$/, '')));
  // The worker of this test is none; the real one counts its restarts.
  families.add('retagger_worker_restarts_total');
  const documented = cells(await read(), /^\| `(retagger_\w+)` \|/gm);
  expect(documented.toSorted()).toEqual([...families].toSorted());
});
