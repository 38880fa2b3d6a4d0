import { stat } from 'node:fs/promises';
import { type Check, ok, warn } from './check.ts';
import { existing } from './folders.ts';

export const fileSystem: Check = {
  name: 'file-system',
  async run({ data, ingest }) {
    if (!ingest.watch || ingest.after === 'keep') return ok('photos are not moved');
    const [from, to] = await Promise.all(
      [ingest.dir, data.dir].map(async (path) => (await stat(await existing(path))).dev),
    );
    if (from === to) return ok('ingest and data are on the same file system: moving costs nothing');
    return warn(
      `${ingest.dir} and ${data.dir} are on different file systems`,
      'Every photo is copied instead of renamed. Put both on one disk to spare it the writes.',
    );
  },
};
