/** What `tsc` leaves to do. */
import { chmod, cp, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { supported } from '../dist/doctor/node-version.js';

const { node } = process.versions;
if (!supported(node)) {
  process.stderr.write(`Node ${node} is not supported: install Node 20.19 to 24\n`);
  process.exit(1);
}
// Only now: an older Node cannot load it, and names something that it lacks.
const { rolldown } = await import('rolldown');

const root = new URL('..', import.meta.url);
const at = (path) => fileURLToPath(new URL(path, root));

// The files of the web page.
const target = at('dist/transport/http/page');
await rm(target, { recursive: true, force: true });
await cp(at('src/transport/http/page'), target, {
  recursive: true,
  filter: (path) => !path.endsWith('tsconfig.json'),
});

/** What is started as a process or thread. */
const PROGRAMS = ['cli', 'inference/worker', 'inference/engine-thread'];
/** Native parts, WebAssembly and files of their own: these stay where npm has put them. */
const STAY =
  /^(koffi|onnxruntime-(node|common|web)|@tensorflow\/tfjs-node|libheif-js|dejavu-fonts-ttf)(\/|$)/;

// Each program in a few files, with what it needs of its modules, in the place of the one that `tsc`
// made: most of a start went into finding and reading 1,500 of them.
await rm(at('dist/chunks'), { recursive: true, force: true });
const bundle = await rolldown({
  input: Object.fromEntries(PROGRAMS.map((name) => [name, at(`dist/${name}.js`)])),
  platform: 'node',
  external: STAY,
  logLevel: 'warn',
});
await bundle.write({ dir: at('dist'), chunkFileNames: 'chunks/[name].js' });
await bundle.close();

await chmod(at('dist/cli.js'), 0o755);
