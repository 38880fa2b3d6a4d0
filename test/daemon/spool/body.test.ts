import { type FileHandle, open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { expect, onTestFinished, test, vi } from 'vitest';
import { writeAll, writeStream } from '../../../src/daemon/spool/body.ts';
import { eventually, openBelow, temporaryDir } from '../support.ts';

const LIMIT = 2 ** 20;

test.each([
  ['more chunks than one system call takes', Array.from({ length: 5000 }, (_, n) => n % 251)],
  ['none', []],
])('chunks of an upload: %s', async (_, bytes) => {
  const path = join(await temporaryDir(), 'photo');
  const chunks = Readable.from(bytes.map((byte) => Buffer.from([byte])));
  expect(await writeStream(chunks, path, LIMIT, false)).toBe(bytes.length);
  expect(await readFile(path)).toEqual(Buffer.from(bytes));
});

test('chunks of an upload: several megabytes', async () => {
  const path = join(await temporaryDir(), 'photo');
  const chunks = Array.from({ length: 50 }, (_, n) => Buffer.alloc(65_521, n));
  const size = await writeStream(Readable.from(chunks), path, 2 ** 24, false);
  expect(size).toBe(50 * 65_521);
  expect((await readFile(path)).equals(Buffer.concat(chunks))).toBe(true);
});

test('chunks of an upload are not gathered in memory until the last has come', async () => {
  const path = join(await temporaryDir(), 'photo');
  const source = async function* () {
    yield Buffer.alloc(300_000);
    await eventually(async () => (await stat(path)).size === 300_000);
    yield Buffer.from('end');
  };
  expect(await writeStream(Readable.from(source()), path, LIMIT, false)).toBe(300_003);
});

test('nor tiny ones by the hundred thousand', async () => {
  const path = join(await temporaryDir(), 'photo');
  const source = async function* () {
    for (let n = 0; n < 5000; n++) yield Buffer.from('x');
    await eventually(async () => (await stat(path)).size > 0);
  };
  expect(await writeStream(Readable.from(source()), path, LIMIT, false)).toBe(5000);
});

test('an upload leaves no file open, whole or broken off', async () => {
  const dir = await temporaryDir();
  await writeStream(Readable.from([Buffer.from('whole')]), join(dir, 'a'), LIMIT, true);
  const broken = new Readable({ read: () => broken.destroy(new Error('connection reset')) });
  await expect(writeStream(broken, join(dir, 'b'), LIMIT, true)).rejects.toMatchObject({
    code: 'request_invalid',
  });
  expect(await openBelow(dir)).toEqual([]);
});

test('a full disk is no fault of the upload', async () => {
  const chunks = Readable.from([Buffer.from('kitchen')]);
  await expect(writeStream(chunks, '/dev/full', LIMIT, false)).rejects.toMatchObject({
    code: 'ENOSPC',
  });
});

test('nor is a bound on the size of our files (LimitFSIZE=)', async () => {
  const handle = await open('/dev/null', 'w');
  const methods = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
  vi.spyOn(methods, 'writev').mockRejectedValueOnce(Object.assign(new Error(), { code: 'EFBIG' }));
  onTestFinished(() => void vi.restoreAllMocks());
  const chunks = Readable.from([Buffer.from('kitchen')]);
  const path = join(await temporaryDir(), 'photo');
  await expect(writeStream(chunks, path, LIMIT, false)).rejects.toMatchObject({ code: 'EFBIG' });
});

test('a disk that takes a part at a time gets the rest', async () => {
  const path = join(await temporaryDir(), 'photo');
  const file = await open(path, 'w');
  const partly = {
    writev: async (chunks: readonly Uint8Array[]) => {
      const { bytesWritten } = await file.write(Buffer.concat(chunks).subarray(0, 4));
      return { bytesWritten, buffers: chunks };
    },
    writeFile: file.writeFile.bind(file),
  } as Pick<FileHandle, 'writev' | 'writeFile'>;
  await writeAll(partly, [Buffer.from('bal'), Buffer.from('co'), Buffer.from('ny')], 7);
  await file.close();
  expect(await readFile(path, 'utf8')).toBe('balcony');
});
