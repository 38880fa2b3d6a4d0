import { closeSync, fstatSync, openSync } from 'node:fs';
import koffi from 'koffi';

const [PROT_READ, MAP_PRIVATE, MADV_DONTNEED] = [1, 2, 4];

/** A file as memory: processes that map the same one share it, and the kernel may drop what it can read again. */
export interface MappedFile {
  /** Where it begins, for C. */
  readonly address: unknown;
  /** Bytes. */
  readonly length: number;
  /** What has been read of it need not stay in memory; it is read again where it is needed. */
  letGo(): void;
  unmap(): void;
}

/** @throws Error where it cannot be opened or mapped; an empty file cannot. Linux only. */
export function mapFile(path: string): MappedFile {
  const libc = koffi.load(null);
  const mmap = libc.func(
    'intptr_t mmap(void *near, size_t length, int protection, int flags, int file, long offset)',
  );
  const madvise = libc.func('int madvise(intptr_t address, size_t length, int advice)');
  const munmap = libc.func('int munmap(intptr_t address, size_t length)');
  const file = openSync(path, 'r');
  try {
    const { size: length } = fstatSync(file);
    const address = mmap(null, length, PROT_READ, MAP_PRIVATE, file, 0);
    if (Number(address) === -1) throw new Error(`${path} cannot be mapped`);
    return {
      ...{ address, length },
      letGo: () => void madvise(address, length, MADV_DONTNEED),
      unmap: () => void munmap(address, length),
    };
  } finally {
    closeSync(file);
  }
}
