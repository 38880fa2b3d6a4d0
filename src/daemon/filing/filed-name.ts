import { fitName } from '../../files/fit-name.ts';
import type { SpoolEntry } from '../spool/spool-entry.ts';

/** Under which names photos are filed. */

/** Room in a name for `-NUMBER` or `-KEY` and `.error.json`. */
const RESERVED = '-0123456789abcdef0123456789abcdef.error.json';
/** From so many on the next number is remembered, of so many names. */
const MANY = 50;
const MAX_NAMES = 1000;

/** Folder and name of a photo. */
export interface Place {
  /** Below `data.dir`. */
  readonly root: string;
  /** Below that. */
  readonly sub: string;
  readonly name: string;
}

/** What FAT, exFAT and NTFS do not take in names, or at their end; before names of devices goes a `_`. */
const FORBIDDEN =
  /[<>:"|?*\\]|\p{Cc}|[. ](?=\/|$)|(?<=^|\/)(?=(con|prn|aux|nul|(com|lpt)\d)([./]|$))/giu;
const NOT_ASCII = /[^ -~]/gu;

/** A place as it is, and, each only if it differs, in characters that more file systems take. */
export function* spellings(place: Place): Generator<Place> {
  yield place;
  let last = place;
  for (const characters of [FORBIDDEN, NOT_ASCII]) {
    const [root, sub, name] = [last.root, last.sub, last.name].map((text) =>
      text.replace(characters, '_'),
    ) as [string, string, string];
    const differs = root !== last.root || sub !== last.sub || name !== last.name;
    last = { root, sub, name };
    if (differs) yield last;
  }
}

/** Where below its root, and under which name. Only a watched file's path is trusted as a path. */
export function placeOf(entry: SpoolEntry): { sub: string; name: string } {
  const parts = (entry.file ?? '')
    .replaceAll('\0', '')
    .split('/')
    .filter((part) => part !== '' && part !== '.' && part !== '..');
  const last = parts.pop() ?? `${entry.id.replace(/[^A-Za-z0-9_-]/g, '_')}.photo`;
  const name = last.startsWith('.') ? `_${last.slice(1)}` : last;
  return { sub: entry.body === 'upload' ? '' : parts.join('/'), name };
}

/** NAME.jpg, NAME-2.jpg, NAME-3.jpg … */
export function numbered(name: string, n: number | string): string {
  if (n === 1) return fitName(name, '');
  const short = fitName(name, RESERVED).slice(0, -RESERVED.length);
  const dot = short.lastIndexOf('.');
  return dot > 0 ? `${short.slice(0, dot)}-${n}${short.slice(dot)}` : `${short}-${n}`;
}

/** Thousands of photos may have one name: not all their numbers are tried for each. */
export class NextNumbers {
  readonly #next = new Map<string, number>();

  /** @returns the number to begin with, of a path without one. */
  of(path: string): number {
    return this.#next.get(path) ?? 1;
  }

  took(path: string, number: number): void {
    if (number < MANY) return;
    this.#next.delete(path);
    if (this.#next.size >= MAX_NAMES) this.#next.delete(this.#next.keys().next().value as string);
    this.#next.set(path, number + 1);
  }

  clear(): void {
    this.#next.clear();
  }
}
