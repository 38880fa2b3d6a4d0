import { setImmediate } from 'node:timers/promises';
import { Aedes } from 'aedes';
import { expect, onTestFinished, test } from 'vitest';
import { type Emitter, unnest } from '../../../../src/transport/mqtt/broker/unnested.ts';
import { eventually } from '../../../daemon/support.ts';

type Listener = (message: { n: number }, done: () => void) => void;
interface Messages extends Emitter {
  on(topic: string, listener: Listener): void;
  removeListener(topic: string, listener: Listener): void;
  emit(message: { topic: string; n: number }, done: () => void): void;
}

/** Of so many messages one is for another subscriber. */
const RARE = 5000;

test('a slow subscriber that goes while thousands wait for it: no overflow, and others get all in order', async () => {
  const aedes = await Aedes.createBroker();
  onTestFinished(() => new Promise((resolve) => aedes.close(resolve)));
  const { mq } = aedes as unknown as { mq: Messages };
  unnest(mq);
  const held: (() => void)[] = [];
  const slow: Listener = (_message, done) => void held.push(done);
  const heard: number[] = [];
  mq.on('slow', slow);
  mq.on('quick', ({ n }, done) => {
    heard.push(n);
    // As one who is written to, or at once.
    if (n % 2 === 0) done();
    else void setImmediate().then(done);
  });
  let ended = 0;
  const sent = 20_000;
  for (let n = 0; n < sent; n++) {
    mq.emit({ topic: n % RARE === 0 ? 'quick' : 'slow', n }, () => {
      ended += 1;
    });
  }
  mq.removeListener('slow', slow);
  await setImmediate();
  for (const done of held) done();
  await eventually(() => ended === sent);
  expect(heard).toEqual(Array.from({ length: sent / RARE }, (_, n) => n * RARE));
  await eventually(() => mq.current === 0);
});
