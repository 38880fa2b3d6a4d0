import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { eventually } from '../../daemon/support.ts';
import { mosquitto, withoutMqtt5 } from './mosquitto.ts';
import { connected, listener, openDoor } from './support.ts';

const PHOTOS = 150;

/** MQTT 5 and 3.1.1, stopped and killed. A killed Mosquitto forgets what it had not saved. */
test.each([
  [5, 'SIGTERM'],
  [4, 'SIGTERM'],
  [5, 'SIGKILL'],
] as const)(
  'a restarted broker (MQTT %i, %s): every photo is tagged, every result arrives',
  async (version, signal) => {
    // Saves after every message, so that SIGKILL loses little.
    const broker = await mosquitto([
      'allow_anonymous true',
      'autosave_interval 1',
      'autosave_on_changes true',
    ]);
    const url = version === 5 ? broker.url : await withoutMqtt5(broker.port);
    const box = await openDoor({ mqtt: { url } });
    await eventually(() => box.door.health().ok);
    const sub = await listener(broker.url, ['retagger/box/result'], {
      clientId: 'sub',
      clean: false,
      resubscribe: false,
    });
    const sender = await connected(broker.url, { clientId: 'sender', clean: false });
    const sent = Array.from({ length: PHOTOS }, async (_, n) => {
      await sleep(n * 10);
      const image = Buffer.from(`kitchen ${n}`).toString('base64');
      const message = JSON.stringify({ id: `photo-${n}`, image });
      // mqtt.js gives up what it is just about to send again when the connection is lost.
      const send = () => sender.publishAsync('retagger/box/ingest', message, { qos: 1 });
      await eventually(() =>
        send().then(
          () => true,
          () => false,
        ),
      );
    });
    for (let outage = 0; outage < 3; outage++) {
      await sleep(350);
      await broker.down(signal);
      await sleep(150);
      await broker.up();
    }
    await Promise.all(sent);
    const missing = () => {
      const ids = new Set(sub.seen.map(({ json }) => json.id));
      return Array.from({ length: PHOTOS }, (_, n) => `photo-${n}`).filter((id) => !ids.has(id));
    };
    if (signal === 'SIGTERM') await eventually(() => missing().length === 0);
    await eventually(() => box.pipeline.length === 0 && box.outbox.length === 0);
    // What the box took, it delivered; with SIGKILL the broker itself may lose either side.
    const tagged = new Set(box.tagger.seen);
    expect(box.outbox.length).toBe(0);
    expect(tagged.size).toBeLessThanOrEqual(PHOTOS);
    if (signal === 'SIGTERM') expect(tagged.size).toBe(PHOTOS);
    // The last outage may have ended a moment ago.
    await eventually(() => box.door.health().ok);
  },
);

test('a broker that stops answering without closing is given up', async () => {
  const broker = await mosquitto();
  const box = await openDoor({ mqtt: { url: broker.url } });
  await eventually(() => box.door.health().ok);
  const frozen = broker.freeze();
  await box.outbox.put({
    kind: 'error',
    payload: { id: 'x', source: 'mqtt', file: null, code: 'internal', message: 'x' },
  });
  // On a busy machine the unanswered message may be named before the silent connection is.
  await eventually(() => !box.door.health().ok && /timeout/i.test(box.door.health().detail ?? ''));
  frozen.thaw();
  await eventually(() => box.door.health().ok && box.outbox.length === 0);
}, 120_000);
