import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import fc from 'fast-check';

/**
 * Checks a property with new random values, after those that ever failed: a failure leaves its seed
 * in `test/seeds/NAME.json`, to be committed with the mend.
 * @throws Error with the counterexample.
 */
export async function holds<T>(
  name: string,
  property: fc.IAsyncProperty<T>,
  numRuns: number,
): Promise<void> {
  const file = new URL(`./seeds/${name}.json`, import.meta.url);
  const kept = existsSync(file) ? (JSON.parse(await readFile(file, 'utf8')) as number[]) : [];
  for (const seed of kept) await fc.assert(property, { seed, numRuns });
  const details = await fc.check(property, { numRuns });
  if (!details.failed) return;
  await mkdir(new URL('.', file), { recursive: true });
  await writeFile(file, `${JSON.stringify([...kept, details.seed])}\n`);
  throw new Error((await fc.asyncDefaultReportMessage(details)) ?? 'the property does not hold');
}
