import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { eventually, temporaryDir } from '../../daemon/support.ts';
import { mosquitto } from './mosquitto.ts';
import { connected, listener, openDoor } from './support.ts';

const failure = (id: string) => ({
  kind: 'error' as const,
  payload: { id, source: 'mqtt' as const, file: null, code: 'internal', message: 'x' },
});

test('a topic without the right to write: the others go on, and nothing is lost', async () => {
  const dir = await temporaryDir();
  const acl = join(dir, 'acl');
  const rights = ['topic readwrite #', 'topic deny retagger/box/error'];
  await writeFile(acl, `${rights.join('\n')}\n`);
  const broker = await mosquitto(['allow_anonymous true', `acl_file ${acl}`]);
  const box = await openDoor({ mqtt: { url: broker.url } });
  await eventually(() => box.door.health().ok);
  const sub = await listener(broker.url, ['retagger/box/result']);
  for (let n = 0; n < 50; n++) await box.outbox.put(failure(`${n}`));
  await eventually(() => box.door.health().detail.includes('refuses errors: '));
  expect(box.door.health()).toMatchObject({ ok: false, detail: /Not authorized/ });
  await sub.client.publishAsync('retagger/box/ingest', 'kitchen', { qos: 1 });
  await sub.first('/result');
  // Delivered before its acknowledgement is here; then the errors are left, all of them.
  await eventually(() => box.outbox.length === 50);

  await writeFile(acl, 'topic readwrite #\n');
  broker.reload();
  const errors = await listener(broker.url, ['retagger/box/error']);
  await eventually(() => box.outbox.length === 0 && box.door.health().ok);
  await errors.first('/error', 50);
});

test('a reply topic without the right to write does not hold up the result', async () => {
  const dir = await temporaryDir();
  const acl = join(dir, 'acl');
  await writeFile(acl, 'topic readwrite #\ntopic deny secret/answers\n');
  const broker = await mosquitto(['allow_anonymous true', `acl_file ${acl}`]);
  const box = await openDoor({ mqtt: { url: broker.url } });
  await eventually(() => box.door.health().ok);
  const sub = await listener(broker.url, ['retagger/box/result'], { protocolVersion: 5 });
  await sub.client.publishAsync('retagger/box/ingest', 'kitchen', {
    qos: 1,
    properties: { responseTopic: 'secret/answers' },
  });
  await sub.first('/result');
  await eventually(() => box.outbox.length === 0);
  expect(box.door.health().ok).toBe(true);
});

test.each(['retagger/box/ingest', 'retagger/box/status', 'a/+/b', '$SYS/x'])(
  'Response Topic %s is refused',
  async (responseTopic) => {
    const broker = await mosquitto();
    const box = await openDoor({ mqtt: { url: broker.url } });
    await eventually(() => box.door.health().ok);
    const sub = await listener(broker.url, ['retagger/box/error'], { protocolVersion: 5 });
    // Mosquitto itself hangs up at a Response Topic with wildcards.
    const sending = sub.client.publishAsync('retagger/box/ingest', 'kitchen', {
      qos: 1,
      properties: { responseTopic },
    });
    if (responseTopic.includes('+')) {
      sending.catch(() => {});
      return;
    }
    await sending;
    expect((await sub.first('/error'))[0]?.json).toMatchObject({ code: 'request_invalid' });
  },
);

test('TLS with client certificates', async () => {
  const dir = await temporaryDir();
  certificates(dir);
  const tls = [
    'allow_anonymous true',
    `cafile ${dir}/ca.pem`,
    `certfile ${dir}/server.pem`,
    `keyfile ${dir}/server.key`,
    'require_certificate true',
  ];
  const broker = await mosquitto(tls);
  const url = `mqtts://127.0.0.1:${broker.port}`;
  const ca = join(dir, 'ca.pem');
  const cert = join(dir, 'client.pem');
  const key = join(dir, 'client.key');

  const stranger = await openDoor({ mqtt: { url } });
  await eventually(() => /certificate/.test(stranger.door.health().detail));
  const unproven = await openDoor({ mqtt: { url, ca } });
  const detailOf = ({ door }: typeof unproven) => door.health().detail;
  await eventually(() => !detailOf(unproven).startsWith(`${url}: connecting`));
  // The broker's word, and nothing of OpenSSL's own addresses and source lines.
  expect(detailOf(unproven)).toMatch(/: TLS: [a-z0-9 ]*certificate required \(since [^\n]*$/);
  expect(unproven.door.health().ok).toBe(false);
  const typo = await openDoor({ mqtt: { url, ca: join(dir, 'gone.pem') } });
  await eventually(() => typo.door.health().detail.includes('mqtt.ca: ENOENT'));

  const box = await openDoor({ mqtt: { url, ca, cert, key } });
  await eventually(() => box.door.health().ok);
  const { readFile } = await import('node:fs/promises');
  const pem = { ca: await readFile(ca), cert: await readFile(cert), key: await readFile(key) };
  const client = await connected(url, pem);
  const answered = new Promise((resolve) => client.once('message', resolve));
  await client.subscribeAsync('retagger/box/result', { qos: 1 });
  await client.publishAsync('retagger/box/ingest', 'kitchen', { qos: 1 });
  await answered;
});

/** An authority, and certificates of it for 127.0.0.1 and for a client. */
function certificates(dir: string): void {
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' });
  const subject = (name: string) => ['-subj', `/CN=${name}`];
  const fresh = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl('req', '-x509', ...fresh, '-keyout', 'ca.key', '-out', 'ca.pem', ...subject('ca'));
  for (const name of ['server', 'client']) {
    openssl('req', ...fresh, '-keyout', `${name}.key`, '-out', `${name}.csr`, ...subject(name));
    execFileSync('sh', ['-c', `echo subjectAltName=IP:127.0.0.1 > ${name}.ext`], { cwd: dir });
    openssl(
      ...['x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key'],
      ...['-CAcreateserial', '-extfile', `${name}.ext`, '-out', `${name}.pem`],
    );
  }
}
