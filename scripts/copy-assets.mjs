/** What `tsc` leaves to do: the files of the web page are copied, the program is made executable. */
import { chmod, cp, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const root = new URL('..', import.meta.url);
const at = (path) => fileURLToPath(new URL(path, root));

const target = at('dist/transport/http/page');
await rm(target, { recursive: true, force: true });
await cp(at('src/transport/http/page'), target, {
  recursive: true,
  filter: (path) => !path.endsWith('tsconfig.json'),
});

await chmod(at('dist/cli.js'), 0o755);
