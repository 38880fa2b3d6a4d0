import { expect, test } from 'vitest';
import { failed, messageOf } from '../../../src/daemon/pipeline/outcome.ts';
import { RetaggerError } from '../../../src/errors.ts';
import { build, configIn, eventually, temporaryDir } from '../support.ts';

test("a sender's address for the answer goes with the message, good or bad", async () => {
  const daemon = build(configIn(await temporaryDir()));
  await daemon.start();
  const reply = { topic: 'answers/1', correlation: 'AAEC' };
  const { outcome } = await daemon.pipeline.accept({
    ...{ id: 'id-1', source: 'mqtt', file: 'a.jpg', receivedAt: '2026-01-02T03:04:05.678Z' },
    ...{ reply, body: { bytes: Buffer.from('kitchen') } },
  });
  const ended = await outcome;
  expect(messageOf(ended)).toMatchObject({ kind: 'result', reply });
  expect(messageOf(failed(ended.photo, new RetaggerError('image_corrupt')))).toMatchObject({
    kind: 'error',
    reply,
  });
  await eventually(() => daemon.pipeline.length === 0);
  await daemon.crash();
});
