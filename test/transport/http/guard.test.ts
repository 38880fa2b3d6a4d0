import { expect, test } from 'vitest';
import { ConfigError } from '../../../src/config/config-error.ts';
import { form, post, raw, serve, TOKEN } from './support.ts';

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

test('with a token, only health and the page answer without it', async () => {
  const { url } = await serve({ http: { token: TOKEN } });
  for (const path of ['/healthz', '/readyz', '/', '/app.js', '/style.css']) {
    expect([path, (await fetch(url + path)).status]).toEqual([path, 200]);
  }
  const closed = ['/metrics', '/results', '/events', '/openapi.json', '/docs', '/docs/json', '/no'];
  for (const path of closed) {
    const response = await fetch(url + path);
    expect([path, response.status]).toEqual([path, 401]);
    expect(await response.json()).toMatchObject({ code: 'unauthorized' });
  }
  expect((await post(url, form('hall'))).status).toBe(401);
  expect((await post(url, form('hall'), bearer(TOKEN))).status).toBe(200);
  expect((await fetch(`${url}/metrics`, { headers: bearer(TOKEN) })).status).toBe(200);
});

test.each([
  ['Bearer', 'a token of good lengtH'],
  ['Bearer', `${TOKEN}x`],
  ['Bearer', TOKEN.slice(0, -1)],
  ['Bearer', ''],
  ['', TOKEN],
  ['Basic', Buffer.from(`x:${TOKEN.replaceAll(' ', '-')}`).toString('base64')],
])('%s %s is not the token', async (scheme, token) => {
  const { url } = await serve({ http: { token: TOKEN.replaceAll(' ', '-') } });
  const authorization = `${scheme} ${token.replaceAll(' ', '-')}`;
  expect((await fetch(`${url}/metrics`, { headers: { authorization } })).status).toBe(401);
});

test('a browser may open the docs with the token as password', async () => {
  const { url } = await serve({ http: { token: TOKEN } });
  for (const path of ['/docs', '/docs/', '/docs?a']) {
    const asked = await fetch(url + path);
    expect(asked.headers.get('www-authenticate')).toMatch(/^Basic /);
  }
  const basic = (password: string) => ({
    authorization: `Basic ${Buffer.from(`me:${password}`).toString('base64')}`,
  });
  expect((await fetch(`${url}/docs/json`, { headers: basic(TOKEN) })).status).toBe(200);
  expect((await fetch(`${url}/docs/json`, { headers: basic('wrong') })).status).toBe(401);
});

test('strangers see of readiness only whether', async () => {
  const { url } = await serve({ http: { token: TOKEN } });
  expect(await (await fetch(`${url}/readyz`)).json()).toEqual({
    ready: true,
    checks: { model: { ok: true } },
  });
  const known = await fetch(`${url}/readyz`, { headers: bearer(TOKEN) });
  expect(await known.json()).toMatchObject({ checks: { model: { detail: 'text@1' } } });
});

test('a host that others reach needs a token', async () => {
  await expect(serve({ http: { host: '0.0.0.0' } })).rejects.toThrow(ConfigError);
  await expect(serve({ http: { host: '::' } })).rejects.toThrow(/http\.token/);
  expect((await serve({ http: { host: '0.0.0.0', token: TOKEN } })).url).toMatch(/127\.0\.0\.1/);
});

test('another name for this address is refused (DNS rebinding)', async () => {
  const { url } = await serve();
  const get = (host: string) => raw(url, `GET /results HTTP/1.1\r\nhost: ${host}\r\n\r\n`);
  const { port } = new URL(url);
  expect((await get(`localhost:${port}`)).status).toBe(200);
  for (const host of ['evil.example', `evil.example:${port}`, '', 'localhost.evil.example']) {
    const answer = await get(host);
    expect([host, answer.status]).toEqual([host, 403]);
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'host_forbidden' });
  }
});

test('http.allowed_hosts lets a proxy in front pass its name', async () => {
  const { url } = await serve({ http: { allowed_hosts: ['photos.example'] } });
  const answer = await raw(url, 'GET /results HTTP/1.1\r\nhost: photos.example\r\n\r\n');
  expect(answer.status).toBe(200);
});

test('pages of other sites cannot post', async () => {
  const { url } = await serve();
  for (const headers of [
    { origin: 'http://evil.example' },
    { origin: 'null' },
    { origin: 'http://localhost:3000' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
  ]) {
    const response = await post(url, form('hall'), headers as Record<string, string>);
    expect([headers, response.status]).toEqual([headers, 403]);
    expect(await response.json()).toMatchObject({ code: 'host_forbidden' });
  }
  for (const headers of [{ origin: url }, { 'sec-fetch-site': 'same-origin' }]) {
    const response = await post(url, form('hall'), headers as Record<string, string>);
    expect([headers, response.status]).toEqual([headers, 200]);
  }
});

test('a link on another site may open the page', async () => {
  const { url } = await serve();
  const response = await fetch(url, { headers: { 'sec-fetch-site': 'cross-site' } });
  expect(response.status).toBe(200);
});
