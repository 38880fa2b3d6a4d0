import { readFileSync } from 'node:fs';
import { ofPackage } from './package-root.ts';

/** Of this program, as in package.json. */
export const { version } = JSON.parse(readFileSync(ofPackage('package.json'), 'utf8')) as {
  version: string;
};
