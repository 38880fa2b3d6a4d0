/** Assembles `src/inference/resample/sums.wat` into `sums.ts` beside it. After a change there: `node scripts/assemble-resample.mjs` */
import { readFileSync, writeFileSync } from 'node:fs';
import wabt from 'wabt';

const at = (name) => new URL(`../src/inference/resample/${name}`, import.meta.url);
const { parseWat } = await wabt();
const module = parseWat('sums.wat', Uint8Array.from(readFileSync(at('sums.wat'))), { simd: true });
const code = Buffer.from(module.toBinary({}).buffer).toString('base64');
writeFileSync(
  at('sums.ts'),
  `/** \`sums.wat\`, assembled by \`scripts/assemble-resample.mjs\`. */\nexport const CODE =\n  '${code}';\n`,
);
