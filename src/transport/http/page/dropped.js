/** More files than this in one drop are an accident. */
const MAX_FILES = 2000;

/** What the watch folder leaves alone too: sidecars, what systems write, what is not whole yet. */
const NO_PHOTOS = [
  /^(\.|~\$)/,
  /(\.(json|xmp|part|partial|tmp|temp|crdownload|download|filepart|opdownload|aria2|swp|lock|![a-z]+)|_exiftool_tmp|~)$/i,
  /^(thumbs\.db|ehthumbs\.db|desktop\.ini)$/i,
  /^(@eadir|#recycle|\$recycle\.bin|system volume information|lost\+found)$/i,
];

/** @typedef {{files: File[], unreadable: number, left: number}} Dropped */

/** @type {WeakMap<File, string>} */
const paths = new WeakMap();

/**
 * Its path from the dropped folder on: photos of two folders may have one name.
 * @param {File} file
 */
export const pathOf = (file) => (paths.get(file) ?? file.name).replace(/^\//, '');

/**
 * The files of a drop or a paste, those in folders too; how many the browser could not read, and how
 * many were too many.
 * @param {DataTransfer} transfer
 * @returns {Promise<Dropped>}
 */
export async function droppedFiles(transfer) {
  // Must be read before the first await: the browser empties the list after the event.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.() ?? null);
  const plain = [...transfer.files];
  if (!entries.some((entry) => entry?.isDirectory)) {
    return atMost(plain);
  }
  /** @type {Dropped} */
  const dropped = { files: [], unreadable: 0, left: 0 };
  for (const entry of entries) if (entry) await collect(entry, dropped);
  return dropped;
}

/**
 * @param {File[]} files
 * @returns {Dropped}
 */
export const atMost = (files) => ({
  ...{ files: files.slice(0, MAX_FILES), unreadable: 0 },
  left: Math.max(0, files.length - MAX_FILES),
});

/**
 * @param {FileSystemEntry} entry
 * @param {Dropped} dropped
 */
async function collect(entry, dropped) {
  if (NO_PHOTOS.some((pattern) => pattern.test(entry.name))) return;
  try {
    if (entry.isFile && dropped.files.length >= MAX_FILES) dropped.left += 1;
    else if (entry.isFile) {
      const file = await fileOf(entry);
      paths.set(file, entry.fullPath);
      dropped.files.push(file);
    } else for await (const child of childrenOf(entry)) await collect(child, dropped);
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
