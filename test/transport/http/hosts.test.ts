import { expect, test } from 'vitest';
import { baseUrl, Hosts, hostName } from '../../../src/transport/http/hosts.ts';

test.each([
  ['localhost', 'localhost'],
  ['LocalHost.:5000', 'localhost'],
  ['127.0.0.1:5000', '127.0.0.1'],
  ['[::1]:5000', '::1'],
  ['kiosk-7.local', 'kiosk-7.local'],
  ['', null],
  ['user@host', null],
  ['host:port', null],
  ['a b', null],
  ['::1', null],
])('the name in %j is %j', (host, name) => {
  expect(hostName(host)).toBe(name);
});

const listening = {
  loopback: new Hosts('127.0.0.1', []),
  address: new Hosts('192.168.1.5', []),
  everywhere: new Hosts('0.0.0.0', ['Kiosk-7.local', 'photos.example:8443']),
};

test.each([
  ['loopback', 'localhost:5000', true],
  ['loopback', '127.0.0.1', true],
  ['loopback', '127.9.9.9:1', true],
  ['loopback', '[::1]:5000', true],
  ['loopback', '192.168.1.5:5000', false],
  ['loopback', 'evil.example:5000', false],
  ['loopback', 'localhost.evil.example', false],
  ['loopback', '127.0.0.1.evil.example', false],
  ['address', '192.168.1.5:5000', true],
  ['address', '192.168.1.6:5000', false],
  ['address', 'localhost:5000', true],
  ['everywhere', '10.1.2.3', true],
  ['everywhere', '[fe80::1]:5000', true],
  ['everywhere', 'kiosk-7.local:5000', true],
  ['everywhere', 'photos.example', true],
  ['everywhere', 'evil.example', false],
] as const)('listening on %s, Host %s: %s', (name, host, accepted) => {
  expect(listening[name].accepts(host)).toBe(accepted);
});

test.each([
  ['http://localhost:5000', 'localhost:5000', true],
  ['https://localhost:5000', 'localhost:5000', true],
  ['http://localhost:3000', 'localhost:5000', false],
  ['http://127.0.0.1:5000', 'localhost:5000', false],
  ['http://evil.example', 'localhost:5000', false],
  ['null', 'localhost:5000', false],
  ['file://', 'localhost:5000', false],
  ['nonsense', 'nonsense', false],
  // A proxy in front: the browser's name, whatever the proxy makes of Host.
  ['https://photos.example:8443', '127.0.0.1:5000', true],
])('Origin %s to %s: %s', (origin, host, accepted) => {
  expect(listening.everywhere.acceptsOrigin(origin, host)).toBe(accepted);
});

test('base URLs', () => {
  expect(baseUrl('127.0.0.1', 80)).toBe('http://127.0.0.1:80');
  expect(baseUrl('0.0.0.0', 80)).toBe('http://127.0.0.1:80');
  expect(baseUrl('::', 80)).toBe('http://[::1]:80');
  expect(baseUrl('fe80::1', 80)).toBe('http://[fe80::1]:80');
});
