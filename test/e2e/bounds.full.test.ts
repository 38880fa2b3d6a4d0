import { execFileSync } from 'node:child_process';
import { chmod, chown, mkdir, readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { connectAsync } from 'mqtt';
import { expect, onTestFinished, test } from 'vitest';
import { eventually, home, jpeg } from './harness.ts';

const MiB = 2 ** 20;
/** MQTT's own bound on what follows a packet's fixed header. */
const LARGEST = 268_435_455;

/** Sends a PUBLISH of the largest size there is, in pieces, as fast as they are taken. */
function sendLargest(port: number, topic: string): Promise<void> {
  const hello = Buffer.from('101000044d5154540402003c00046c617267', 'hex');
  const head = Buffer.from([
    0x32,
    0xff,
    0xff,
    0xff,
    0x7f,
    0,
    topic.length,
    ...Buffer.from(topic),
    0,
    1,
  ]);
  const piece = Buffer.alloc(MiB, 0xff);
  return new Promise((resolve, reject) => {
    let left = LARGEST - (head.length - 5);
    const socket = connect(port, '127.0.0.1');
    const pump = () => {
      while (left > 0) {
        const size = Math.min(left, piece.length);
        left -= size;
        if (!socket.write(piece.subarray(0, size))) return;
      }
      // It is read to its end, not only until the socket's buffers hold the rest.
      socket.end(Buffer.from('e000', 'hex'));
    };
    socket
      .on('drain', pump)
      .on('error', reject)
      .on('close', () => resolve())
      .resume();
    socket.write(Buffer.concat([hello, head]));
    pump();
  });
}

test('256 MB in one MQTT message to the embedded broker: refused with its code, in little memory', async () => {
  const box = await home(['--limits-upload-bytes', String(8 * MiB)]);
  const program = box.run();
  await program.ready();
  const client = await connectAsync(box.broker);
  onTestFinished(() => client.endAsync(true));
  const codes: string[] = [];
  client.on('message', (_topic, payload) => codes.push(JSON.parse(payload.toString()).code));
  await client.subscribeAsync('retagger/box/error', { qos: 1 });
  /** The most it ever had, in bytes. */
  const peak = async () => {
    const status = await readFile(`/proc/${program.pid}/status`, 'utf8');
    return Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1]) * 1024;
  };
  const before = await peak();
  await sendLargest(Number(new URL(box.broker).port), 'retagger/box/ingest');
  await eventually(() => codes.length === 1);
  expect(codes).toEqual(['image_too_large']);
  expect((await peak()) - before).toBeLessThan(100 * MiB);
});

test('rights taken away and given back: said in /readyz, nothing lost, goes on by itself', async () => {
  const NOBODY = 65_534;
  const box = await home(['--ingest-rescan-s', '1']);
  await mkdir(box.ingest);
  for (const path of [box.dir, box.ingest]) await chown(path, NOBODY, NOBODY);
  // Root may write whatever the rights say.
  const user = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];
  execFileSync(user[0] as string, [...user.slice(1), 'test', '-w', box.dir]);
  const program = box.run(user);
  await program.ready();
  const checks = async () => {
    const answer = await fetch(`${box.url}/readyz`);
    return (await answer.json()) as { checks: Record<string, { ok: boolean; detail: string }> };
  };
  const post = async () => {
    const form = new FormData();
    form.set('image', new Blob([new Uint8Array(await jpeg(7))]), 'a.jpg');
    return (await fetch(`${box.url}/re-tagger`, { method: 'POST', body: form })).status;
  };
  const state = (check: string, ok: boolean) =>
    eventually(async () => (await checks()).checks[check]?.ok === ok);

  // Files can be read in it but not moved out.
  await chmod(box.ingest, 0o555);
  await state('folder', false);
  expect((await checks()).checks.folder?.detail).toContain('EACCES');
  await chmod(box.ingest, 0o755);
  await state('folder', true);

  for (const own of ['spool', 'outbox']) {
    await chmod(join(box.dir, own), 0o555);
    await box.drop(`${own}.jpg`, await jpeg(own.length));
    await eventually(async () => (await post()) === 503);
    await state('disk', false);
    expect((await checks()).checks.disk?.detail).toContain('EACCES');
    await chmod(join(box.dir, own), 0o755);
    await state('disk', true);
    const photo = new RegExp(`/${own}\\.jpg$`);
    await eventually(async () => (await box.tree('tagged')).some((name) => photo.test(name)));
  }
  // A photo has its place in `tagged` a moment before it leaves the spool.
  await eventually(async () => (await box.tree('spool')).length === 0);
  expect(program.ended).toBe(false);
});
