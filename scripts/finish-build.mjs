/** What `tsc` leaves to do. */
import { chmod, cp, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const root = new URL('..', import.meta.url);
const at = (path) => fileURLToPath(new URL(path, root));

// The files of the web page.
const target = at('dist/transport/http/page');
await rm(target, { recursive: true, force: true });
await cp(at('src/transport/http/page'), target, {
  recursive: true,
  filter: (path) => !path.endsWith('tsconfig.json'),
});

// TypeBox in one file, in the place of the one that names what is used of it.
const file = at('dist/typebox.js');
const bundle = await rolldown({ input: file, platform: 'node', logLevel: 'warn' });
await bundle.write({ file });
await bundle.close();
await rm(`${file}.map`, { force: true });

await chmod(at('dist/cli.js'), 0o755);
