import { type Check, fail, ok } from './check.ts';

/** `engines` of package.json. */
export const supported = (version: string): boolean => {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return (major > 20 && major < 25) || (major === 20 && minor >= 19);
};

export const nodeVersion: Check = {
  name: 'node',
  async run() {
    const version = process.versions.node;
    if (supported(version)) return ok(`Node ${version} on ${process.platform} ${process.arch}`);
    return fail(`Node ${version}`, 'Install Node 20.19 to 24, or the .deb, which brings its own.');
  },
};
