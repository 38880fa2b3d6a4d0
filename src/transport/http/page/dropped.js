/** More files than this in one drop are an accident. */
const MAX_FILES = 2000;

/** @typedef {{files: File[], unreadable: number}} Dropped */

/**
 * The files of a drop, those in dropped folders too, and how many the browser could not read.
 * @param {DataTransfer} transfer
 * @returns {Promise<Dropped>}
 */
export async function droppedFiles(transfer) {
  // Must be read before the first await: the browser empties the list after the event.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.() ?? null);
  const plain = [...transfer.files];
  if (!entries.some((entry) => entry?.isDirectory)) {
    return { files: plain.slice(0, MAX_FILES), unreadable: 0 };
  }
  /** @type {Dropped} */
  const dropped = { files: [], unreadable: 0 };
  for (const entry of entries) if (entry) await collect(entry, dropped);
  return dropped;
}

/**
 * @param {FileSystemEntry} entry
 * @param {Dropped} dropped
 */
async function collect(entry, dropped) {
  if (dropped.files.length >= MAX_FILES || entry.name.startsWith('.')) return;
  try {
    if (entry.isFile) dropped.files.push(await fileOf(entry));
    else for await (const child of childrenOf(entry)) await collect(child, dropped);
  } catch {
    // A link to nowhere, or no right to read it: the others are uploaded all the same.
    dropped.unreadable += 1;
  }
}

/**
 * @param {FileSystemEntry} entry
 * @returns {Promise<File>}
 */
function fileOf(entry) {
  const one = /** @type {FileSystemFileEntry} */ (entry);
  return new Promise((resolve, reject) => one.file(resolve, reject));
}

/**
 * @param {FileSystemEntry} entry
 * @returns {AsyncGenerator<FileSystemEntry>}
 */
async function* childrenOf(entry) {
  const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
  for (;;) {
    /** @type {FileSystemEntry[]} */
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return;
    yield* some;
  }
}
