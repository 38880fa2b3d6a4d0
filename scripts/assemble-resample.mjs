/** Assembles `src/inference/resample/sums.wat` into `sums.ts` beside it. After a change there: `node scripts/assemble-resample.mjs` */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import wabt from 'wabt';

const home = new URL('../src/inference/resample/', import.meta.url);
const source = fileURLToPath(new URL('sums.wat', home));
const target = fileURLToPath(new URL('sums.ts', home));

export async function assembled() {
  const { parseWat } = await wabt();
  const module = parseWat('sums.wat', readFileSync(source, 'utf8'), { simd: true });
  const code = Buffer.from(module.toBinary({}).buffer).toString('base64');
  return `/** \`sums.wat\`, assembled by \`scripts/assemble-resample.mjs\`. */\nexport const CODE =\n  '${code}';\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(target, await assembled());
