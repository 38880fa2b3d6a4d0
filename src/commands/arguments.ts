import { statSync } from 'node:fs';
import { InvalidArgumentError } from 'commander';

/** What flags may be given, for commander. */

/** A number within bounds. */
export const number =
  (low: number, high: number, integer = false) =>
  (text: string): number => {
    const value = Number(text);
    const whole = !integer || Number.isInteger(value);
    if (text.trim() === '' || !(value >= low && value <= high) || !whole) {
      const kind = integer ? 'a whole number' : 'a number';
      throw new InvalidArgumentError(`It must be ${kind} from ${low} to ${high}.`);
    }
    return value;
  };

/** A text that `check` accepts: it does not throw. */
export const checked =
  (check: (text: string) => unknown) =>
  (text: string): string => {
    try {
      check(text);
    } catch (error) {
      throw new InvalidArgumentError((error as Error).message);
    }
    return text;
  };

const at = (path: string) => statSync(path, { throwIfNoEntry: false });

/** A folder, or where one may be made. */
export const folder = checked((path) => {
  if (path === '') throw new Error('It must name a folder.');
  if (at(path)?.isDirectory() === false) throw new Error('It is not a folder.');
});

/** A file that is there; a pipe may be one, too. */
export const file = checked((path) => {
  const there = at(path);
  if (!there) throw new Error('There is no such file.');
  if (there.isDirectory()) throw new Error('It is a folder.');
});
