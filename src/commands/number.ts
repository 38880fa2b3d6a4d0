import { InvalidArgumentError } from 'commander';

/** A number within bounds, for commander. */
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
