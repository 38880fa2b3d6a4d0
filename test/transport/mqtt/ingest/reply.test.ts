import { expect, test } from 'vitest';
import { readReply } from '../../../../src/transport/mqtt/ingest/reply.ts';

const OWN = ['retagger/box/ingest'];

test.each([
  ['none', ''],
  ['a wildcard', 'answers/+'],
  ['the broker’s', '$SYS/answers'],
  ['a shared subscription', '$share/group/answers'],
  // Our answer would come in as the next photo.
  ['one of our own', 'retagger/box/ingest'],
  ['too long', 'ü'.repeat(600)],
  ['too deep', '/'.repeat(300)],
])('no answer goes to a topic that is %s', (_what, responseTopic) => {
  expect(() => readReply({ responseTopic }, OWN)).toThrow(/The Response Topic/);
});

test('of what goes back with an answer no more is kept than some bytes', () => {
  const reply = (bytes: number) => ({
    responseTopic: 'answers',
    correlationData: Buffer.alloc(bytes),
  });
  expect(readReply(reply(8192), OWN)).toMatchObject({ topic: 'answers' });
  expect(() => readReply(reply(8193), OWN)).toThrow(/The Correlation Data/);
});
