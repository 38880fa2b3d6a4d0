import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { queryObjects } from 'node:v8';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { connectOptions } from '../../../../src/transport/mqtt/client/connect-options.ts';
import {
  Connection,
  type ConnectionParts,
} from '../../../../src/transport/mqtt/client/connection.ts';
import { openSession } from '../../../../src/transport/mqtt/client/session.ts';
import { configIn, eventually, silent, temporaryDir } from '../../../daemon/support.ts';

const PUBACK = 0x40;
const CONNACK = [0x20, 3, 0, 0, 0];

/** A PUBLISH of MQTT 5 with QoS 1 to "a". */
function publish(id: number, payload = Buffer.from('x')): Buffer {
  const body = Buffer.concat([Buffer.from([0, 1, 0x61, 0, id, 0]), payload]);
  const length = [0, 1, 2, 3].map((n) => (Math.floor(body.length / 128 ** n) & 0x7f) | 0x80);
  length[3] = (length[3] as number) & 0x7f;
  return Buffer.concat([Buffer.from([0x32, ...length]), body]);
}

/** @returns address of a server that does this with each connection. */
async function listening(onConnection: (socket: Socket) => void): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    onTestFinished(() => void socket.destroy());
    onConnection(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A broker that answers each CONNECT with these bytes and tells what else comes, by its first byte. */
const brokerThat = (answer: (socket: Socket) => void, heard: (type: number) => void = () => {}) =>
  listening((socket) => {
    socket.once('data', () => {
      socket.on('data', ([type = 0]) => heard(type));
      answer(socket);
    });
  });

/** Byte of CONNECT that says 5, or 4 for 3.1.1. */
const VERSION_AT = 2 + 2 + 4;

async function connectionTo(url: () => string, more: Partial<ConnectionParts> = {}) {
  const connection = new Connection({
    ...{ config: configIn(await temporaryDir()), log: silent, role: 'in' as const },
    ...{ url, onUp: async () => {}, ...more },
  });
  onTestFinished(() => connection.stop());
  connection.start();
  return connection;
}

/** A log that keeps its warnings. */
function warningsOf() {
  const warnings: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => void warnings.push(line) });
  return { log, warnings };
}

test('a message that comes in crumbs is whole, and takes little more memory than it holds', async () => {
  const packet = publish(1, Buffer.alloc(12_000, 'x'));
  let sent = false;
  let finish = () => {};
  const send = async (socket: Socket) => {
    socket.setNoDelay(true).write(Buffer.from(CONNACK));
    await sleep(50);
    for (let at = 0; at < packet.length - 1; at += 2) {
      socket.write(packet.subarray(at, Math.min(at + 2, packet.length - 1)));
      await setImmediate();
    }
    finish = () => void socket.write(packet.subarray(-1));
    sent = true;
  };
  const url = await brokerThat((socket) => void send(socket));
  const taken: (Buffer | string)[] = [];
  const onMessage = async (message: { payload: Buffer | string }) =>
    void taken.push(message.payload);
  await connectionTo(() => url, { onMessage });
  const before = queryObjects(Buffer, { format: 'count' });
  await eventually(() => sent);
  await sleep(20);
  expect(queryObjects(Buffer, { format: 'count' }) - before).toBeLessThan(200);
  finish();
  await eventually(() => taken.length === 1);
  expect(String(taken[0])).toBe('x'.repeat(12_000));
});

test('where nothing can be connected to at all, it tries again and stops', async () => {
  let tries = 0;
  const connection = await connectionTo(() => {
    tries += 1;
    return 'mqtt://127.0.0.1:99999';
  });
  await eventually(() => {
    connection.hurry();
    return tries >= 3;
  });
  // An error in a listener of the signal would end the process.
  await connection.stop();
});

test('of a certificate that is none the names are said', async () => {
  const file = join(await temporaryDir(), 'bad.pem');
  await writeFile(file, 'no certificate');
  const { mqtt, ...config } = configIn(await temporaryDir());
  const given = { ...config, mqtt: { ...mqtt, cert: file, key: file } };
  await expect(connectOptions(given, 'in', 5)).rejects.toThrow(
    /mqtt\.ca, mqtt\.cert or mqtt\.key: /,
  );
});

test('in a hurry, it does not wait for the next try', async () => {
  let tries = 0;
  const url = await listening((socket) => {
    tries += 1;
    socket.destroy();
  });
  const connection = await connectionTo(() => url);
  // By itself it would try ten times in more than a minute.
  await eventually(() => {
    connection.hurry();
    return tries >= 10;
  });
});

test('nor does it hurry back to a broker that has hung up', async () => {
  let connections = 0;
  const url = await brokerThat((socket) => {
    connections += 1;
    hangsUpSoon(socket);
  });
  const connection = await connectionTo(() => url);
  const hurrying = setInterval(() => connection.hurry(), 5);
  onTestFinished(() => clearInterval(hurrying));
  await eventually(() => connections > 0);
  await sleep(500);
  expect(connections).toBeLessThan(5);
});

test('a broker that only comes up later is spoken to in MQTT 5 all the same', async () => {
  let connections = 0;
  const versions: number[] = [];
  const url = await listening((socket) => {
    // What is in front of it (a proxy, a load balancer) takes connections and lets go of them.
    if (++connections <= 1) return void socket.destroy();
    socket.once('data', (connect) => {
      const version = connect[VERSION_AT] as number;
      versions.push(version);
      socket.write(Buffer.from(version === 5 ? CONNACK : [0x20, 2, 0, 0]));
    });
  });
  const connection = await connectionTo(() => url);
  await eventually(() => connection.state.up);
  expect(versions).toEqual([4, 5]);
  expect(connection.state.version).toBe(5);
});

test('a broker that hangs up at MQTT 5 is spoken to in 3.1.1', async () => {
  const versions: number[] = [];
  const url = await listening((socket) => {
    socket.once('data', (connect) => {
      const version = connect[VERSION_AT] as number;
      versions.push(version);
      if (version === 5) socket.destroy();
      // With a message that waits: it is sent again on each connection until it is acknowledged.
      else socket.write(Buffer.from([0x20, 2, 0, 0, 0x32, 6, 0, 1, 0x61, 0, 1, 0x78]));
    });
  });
  let taken = 0;
  const { log, warnings } = warningsOf();
  const connection = await connectionTo(() => url, {
    onMessage: async () => void taken++,
    log,
  });
  await eventually(() => connection.state.up && taken > 0);
  expect(versions).toEqual([5, 4, 5, 4]);
  expect(connection.state.version).toBe(4);
  expect(taken).toBe(1);
  // Nothing is wrong with it.
  expect(warnings).toEqual([]);
});

test('what hangs up at both versions is warned of once', async () => {
  let tries = 0;
  const url = await listening((socket) => {
    tries += 1;
    socket.once('data', () => socket.destroy());
  });
  const { log, warnings } = warningsOf();
  const connection = await connectionTo(() => url, { log });
  await eventually(() => {
    connection.hurry();
    return tries >= 6;
  });
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toContain('does not answer as an MQTT broker');
});

function hangsUpSoon(socket: Socket): void {
  socket.write(Buffer.from(CONNACK));
  setTimeout(() => socket.destroy(), 20);
}

test('a broker that closes one connection after the other: node.id may be the reason', async () => {
  let url = await brokerThat(hangsUpSoon);
  const reasons = new Set<string>();
  const connection = await connectionTo(() => url);
  await eventually(() => {
    connection.hurry();
    const { reason } = connection.state;
    if (reason !== null) reasons.add(reason);
    return reason?.includes('node.id') === true;
  });
  expect([...reasons][0]).not.toContain('node.id');
  // Nobody listens there.
  url = 'mqtt://127.0.0.1:1';
  await eventually(() => connection.state.reason === 'connect ECONNREFUSED 127.0.0.1:1');
});

/** A string property of MQTT 5, with the length of all properties before it. */
function property(name: number, text: string): number[] {
  return [text.length + 3, name, 0, text.length, ...Buffer.from(text)];
}
const [REASON_STRING, SERVER_REFERENCE] = [0x1f, 0x1c];

test.each([
  [
    'goodbye',
    [...CONNACK, 0xe0, 17, 0x87, ...property(REASON_STRING, 'policy\x1b[2Jno')],
    'the broker ended the connection: Not authorized (policy [2Jno)',
  ],
  [
    'refusal',
    [0x20, 16, 0, 0x9d, ...property(SERVER_REFERENCE, 'there:1883')],
    'Connection refused: Server moved (there:1883)',
  ],
])('what the broker says of its %s is the reason', async (_what, answer, reason) => {
  const url = await brokerThat((socket) => socket.write(Buffer.from(answer)));
  const connection = await connectionTo(() => url);
  await eventually(() => connection.state.reason !== null);
  expect(connection.state.reason).toBe(reason);
});

test('an address that does not answer is not called something else than a broker', async () => {
  // Its queue of connections is full, and the kernel says nothing to more.
  const code = `
    const server = require('node:net').createServer();
    server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
      require('node:fs').writeSync(1, String(server.address().port));
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });`;
  const deaf = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void deaf.kill('SIGKILL'));
  const [port] = await once(deaf.stdout, 'data');
  for (let n = 0; n < 4; n++) {
    const socket = connect(Number(port), '127.0.0.1').on('error', () => {});
    onTestFinished(() => void socket.destroy());
  }
  await sleep(100);
  const options = await connectOptions(configIn(await temporaryDir()), 'in', 5);
  const session = openSession({
    ...{ url: `mqtt://127.0.0.1:${port}`, maxPacket: 1000, onMessage: async () => {} },
    ...{ options: { ...options, connectTimeout: 300 }, stop: new AbortController().signal },
  });
  await expect(session).rejects.toMatchObject({
    message: expect.stringMatching(/^nothing answers/),
    silent: false,
  });
});

test('a message that was not taken is not acknowledged, and comes again', async () => {
  const happened: string[] = [];
  const url = await brokerThat(
    (socket) => socket.write(Buffer.concat([Buffer.from(CONNACK), publish(1)])),
    (type) => void (type === PUBACK && happened.push('acknowledged')),
  );
  const onMessage = async () => {
    happened.push('came');
    if (happened.length === 1) throw new Error('a fault of ours');
  };
  await connectionTo(() => url, { onMessage });
  await eventually(() => happened.includes('acknowledged'));
  expect(happened).toEqual(['came', 'came', 'acknowledged']);
});

test('a connection that is lost before all is subscribed to is made anew', async () => {
  let connections = 0;
  const url = await brokerThat((socket) => {
    socket.write(Buffer.from(CONNACK));
    if (++connections === 1) setTimeout(() => socket.destroy(), 50);
  });
  // The first waits for an answer that never comes.
  const onUp = () => (connections === 1 ? new Promise<void>(() => {}) : Promise.resolve());
  const connection = await connectionTo(() => url, { onUp });
  await eventually(() => connection.state.up);
  expect(connections).toBe(2);
});

test('each connection that is lost is told, though none was up', async () => {
  const url = await brokerThat(hangsUpSoon);
  let [began, lost] = [0, 0];
  const connection = await connectionTo(() => url, {
    // Photos may come, and be acknowledged, while this waits.
    onUp: () => {
      began += 1;
      return new Promise<void>(() => {});
    },
    onDown: () => {
      lost += 1;
    },
  });
  await eventually(() => {
    connection.hurry();
    return began >= 3;
  });
  expect(lost).toBeGreaterThanOrEqual(2);
});

test('while a message waits, pings are as frequent as the broker wants them', async () => {
  const [SERVER_KEEP_ALIVE, SECONDS] = [0x13, 1];
  let connections = 0;
  const url = await brokerThat((socket) => {
    connections += 1;
    const connack = Buffer.from([0x20, 6, 0, 0, 3, SERVER_KEEP_ALIVE, 0, SECONDS]);
    socket.write(Buffer.concat([connack, publish(1)]));
  });
  await connectionTo(() => url, { onMessage: () => new Promise(() => {}) });
  await eventually(() => connections > 0);
  await sleep(2000);
  expect(connections).toBe(1);
});

test('a broker that hangs up soon is not asked again without a pause, whatever it says', async () => {
  const RETAIN_NOT_SUPPORTED = 154;
  let connections = 0;
  const url = await brokerThat((socket) => {
    connections += 1;
    socket.write(Buffer.from(CONNACK));
    setTimeout(() => socket.end(Buffer.from([0xe0, 2, RETAIN_NOT_SUPPORTED, 0])), 5);
  });
  await connectionTo(() => url, { onUp: () => new Promise<void>(() => {}) });
  await eventually(() => connections > 0);
  await sleep(500);
  expect(connections).toBeLessThan(6);
});

test.each([
  ['later', 50],
  ['with the CONNACK', 0],
])('a connection on which something cannot be parsed is made anew: %s', async (_when, ms) => {
  let connections = 0;
  const url = await brokerThat((socket) => {
    // A PUBACK for a reason that there is not.
    const wrong = ++connections === 1 ? [0x40, 3, 0, 1, 5] : [];
    socket.write(Buffer.from(ms === 0 ? [...CONNACK, ...wrong] : CONNACK));
    if (ms > 0) setTimeout(() => socket.write(Buffer.from(wrong)), ms);
  });
  const began = performance.now();
  const connection = await connectionTo(() => url);
  await eventually(() => connections === 2 && connection.state.up);
  // Not only when the keepalive is over.
  expect(performance.now() - began).toBeLessThan(10_000);
});

test('a message leaves no timer behind', async () => {
  let acknowledged = 0;
  const url = await brokerThat(
    (socket) => {
      const messages = Array.from({ length: 100 }, (_, n) => publish(n + 1));
      socket.write(Buffer.concat([Buffer.from(CONNACK), ...messages]));
    },
    (type) => void (type === PUBACK && acknowledged++),
  );
  let taken = 0;
  await connectionTo(() => url, { onMessage: async () => void taken++ });
  await eventually(() => taken === 100 && acknowledged > 0);
  const timers = process.getActiveResourcesInfo().filter((name) => name === 'Timeout');
  expect(timers.length).toBeLessThan(50);
});

test('what is far too large is cut before it is in memory', async () => {
  const url = await brokerThat((socket) =>
    socket.write(Buffer.concat([Buffer.from(CONNACK), publish(1, Buffer.alloc(5e6))])),
  );
  const config = configIn(await temporaryDir(), { limits: { upload_bytes: 1024 } });
  let length = 0;
  const onMessage: ConnectionParts['onMessage'] = async ({ payload }) => {
    length = payload.length;
  };
  await connectionTo(() => url, { config, onMessage });
  await eventually(() => length > 0);
  expect(length).toBeGreaterThan(1024);
  expect(length).toBeLessThan(1e6);
});
