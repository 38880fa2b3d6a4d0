import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { ofPackage } from '../../../package-root.ts';
import type { App } from '../server.ts';

const DIR = ofPackage('dist/transport/http/page/');

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** The web page: a handful of small files, read once. They hold no data, so they need no token. */
export async function pageRoutes(app: App): Promise<void> {
  for (const name of await readdir(DIR)) {
    const type = TYPES[extname(name)];
    if (type === undefined) continue;
    const content = await readFile(join(DIR, name));
    const etag = `"${createHash('sha256').update(content).digest('base64url').slice(0, 27)}"`;
    app.get(
      name === 'index.html' ? '/' : `/${name}`,
      { config: { open: true }, schema: { hide: true } },
      async (request, reply) => {
        reply.header('etag', etag).header('cache-control', 'no-cache');
        if (matches(request.headers['if-none-match'], etag)) return reply.code(304).send();
        return reply.type(type).send(content);
      },
    );
  }
}

/**
 * By the weak comparison of RFC 9110, 13.1.2: a proxy that compresses (nginx, `gzip on`) makes the
 * tag weak, and may ask for several at once. With its quotes a tag is part of no other.
 */
const matches = (asked = '', etag: string) => asked === '*' || asked.includes(etag);
