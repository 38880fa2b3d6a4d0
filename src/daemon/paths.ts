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

/** Longest name the usual Linux file systems take, in bytes. */
export const NAME_BYTES = 255;

/**
 * `name + suffix`, shortened in the middle of the name where that would be longer than a file
 * system takes; the name's own extension and the suffix stay.
 */
export function fitName(name: string, suffix: string): string {
  const dot = name.lastIndexOf('.');
  const extension = dot > 0 && name.length - dot <= 16 ? name.slice(dot) : '';
  let stem = extension === '' ? name : name.slice(0, dot);
  const room = NAME_BYTES - Buffer.byteLength(extension) - Buffer.byteLength(suffix);
  if (Buffer.byteLength(stem) > room) {
    // By code points, so that no character is cut in half.
    const characters = Array.from(stem);
    let bytes = Buffer.byteLength(stem);
    while (bytes > room - 1) bytes -= Buffer.byteLength(characters.pop() as string);
    stem = `${characters.join('')}~`;
  }
  return `${stem}${extension}${suffix}`;
}
