import { expect, test } from 'vitest';
import { eventually } from '../../daemon/support.ts';
import { form, post, serve } from './support.ts';

/** The named events of a stream, as they come. */
async function* events(url: string) {
  const response = await fetch(`${url}/events`);
  expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
  expect(response.headers.get('content-security-policy')).toMatch(/default-src 'none'/);
  let text = '';
  for await (const chunk of (response.body as ReadableStream<Uint8Array>).pipeThrough(
    new TextDecoderStream(),
  )) {
    text += chunk;
    for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
      const block = text.slice(0, end);
      text = text.slice(end + 2);
      yield {
        event: /^event: (.*)$/m.exec(block)?.[1] ?? null,
        data: JSON.parse(/^data: (.*)$/m.exec(block)?.[1] ?? 'null'),
        block,
      };
    }
  }
}

test('events come as they happen, from every source', async () => {
  const { url, parts } = await serve();
  const stream = events(url);
  await stream.next(); // retry
  await post(url, form('kitchen'));
  expect((await stream.next()).value).toMatchObject({
    event: 'result',
    data: { kind: 'result', result: { tag: 'kitchen', source: 'http' } },
  });
  await parts.pipeline.accept({
    id: 'm1',
    source: 'mqtt',
    file: null,
    receivedAt: new Date().toISOString(),
    body: { bytes: Buffer.from('image_corrupt') },
  });
  expect((await stream.next()).value).toMatchObject({
    event: 'failure',
    data: { kind: 'failure', failure: { id: 'm1', source: 'mqtt', code: 'image_corrupt' } },
  });
  await stream.return(undefined);
});

test('a quiet stream shows that it lives, and ends with the door', async () => {
  const { url, door } = await serve({}, { heartbeat: 10 });
  const stream = events(url);
  await stream.next();
  expect((await stream.next()).value).toMatchObject({ event: null, block: ': still here' });
  await door.stop();
  for await (const _ of stream);
});

test('listeners are bounded, and a place is free again when one leaves', async () => {
  const { url } = await serve();
  const open = Array.from({ length: 16 }, () => new AbortController());
  await Promise.all(open.map(({ signal }) => fetch(`${url}/events`, { signal })));
  const refused = await fetch(`${url}/events`);
  expect(refused.headers.has('retry-after')).toBe(true);
  expect(await refused.json()).toMatchObject({ status: 503, code: 'busy' });
  open[0]?.abort();
  await eventually(async () => {
    const late = new AbortController();
    const { status } = await fetch(`${url}/events`, { signal: late.signal });
    late.abort();
    return status === 200;
  });
  for (const { abort } of open.slice(1).map((c) => ({ abort: () => c.abort() }))) abort();
});

test('the last results, newest first, with counts', async () => {
  const { url } = await serve();
  const contents = ['kitchen', 'unsure', 'image_corrupt', ...Array(55).fill('hall')];
  for (const content of contents) await post(url, form(content));
  const recent = (await (await fetch(`${url}/results`)).json()) as { items: unknown[] };
  expect(recent).toMatchObject({
    node: 'box',
    model: 'text@1',
    engine: 'wasm',
    counts: { tags: { kitchen: 1, hall: 55 }, abstained: 1, failed: 1 },
  });
  expect(recent.items).toHaveLength(50);
  expect(recent.items[0]).toMatchObject({ kind: 'result', result: { tag: 'hall' } });
});
