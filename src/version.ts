import { createRequire } from 'node:module';

/** Of this program, as in package.json. */
export const { version } = createRequire(import.meta.url)('../package.json') as {
  version: string;
};
