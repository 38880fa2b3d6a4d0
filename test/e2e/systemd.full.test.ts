import { afterAll, beforeAll, expect, test } from 'vitest';
import { Box } from './box/box.ts';
import { debFile } from './box/deb.ts';

/** The unit file under a real systemd, with the program from its package. */
let box: Box;
const UNIT = '/lib/systemd/system/retagger.service';
const EXAMPLES = '/usr/share/doc/retagger/examples/systemd';
const DROP_INS = '/etc/systemd/system/retagger.service.d';
const SHOW = 'systemctl show retagger --value --property=';
/** For pgrep, which must not find the shell that it is called from. */
const WORKER = '[i]nference/worker.js';
const TAGGED = "find /var/lib/retagger/tagged -name '*.jpg' 2>/dev/null | wc -l";

beforeAll(async () => {
  const file = await debFile();
  box = await Box.start();
  await box.sh(`dpkg --install ${await box.give(file)}`);
  await box.give('test/fixtures/rooms/hall.jpg');
}, 1_800_000);
afterAll(() => box.stop());

const show = async (property: string) => (await box.sh(`${SHOW}${property}`)).trim();
const drop = (name: string) =>
  box.sh(
    `install -o retagger -g retagger -m 0640 /given/hall.jpg /var/lib/retagger/ingest/${name}`,
  );
const tagged = async () => Number(await box.sh(TAGGED));
const is = (count: number) => new RegExp(`^${count}$`, 'm');
/** Writes a drop-in, and lets systemd and the service have it. */
const override = (name: string, ...lines: string[]) =>
  box.sh(
    `mkdir -p ${DROP_INS}; printf '%s\\n' ${lines.map((line) => `'${line}'`).join(' ')} ` +
      `>${DROP_INS}/${name}.conf; systemctl daemon-reload; systemctl restart retagger`,
  );

test('the unit and the examples are valid; the exposure is at most 3.0', async () => {
  await box.sh(`mkdir -p ${DROP_INS} /srv/photos; cp ${EXAMPLES}/ingest-folder.conf ${DROP_INS}/`);
  expect(await box.sh(`systemd-analyze verify ${UNIT}`)).toBe('');
  await box.sh(`rm ${DROP_INS}/ingest-folder.conf; systemctl daemon-reload`);
  const said = await box.sh(`systemd-analyze security --no-pager --offline=yes ${UNIT}`);
  const score = Number(/exposure level for retagger.service: ([\d.]+)/.exec(said)?.[1]);
  expect(score).toBeLessThanOrEqual(3);
});

test('READY, STATUS and the limits arrive; nobody else may speak for the service', async () => {
  expect(await show('ActiveState')).toBe('active');
  expect(await show('StatusText')).toBe('0 photos waiting, 0 results for the broker');
  const group = await box.sh(
    'cat /sys/fs/cgroup/system.slice/retagger.service/memory.max 2>/dev/null || ' +
      'cat /sys/fs/cgroup/memory/system.slice/retagger.service/memory.limit_in_bytes',
  );
  expect(Number(group)).toBe(2 ** 30);
  const environment = await box.sh(`tr '\\0' '\\n' </proc/$(pgrep -f ${WORKER})/environ`);
  expect(environment).toContain('MALLOC_ARENA_MAX=2');
  expect(environment).not.toMatch(/NOTIFY_SOCKET|WATCHDOG_|RETAGGER_/);
  // `doctor --startup` has ended, and left there what it had compiled.
  expect(Number(await box.sh('find /var/cache/retagger -type f | wc -l'))).toBeGreaterThan(10);
});

test('STOPPING arrives, and the daemon ends well and in time', async () => {
  await box.sh('systemctl stop retagger');
  expect([await show('Result'), await show('ExecMainStatus')]).toEqual(['success', '0']);
  expect(await show('StatusText')).toBe('stopping');
  await box.sh('systemctl start retagger');
});

test('a wrong key: the journal names it; once it is right the service comes up by itself', async () => {
  const file = '/etc/retagger/config.yaml';
  await box.sh(`cp -p ${file} /tmp/config; echo 'limits: { queu: 3 }' >>${file}`);
  expect((await box.try('systemctl restart retagger')).code).not.toBe(0);
  expect(await box.sh('journalctl -u retagger -o cat -n 20')).toContain('limits.queu');
  await box.sh(`cp -p /tmp/config ${file}`);
  await box.until('systemctl is-active retagger', /^active$/m);
});

test('a folder elsewhere, by the example: photos of another user are tagged', async () => {
  await box.sh('chgrp retagger /srv/photos && chmod 2770 /srv/photos');
  await box.sh(`cp ${EXAMPLES}/ingest-folder.conf ${DROP_INS}/ && systemctl daemon-reload`);
  await box.sh('systemctl restart retagger');
  const before = await tagged();
  await box.sh('install -m 0640 /given/hall.jpg /srv/photos/elsewhere.jpg');
  await box.until(TAGGED, is(before + 1));
  expect(await box.sh('ls /srv/photos')).toBe('');
  await box.sh(`rm ${DROP_INS}/ingest-folder.conf; systemctl daemon-reload`);
  await box.sh('systemctl restart retagger');
});

test('the watchdog is fed while photos are tagged; a daemon that hangs is replaced', async () => {
  await override('watchdog', '[Service]', 'WatchdogSec=3');
  const first = await show('WatchdogTimestampMonotonic');
  await drop('fed.jpg');
  await box.until(`${SHOW}WatchdogTimestampMonotonic`, {
    test: (text: string) => Number(text) > Number(first) + 3_000_000,
  });
  const [main, restarts] = [await show('MainPID'), Number(await show('NRestarts'))];
  const before = await tagged();
  await drop('hung.jpg');
  await box.sh(`kill -STOP ${main}`);
  await box.until(`${SHOW}NRestarts`, is(restarts + 1));
  await box.until(TAGGED, is(before + 1));
  expect(await box.sh('journalctl -u retagger -o cat')).toContain('Watchdog timeout (limit 3s)!');
});

test('it is not fed by a timer: no worker gets anything done, and the daemon is replaced', async () => {
  // 3 tries of 1 s, and 40 s for each restart between them: 123 s without progress.
  await override(
    'watchdog',
    '[Service]',
    'WatchdogSec=3',
    'Environment=RETAGGER_LIMITS_PHOTO_SECONDS=1',
  );
  await box.until('curl -s http://127.0.0.1:5000/readyz', /"model"/);
  const restarts = Number(await show('NRestarts'));
  const before = await tagged();
  // Workers that come to nothing while the daemon itself turns: each is stopped as it starts.
  await box.sh(
    `touch /tmp/freeze; (while [ -e /tmp/freeze ]; do pkill -STOP -f ${WORKER}; sleep 0.05; done) >/dev/null 2>&1 &`,
  );
  await drop('frozen.jpg');
  const began = performance.now();
  await box.until('curl -s http://127.0.0.1:5000/healthz -o /dev/null -w "%{http_code}"', /^200/);
  await box.until(`${SHOW}NRestarts`, is(restarts + 1), 240);
  expect((performance.now() - began) / 1000).toBeGreaterThan(100);
  await box.sh(`rm /tmp/freeze; sleep 0.2; pkill -KILL -f ${WORKER} || true`);
  await box.until(TAGGED, is(before + 1), 120);
  await box.sh(`rm ${DROP_INS}/watchdog.conf; systemctl daemon-reload; systemctl restart retagger`);
}, 400_000);

test('a worker that is killed, as the kernel does it when memory is short, costs the service nothing', async () => {
  const [main, worker] = [await show('MainPID'), await box.sh(`pgrep -f ${WORKER}`)];
  expect(await show('OOMPolicy')).toBe('continue');
  expect(await box.sh(`cat /proc/${worker}/oom_score_adj`)).toBe('500');
  await box.sh(`kill -KILL ${worker}`);
  const before = await tagged();
  await drop('after.jpg');
  await box.until(TAGGED, is(before + 1));
  expect(await show('MainPID')).toBe(main);
});
