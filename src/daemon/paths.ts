import { dirname } from 'node:path';

/**
 * File names are bytes; most are UTF-8, some (old memory cards, SMB shares) are not. A path is a
 * string where that says it exactly and a Buffer otherwise.
 */
export type AnyPath = string | Buffer;

/** A path in JSON. */
export type StoredPath = string | { readonly base64: string };

/** The string form where it names the same file, else the bytes. */
export function pathOf(bytes: Buffer): AnyPath {
  const text = bytes.toString('utf8');
  return Buffer.from(text, 'utf8').equals(bytes) ? text : bytes;
}

/** For people and JSON: bytes that are no UTF-8 become U+FFFD. */
export const printable = (path: AnyPath): string =>
  typeof path === 'string' ? path : path.toString('utf8');

export const encodePath = (path: AnyPath): StoredPath =>
  typeof path === 'string' ? path : { base64: path.toString('base64') };

export const decodePath = (stored: StoredPath): AnyPath =>
  typeof stored === 'string' ? stored : Buffer.from(stored.base64, 'base64');

export function folderOf(file: AnyPath): AnyPath {
  if (typeof file === 'string') return dirname(file);
  const end = file.lastIndexOf(0x2f);
  return end > 0 ? file.subarray(0, end) : '/';
}
