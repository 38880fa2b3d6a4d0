import { expect, test } from 'vitest';
import { cameBy } from '../../../src/transport/mqtt/topics.ts';

test('a topic whose dots RabbitMQ has made slashes of is the same topic', () => {
  expect(cameBy('retagger/box.a/ingest', 'retagger/box.a/ingest')).toBe(true);
  expect(cameBy('retagger/box/a/ingest', 'retagger/box.a/ingest')).toBe(true);
  expect(cameBy('retagger/box/b/ingest', 'retagger/box.a/ingest')).toBe(false);
});
