import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeEach, describe, expect, test } from 'vitest';
import { checkPhotos, readDataset } from '../../../src/training/data/dataset.ts';
import { exampleName } from '../../../src/training/examples/examples.ts';
import { temporaryDir } from '../../temporary-dir.ts';

let dir = '';
const jpeg = await sharp({
  create: { width: 40, height: 30, channels: 3, background: '#336699' },
})
  .jpeg()
  .toBuffer();

async function put(file: string, bytes: Uint8Array | string = jpeg): Promise<void> {
  await mkdir(join(dir, file, '..'), { recursive: true });
  await writeFile(join(dir, file), bytes);
}

beforeEach(async () => {
  dir = await temporaryDir();
});

describe('readDataset', () => {
  test('labels are the folders, sorted, or in the order asked for', async () => {
    await put('kitchen/b.jpg');
    await put('kitchen/a.JPEG');
    await put('attic/c.png');
    await put('attic/.DS_Store', 'x');
    const dataset = await readDataset(dir);
    expect(dataset.labels).toEqual(['attic', 'kitchen']);
    expect(dataset.photos.map(({ file, label }) => [file, label])).toEqual([
      ['attic/c.png', 0],
      ['kitchen/a.JPEG', 1],
      ['kitchen/b.jpg', 1],
    ]);
    expect((await readDataset(dir, ['kitchen', 'attic'])).photos[0]?.label).toBe(1);
  });

  test('a link to a folder is a label; a photo beside the folders is a fault', async () => {
    await put('kitchen/a.jpg');
    await put('attic/a.jpg');
    const elsewhere = await temporaryDir();
    await writeFile(join(elsewhere, 'b.jpg'), jpeg);
    await symlink(elsewhere, join(dir, 'hall'));
    await put('sources.csv', 'no photo');
    expect((await readDataset(dir)).labels).toEqual(['attic', 'hall', 'kitchen']);
    await put('loose.jpg');
    await expect(readDataset(dir)).rejects.toMatchObject({
      faults: ["loose.jpg lies in no label's folder"],
    });
  });

  test('takes what the daemon has filed, whatever its name, in folders below the label too', async () => {
    for (const file of ['kitchen/flat 7/a.jpg', 'hall/scan0001', 'hall/b.jpg']) {
      await put(file);
      await put(`${file}.json`, '{}');
      await put(`${file}.xmp`, '<x/>');
    }
    await put('_abstained/c.jpg');
    const { labels, photos } = await readDataset(dir);
    expect(labels).toEqual(['hall', 'kitchen']);
    expect(photos.map(({ file }) => file)).toEqual([
      'hall/b.jpg',
      'hall/scan0001',
      'kitchen/flat 7/a.jpg',
    ]);
  });

  test('another photo under the same name is another photo', async () => {
    await put('kitchen/a.jpg');
    await put('attic/a.jpg');
    const names = async () =>
      (await readDataset(dir)).photos.map((photo) => exampleName({ photo, variant: 1 }));
    const before = await names();
    expect(await names()).toEqual(before);
    await put('attic/a.jpg', Buffer.concat([jpeg, jpeg]));
    const after = await names();
    expect([after[0] === before[0], after[1] === before[1]]).toEqual([false, true]);
  });

  test('names every fault at once', async () => {
    await put('kitchen/a.jpg');
    await symlink(dir, join(dir, 'kitchen/loop'));
    await put('stray/a.jpg');
    await mkdir(join(dir, 'attic'));
    await expect(readDataset(dir, ['kitchen', 'attic', 'hall'])).rejects.toMatchObject({
      faults: [
        'no folder for label "hall"',
        'folder "stray" is none of the labels kitchen, attic, hall',
        'kitchen/loop is no photo',
        'class "attic" has no photo',
      ],
    });
  });

  test('refuses one class only, and a folder that is not there', async () => {
    await put('kitchen/a.jpg');
    await expect(readDataset(dir)).rejects.toThrow(/at least two/);
    await expect(readDataset(join(dir, 'nowhere'))).rejects.toThrow(/cannot be read/);
  });
});

describe('checkPhotos', () => {
  test('names each photo that cannot be decoded', async () => {
    await put('kitchen/good.jpg');
    await put('kitchen/notes.txt', 'no picture');
    await put('attic/cut.jpg', jpeg.subarray(0, jpeg.length / 2));
    await put('attic/empty.jpg', '');
    const seen: number[] = [];
    const checked = checkPhotos(await readDataset(dir), (done) => seen.push(done));
    await expect(checked).rejects.toMatchObject({
      faults: [
        expect.stringMatching(/^attic\/cut.jpg: /),
        expect.stringMatching(/^attic\/empty.jpg: /),
        expect.stringMatching(/^kitchen\/notes.txt: /),
      ],
    });
    expect(seen).toEqual([1, 2, 3, 4]);
  });
});
