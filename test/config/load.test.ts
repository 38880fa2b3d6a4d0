import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { ConfigError } from '../../src/config/config-error.ts';
import { CONFIG_KEYS } from '../../src/config/keys.ts';
import { type ConfigSources, loadConfig } from '../../src/config/load.ts';
import { isLoopback } from '../../src/config/loopback.ts';
import { configurationReference } from '../../src/config/reference.ts';
import { BUNDLED_MODEL_DIR } from '../../src/inference/bundle.ts';

const dir = mkdtempSync(join(tmpdir(), 'retagger-config-'));
afterAll(() => rmSync(dir, { recursive: true }));

function yaml(text: string | Buffer): string {
  const file = join(dir, `${Math.random()}.yaml`);
  writeFileSync(file, text);
  return file;
}

/** Nothing of this machine's environment. */
const load = (sources: ConfigSources) => loadConfig({ env: {}, cwd: '/box', ...sources });

describe('order of sources', () => {
  const file = yaml('http:\n  port: 3\nlimits:\n  queue: 3\nengine: wasm\n');

  test('defaults', () => {
    const config = load({ env: { RETAGGER_NODE_ID: 'kiosk-7' } });
    expect(config.http).toMatchObject({ host: '127.0.0.1', port: 5000 });
    expect(config.data.dir).toBe('/box/data');
    expect(config.ingest.dir).toBe('/box/data/ingest');
    expect(config.mqtt.base).toBe('retagger/kiosk-7');
    expect(config.model.dir).toBe(BUNDLED_MODEL_DIR);
    expect(config.engine).toBe('auto');
  });

  test('flags before environment before file', () => {
    const env = { RETAGGER_HTTP_PORT: '2', RETAGGER_LIMITS_QUEUE: '2' };
    const config = load({ file, env, flags: { 'http-port': '1' } });
    expect(config.http.port).toBe(1);
    expect(config.limits.queue).toBe(2);
    expect(config.engine).toBe('wasm');
  });

  test('what is given in place of a default, with relative paths from where one is', () => {
    const names = ['ca', 'cert', 'key'];
    const files = Object.fromEntries(names.map((name) => [`mqtt-${name}`, `${name}.pem`]));
    const config = load({ flags: { ...files, 'mqtt-base': 'a/b', 'model-dir': 'm' } });
    expect(config.mqtt).toMatchObject({ base: 'a/b', ca: '/box/ca.pem' });
    expect(config.mqtt).toMatchObject({ cert: '/box/cert.pem', key: '/box/key.pem' });
    expect(config.model.dir).toBe('/box/m');
    expect(load({ flags: { 'data-dir': '~backup' } }).data.dir).toBe('/box/~backup');
  });

  test('an empty variable is not set', () => {
    expect(load({ env: { RETAGGER_HTTP_PORT: '' } }).http.port).toBe(5000);
  });

  test('a key or a section with nothing in it is not set', () => {
    const empty = yaml('http:\n  port:\nmqtt:\n');
    expect(load({ file: empty })).toMatchObject({ http: { port: 5000 }, mqtt: { enabled: true } });
  });

  test('defaults are not shared between two loads', () => {
    load({}).http.allowed_hosts.push('other');
    expect(load({}).http.allowed_hosts).toEqual([]);
  });
});

describe('what is wrong is named', () => {
  const cases: [string, ConfigSources, RegExp][] = [
    [
      'a value out of range',
      { flags: { 'http-port': '70000' } },
      /--http-port: 70000 .* 0 to 65535/,
    ],
    ['nothing by a flag', { flags: { 'data-dir': '' } }, /data.dir is text that is not empty$/],
    ['no number', { env: { RETAGGER_HTTP_PORT: 'x' } }, /RETAGGER_HTTP_PORT: "x" .*whole number/],
    [
      'no choice',
      { flags: { engine: 'gpu' } },
      /one of auto, onnxruntime, openvino, tfjs-node, wasm/,
    ],
    ['no boolean', { flags: { 'mqtt-enabled': 'yes' } }, /true or false/],
    ['an unknown variable', { env: { RETAGGER_HTP_PORT: '1' } }, /mean "RETAGGER_HTTP_PORT"/],
    ['an unknown key', { file: yaml('http:\n  prot: 1\n') }, /"http.prot".*mean "http.port"/],
    ['a value in place of keys', { file: yaml('http: 5000\n') }, /"http" must hold keys/],
    ['a list for a document', { file: yaml('- 1\n') }, /must hold keys/],
    [
      'a number for text in YAML',
      { file: yaml('mqtt:\n  username: 12\n') },
      /mqtt.username in .*: 12 is not allowed; mqtt.username is text; put it in quotes$/,
    ],
    ['a boolean for text in YAML', { file: yaml('node: {id: true}\n') }, /; put it in quotes$/],
    ['a list for text in YAML', { file: yaml('node: {id: [a]}\n') }, /\{1,64\}\$$/],
    ['text for a number in YAML', { file: yaml('http:\n  port: "1"\n') }, /http.port in .*"1"/],
    ['broken YAML', { file: yaml('a: [') }, /cannot read the configuration file/],
    ...[
      '"s3cret',
      's3cret: x',
      '{s3cret',
      '!s3cret',
      '!s3cret x',
      '&s3cret',
      '*s3cret',
      '|s3cret',
      "'x's3cret",
      '@s3cret',
      '"\\Us3cret"',
      'a\n  password: s3cret',
    ].map((value): [string, ConfigSources, RegExp] => [
      `a password that is no value in YAML, and is not repeated: ${value}`,
      { file: yaml(`mqtt:\n  password: ${value}\n`) },
      /yaml: line \d, column \d+: (?!.*(s3cret|\n))\w/s,
    ]),
    ['another encoding', { file: yaml(Buffer.from('node: {id: B\xfcro}\n', 'latin1')) }, /UTF-8/],
    ['a missing file', { file: '/nowhere.yaml' }, /cannot read .*nowhere/],
    [
      'an open address without token',
      { flags: { 'http-host': '0.0.0.0' } },
      /http.token is required/,
    ],
    ['a certificate without key', { flags: { 'mqtt-cert': 'a.pem' } }, /mqtt.key/],
    ['a key without certificate', { flags: { 'mqtt-key': 'a.pem' } }, /mqtt.cert/],
    ...['mqtt', 'tcp', 'ws'].map((scheme): [string, ConfigSources, RegExp] => [
      `an authority where nothing is encrypted: ${scheme}`,
      { file: yaml('mqtt:\n  ca: a.pem\n'), flags: { 'mqtt-url': `${scheme}://broker` } },
      /^mqtt.ca in .*\.yaml is set, but mqtt.url is not mqtts:\/\/ or wss:\/\/$/,
    ]),
    [
      'a certificate where nothing is encrypted',
      { flags: { 'mqtt-cert': 'a.pem', 'mqtt-key': 'k.pem', 'mqtt-url': 'mqtt://broker' } },
      /^--mqtt-cert is set, but mqtt.url/,
    ],
    ['a large file', { file: yaml(`# ${'x'.repeat(2 ** 16)}`) }, /larger than 64 KiB/],
    ['a file that refers to itself', { file: yaml('http: &h {port: 1}\nmqtt: *h') }, /cannot read/],
    ['a short key like no other', { file: yaml('a: 1\n') }, /"a" is unknown$/],
    [
      'a key like no other',
      { file: yaml('dishwasher_no_7: 1\n') },
      /"dishwasher_no_7" is unknown$/,
    ],
    ['a broker without a host', { flags: { 'mqtt-url': 'mqtt://:1883' } }, /no broker's address/],
    ['a broker half encoded', { flags: { 'mqtt-url': 'mqtt://box%zz' } }, /no broker's address/],
    ['a broker at no port', { flags: { 'mqtt-url': 'mqtt://host:99999' } }, /no broker's address/],
    [
      'a broker password half encoded',
      { flags: { 'mqtt-url': 'mqtt://me:5%@host' } },
      /"mqtt:\/\/\*\*\*@host" is no broker/,
    ],
    [
      'a broker user half encoded',
      { flags: { 'mqtt-url': 'mqtt://me%:p@host' } },
      /"mqtt:\/\/\*\*\*@host" is no broker/,
    ],
    ['a broker that is a file', { flags: { 'mqtt-url': 'mqtt:///broker' } }, /no broker's address/],
    ...['mqtt://user:se@cret#x@broker', 'mqtt://user:12/secret@broker', 'mqtt://u:1?x@h'].map(
      (url): [string, ConfigSources, RegExp] => [
        `a password that ends early: ${url}`,
        { flags: { 'mqtt-url': url } },
        /mqtt:\/\/\*\*\*@\w+" is no broker.*goes into mqtt.password/,
      ],
    ),
    [
      'a host name with a scheme',
      { flags: { 'http-allowed-hosts': 'ok,http://a.b,c/d' } },
      /^--http-allowed-hosts: "http:\/\/a\.b" is no host name \(without http:\/\/, port and path\)$/,
    ],
    [
      'a host that is a number',
      { file: yaml('http: {allowed_hosts: [a, 7]}\n') },
      /: 7 is no host/,
    ],
    [
      'a host for a list',
      { file: yaml('http: {allowed_hosts: a}\n') },
      /"a" .* is a list of names/,
    ],
    ...[' ', '\n', '\u00a0'].flatMap((space) =>
      [`${space}${'x'.repeat(16)}`, `${'x'.repeat(16)}${space}`].map(
        (token): [string, ConfigSources, RegExp] => [
          `a token that no request can carry: ${JSON.stringify(token)}`,
          { env: { RETAGGER_HTTP_TOKEN: token } },
          /^RETAGGER_HTTP_TOKEN: \(hidden\) is not allowed; http.token is text .* 16 characters$/,
        ],
      ),
    ),
    [
      'a key given twice',
      { file: yaml('http.port: 1\nhttp: {port: 2}\n') },
      /"http.port" is given/,
    ],
    [
      'two documents',
      { file: yaml('engine: wasm\n---\nengine: auto\n') },
      /more than one document/,
    ],
    [
      'a key without its end',
      { file: yaml('limits:\n  memory: 1\n') },
      /mean "limits.memory_bytes"/,
    ],
    ['a mistyped section', { file: yaml('mqt:\n  port: 1\n') }, /mean "mqtt"/],
    ['a home folder', { file: yaml('data:\n  dir: ~/photos\n') }, /data.dir in .*whole path/],
    ['a home folder alone', { flags: { 'data-dir': '~' } }, /--data-dir: .*whole path/],
    ['a zero byte', { file: yaml('ingest:\n  dir: "a\\0b"\n') }, /ingest.dir in .*zero byte/],
    ['a wildcard in the base topic', { flags: { 'mqtt-base': 'a/#' } }, /mqtt.base/],
  ];
  test.each(cases)('%s', (_name, sources, message) => {
    expect(() => load(sources)).toThrow(ConfigError);
    expect(() => load(sources)).toThrow(message);
  });

  test('a secret is not shown', () => {
    expect(() => load({ flags: { 'http-token': 'short' } })).toThrow(/\(hidden\)/);
    expect(() => load({ flags: { 'http-token': 'short' } })).not.toThrow(/short/);
    // A number in YAML is no password, but somebody's.
    const file = yaml('mqtt:\n  password: 271828\n');
    expect(() => load({ file })).toThrow(/mqtt.password in .*\(hidden\)/);
    expect(() => load({ file })).not.toThrow(/271828/);
    const env = { RETAGGER_MQTT_URL: 'mqtt:/me:s3cret@host' };
    expect(() => load({ env })).toThrow(/"mqtt:\/\*\*\*@host" is not allowed/);
  });
});

test('variables of others are left alone', () => {
  const env = {
    RETAGGER_TF_WHEEL: '/x',
    RETAGGER_OPENVINO_WHEEL: '/x',
    RETAGGER_SERVICE_HOST: '10.0.0.1',
    RETAGGER_SERVICE_PORT_HTTP: '5000',
    RETAGGER_PORT: 'tcp://10.0.0.1:5000',
    RETAGGER_PORT_5000_TCP_ADDR: '10.0.0.1',
    RETAGGER_API_SERVICE_PORT: '80',
  };
  expect(load({ env }).http.port).toBe(5000);
  expect(() => load({ env: { RETAGGER_PORT: '5001' } })).toThrow(/RETAGGER_PORT is unknown/);
});

test('a comma too many and what is no password are no faults', () => {
  const flags = { 'http-allowed-hosts': 'a.example, ', 'mqtt-url': 'ws://host/mqtt?x=a@b#c' };
  expect(load({ flags }).http.allowed_hosts).toEqual(['a.example']);
});

test('a token may have spaces within, and certificates any address that is encrypted', () => {
  expect(load({ flags: { 'http-token': 'a token of good length' } }).http.token).toMatch(/^a /);
  for (const scheme of ['mqtts', 'tls', 'ssl', 'wss']) {
    const flags = { 'mqtt-ca': 'a.pem', 'mqtt-url': `${scheme}://broker` };
    expect(load({ flags }).mqtt.ca).toBe('/box/a.pem');
  }
});

test.each([
  ['tls', 'mqtts'],
  ['ssl', 'mqtts'],
  ['tcp', 'mqtt'],
  ['wss', 'wss'],
])('%s:// is %s:// for the MQTT library', (given, taken) => {
  const flags = { 'mqtt-url': `${given}://ssl:tls@broker/tcp:` };
  expect(load({ flags }).mqtt.url).toBe(`${taken}://ssl:tls@broker/tcp:`);
});

test('an HTTP door that is closed needs no token', () => {
  const flags = { 'http-enabled': 'false', 'http-host': '0.0.0.0' };
  expect(load({ flags }).http.enabled).toBe(false);
});

test('a command that opens no door needs no token', () => {
  expect(load({ flags: { 'http-host': '0.0.0.0' }, tolerant: true }).http.host).toBe('0.0.0.0');
});

test('every key has a description, a variable and a flag of its own', () => {
  expect(CONFIG_KEYS.every((key) => key.description.length > 0)).toBe(true);
  for (const name of ['env', 'flag'] as const) {
    expect(new Set(CONFIG_KEYS.map((key) => key[name])).size).toBe(CONFIG_KEYS.length);
  }
});

test.each([
  ['127.0.0.1', true],
  ['127.9.9.9', true],
  ['::1', true],
  ['localhost', true],
  ['0.0.0.0', false],
  ['::', false],
  ['192.168.1.2', false],
  ['box.local', false],
])('%s is loopback: %s', (host, expected) => {
  expect(isLoopback(host)).toBe(expected);
});

test('docs/configuration.md is what the schema says', async () => {
  expect(await readFile('docs/configuration.md', 'utf8')).toBe(configurationReference());
});
