import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { Box } from './box/box.ts';
import { debFile, laterDeb } from './box/deb.ts';
import { jpeg, temporaryDir } from './harness.ts';

/**
 * A package's whole life on a Debian without network. `RETAGGER_TRANSCRIPT=FILE` keeps what was
 * typed and shown in the first test, for docs/install.md.
 */
let file: string;
const typed: string[] = [];

beforeAll(async () => {
  file = await debFile();
  await Box.prepare();
}, 1_800_000);
afterAll(async () => {
  const { RETAGGER_TRANSCRIPT: to } = process.env;
  if (to) await writeFile(to, `${typed.join('\n')}\n`);
});

async function freshBox(): Promise<Box> {
  const box = await Box.start();
  onTestFinished(() => box.stop());
  return box;
}

const TAGGED = "find /var/lib/retagger/tagged -name '*.jpg' | wc -l";

test('install, tag, upgrade with photos in flight, go back, remove, purge', async () => {
  const PHOTOS = 300;
  const box = await freshBox();
  await box.give(file, 'retagger_0.1.0_amd64.deb');
  await box.give(await laterDeb(file, '0.1.1'), 'retagger_0.1.1_amd64.deb');
  await box.give('test/fixtures/rooms/kitchen.jpg');
  const photos = await temporaryDir();
  await mkdir(join(photos, 'photos'));
  for (let n = 0; n < PHOTOS; n++) {
    const path = join(photos, 'photos', `${n}.jpg`);
    await writeFile(path, await jpeg(n));
    await box.give(path, `photo-${n}.jpg`);
  }
  // A subscriber with a session of its own, at the broker beside the daemon.
  await box.sh('systemctl start mosquitto');
  const heard = '/tmp/heard';
  await box.sh(
    `mosquitto_sub -i counter -c -q 1 -t 'retagger/+/result' >${heard} 2>&1 & ` +
      "mosquitto_sub -t 'retagger/+/status' -q 1 >/tmp/states 2>&1 & sleep 0.5",
  );
  /** Typed by a person. */
  const type = async (command: string) => {
    const text = await box.sh(`cd /given\n${command}`);
    typed.push(`# ${command}`, ...(text ? text.split('\n') : []));
    return text;
  };

  await type('dpkg --install retagger_0.1.0_amd64.deb');
  expect(await type('systemctl is-active retagger')).toBe('active');
  const doctor = await type('runuser -u retagger -- retagger doctor');
  expect(doctor).toMatch(/ok {4}port .*running retagger/);
  expect(doctor).not.toMatch(/FAIL|WARN/);

  await type('install -o retagger -g retagger -m 0640 kitchen.jpg /var/lib/retagger/ingest/');
  await box.until(TAGGED, /^1$/m);
  const sidecar = await type(
    "find /var/lib/retagger/tagged -name 'kitchen.jpg.json' -exec cat {} +",
  );
  expect(JSON.parse(sidecar)).toMatchObject({ file: 'kitchen.jpg', source: 'folder' });
  const scores = await type('curl -sF image=@kitchen.jpg http://127.0.0.1:5000/re-tagger');
  expect(Object.keys(JSON.parse(scores))).toHaveLength(6);
  // What is tagged so far came by folder and HTTP.
  await box.until(`wc -l <${heard}`, /^2$/m);

  await type('install -o retagger -g retagger -m 0640 photo-*.jpg /var/lib/retagger/ingest/');
  await box.until(TAGGED, /^([5-9]|\d\d+)$/m);
  typed.push('# # tagged when the upgrade begins:');
  expect(Number(await type(TAGGED))).toBeLessThan(PHOTOS);
  await box.sh("echo 'log: { level: info }' >>/etc/retagger/config.yaml");
  await type('dpkg --install retagger_0.1.1_amd64.deb');
  expect(await type('retagger --version')).toBe('0.1.1');
  await type(TAGGED);
  typed.push('# # some time later:');
  await box.until(TAGGED, new RegExp(`^${PHOTOS + 1}$`, 'm'));
  await type(TAGGED);
  await box.until(`grep -o '"file":"photo[^"]*"' ${heard} | sort -u | wc -l`, /^300$/m);
  // At least once: a repeat has the id of the first.
  const ids = await box.sh(`grep photo- ${heard} | grep -o '"id":"[^"]*"' | sort -u | wc -l`);
  expect(Number(ids)).toBe(PHOTOS);
  expect(await box.sh('ls /var/lib/retagger/failed 2>/dev/null | wc -l')).toBe('0');
  expect(await box.sh('ls /var/lib/retagger/ingest | wc -l')).toBe('0');
  expect(await box.sh('tail -n 1 /tmp/states')).toContain('"version":"0.1.1"');
  expect(await box.sh('tail -n 1 /etc/retagger/config.yaml')).toBe('log: { level: info }');

  // Back to the version before. A service that was switched off stays so.
  await box.sh('systemctl disable --quiet retagger');
  await box.sh('dpkg --install /given/retagger_0.1.0_amd64.deb');
  expect(await box.sh('retagger --version')).toBe('0.1.0');
  await box.until('curl -s http://127.0.0.1:5000/readyz', /"model"/);
  expect((await box.try('systemctl is-enabled retagger')).text.trim()).toBe('disabled');

  await type('dpkg --remove retagger');
  expect((await box.try('systemctl is-active retagger')).text.trim()).toBe('inactive');
  expect(await box.sh('pgrep -u retagger -c || true')).toBe('0');
  expect(await box.sh('ls /usr/lib/retagger /usr/bin/retagger 2>/dev/null | wc -l')).toBe('0');
  expect(await type(TAGGED)).toBe(`${PHOTOS + 1}`);
  await type('dpkg --purge retagger');
  const left = await box.try(
    'ls -d /var/lib/retagger /etc/retagger /usr/lib/retagger; getent passwd retagger; getent group retagger',
  );
  expect(left.text.replaceAll(/^ls: .*\n/gm, '')).toBe('');
}, 1_200_000);

test('install.sh, and a box without a running systemd: started by hand as its user', async () => {
  const box = await freshBox();
  await box.give('deploy/install.sh');
  await box.give('test/fixtures/rooms/hall.jpg');
  expect((await box.try('sh /given/install.sh')).text).toMatch(/^no retagger_\*_\w+\.deb beside/);
  expect((await box.try('runuser -u nobody -- sh /given/install.sh')).code).toBe(2);
  await box.give(file);
  await box.sh('mv /run/systemd/system /run/systemd/away');
  expect(await box.sh('sh /given/install.sh')).toMatch(/ok {4}engine +onnxruntime: loads/);
  expect(
    await box.sh('readlink /etc/systemd/system/multi-user.target.wants/retagger.service'),
  ).toBe('/lib/systemd/system/retagger.service');
  await box.sh('cd /; runuser -u retagger -- retagger run >/tmp/log 2>&1 & echo $! >/tmp/pid');
  await box.until('curl -s http://127.0.0.1:5000/readyz', /"engine"/);
  const { text } = await box.try('curl -sF image=@/given/hall.jpg http://127.0.0.1:5000/re-tagger');
  expect(Object.keys(JSON.parse(text))).toHaveLength(6);
  await box.sh('pkill -TERM -u retagger -f "cli.js run"');
  await box.until('cat /tmp/log', /"msg":"stopped"/);

  // The configuration may hold a password, so another user tags without it.
  const other = await box.sh('cd /; runuser -u nobody -- retagger tag /given/hall.jpg');
  expect(other).toMatch(/without \/etc\/retagger\/config\.yaml[\s\S]*"file":"\/given\/hall.jpg"/);
  await box.sh('dpkg --purge retagger');
}, 900_000);
