import { afterAll, beforeAll, expect, test } from 'vitest';
import { Box } from './box/box.ts';
import { debFile } from './box/deb.ts';

/** The examples for what stands beside the daemon, as the package brings them. */
let box: Box;
const EXAMPLES = '/usr/share/doc/retagger/examples';
const TOKEN = 'a-token-of-24-characters';

beforeAll(async () => {
  const file = await debFile();
  box = await Box.start();
  await box.sh(`dpkg --install ${await box.give(file)}`);
  await box.give('test/fixtures/rooms/hall.jpg');
}, 1_800_000);
afterAll(() => box.stop());

/** A certificate of its own authority. */
const certificate = (name: string, path: string) =>
  box.sh(
    `mkdir -p "$(dirname ${path})"; openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=${name} ` +
      `-addext subjectAltName=DNS:${name} -keyout ${path}.key -out ${path}.crt 2>/dev/null`,
  );
const configure = async (...lines: string[]) => {
  await box.sh(
    `printf '%s\\n' ${lines.map((line) => `'${line}'`).join(' ')} >>/etc/retagger/config.yaml`,
  );
  await box.sh('systemctl restart retagger');
};

test('nginx with TLS: the page, a photo, and what the daemon refuses', async () => {
  await box.sh(`cp ${EXAMPLES}/nginx/retagger.conf /etc/nginx/conf.d/`);
  await certificate('photos.example', '/etc/nginx/certs/photos.example');
  expect(await box.sh('nginx -t')).toContain('test is successful');
  await box.sh('systemctl start nginx');
  await configure(`http: { allowed_hosts: [photos.example], token: ${TOKEN} }`);
  const curl = (more: string) =>
    box.sh(
      'curl -s --cacert /etc/nginx/certs/photos.example.crt --resolve photos.example:443:127.0.0.1 ' +
        `-w '\\n%{http_code}' ${more}`,
    );
  const authorised = `-H 'Authorization: Bearer ${TOKEN}'`;
  const photo = '-F image=@/given/hall.jpg https://photos.example/re-tagger';
  expect(await curl(`${authorised} ${photo}`)).toMatch(/^\{"bedroom":.*\}\n200$/);
  expect(await curl(photo)).toMatch(/401$/);
  expect(await curl('https://photos.example/healthz')).toMatch(/200$/);
  // Larger than nginx's own default of 1 MB, or than the daemon's bound: it says what is wrong with it.
  for (const [bytes, code] of [
    [3_000_000, 'image_unsupported'],
    [70_000_000, 'image_too_large'],
  ]) {
    await box.sh(`head -c ${bytes} /dev/zero >/tmp/large.jpg`);
    const large = '-F image=@/tmp/large.jpg https://photos.example/re-tagger';
    expect(await curl(`${authorised} ${large}`)).toContain(code);
  }
});

test('Mosquitto with TLS, passwords and access rules', async () => {
  await box.sh(`cp ${EXAMPLES}/mosquitto/mosquitto.conf /etc/mosquitto/conf.d/retagger.conf`);
  await box.sh(`cp ${EXAMPLES}/mosquitto/retagger.acl /etc/mosquitto/`);
  await certificate('localhost', '/etc/mosquitto/certs/server');
  await box.sh(
    'cd /etc/mosquitto; touch retagger.passwd; for user in box other office; do ' +
      'mosquitto_passwd -b retagger.passwd $user secret-$user; done; ' +
      'chown mosquitto retagger.passwd retagger.acl certs/server.key; chmod 0600 retagger.passwd retagger.acl',
  );
  await box.sh('systemctl restart mosquitto');
  const tls = '-h localhost -p 8883 --cafile /etc/mosquitto/certs/server.crt';
  const as = (user: string) => `${tls} -u ${user} -P secret-${user}`;
  await box.sh('cp /etc/mosquitto/certs/server.crt /etc/retagger/broker.crt');
  await configure(
    'mqtt: { url: "mqtts://localhost:8883", username: box, password: secret-box, ca: /etc/retagger/broker.crt }',
  );
  expect(await box.sh('runuser -u retagger -- retagger doctor')).toMatch(
    /ok {4}broker +mqtts:\/\/localhost:8883 answers/,
  );
  expect((await box.try(`mosquitto_sub ${tls} -t '#' -W 3`)).text).toContain('not authorised');

  // Everyone listens to everything; the rules decide who hears.
  for (const user of ['other', 'office']) {
    await box.sh(`mosquitto_sub ${as(user)} -v -t 'retagger/#' >/tmp/heard-${user} 2>&1 &`);
  }
  await box.until('cat /tmp/heard-office', /retagger\/box\/status .*online/);
  await box.sh(`mosquitto_pub ${as('other')} -t retagger/box/ingest -f /given/hall.jpg -q 1`);
  await box.sh(`mosquitto_pub ${as('office')} -t retagger/fleet/ingest -f /given/hall.jpg -q 1`);
  await box.until('cat /tmp/heard-office', /retagger\/box\/result .*"source":"mqtt"/);
  // Time for what must not come: the photo of another box, and the result for it.
  await box.sh('sleep 1');
  expect(await box.sh('grep -c box/result /tmp/heard-office')).toBe('1');
  expect(await box.sh('cat /tmp/heard-other')).not.toContain('retagger/box');
});
