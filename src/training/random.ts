/**
 * Seeded random numbers (sfc32). Everything random in training comes from a stream named by what
 * it is for ("draw", epoch 3), so that a resumed run draws what the broken one would have drawn,
 * without any generator's state in the checkpoint.
 */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform integer in [0, bound). */
  integer(bound: number): number;
  /** Uniform in [low, high). */
  between(low: number, high: number): number;
  /** True with this probability. */
  chance(probability: number): boolean;
  /** Standard normal. */
  normal(): number;
  /** In place; returns its argument. */
  shuffle<T>(items: T[]): T[];
}

/** FNV-1a, 32 bits. */
function hash(text: string, start: number): number {
  let h = start >>> 0;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return h;
}

/** The stream that `keys` name under `seed`; the same arguments give the same numbers. */
export function random(seed: number, ...keys: readonly (string | number)[]): Random {
  const name = [seed, ...keys].join('\u0000');
  let a = hash(name, 0x811c9dc5);
  let b = hash(name, 0x9e3779b9);
  let c = hash(name, 0x243f6a88);
  let counter = 1;
  const bits = (): number => {
    const t = (a + b + counter++) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + t;
    return t >>> 0;
  };
  for (let i = 0; i < 12; i++) bits();
  const next = () => bits() / 2 ** 32;
  const integer = (bound: number) => Math.floor(next() * bound);
  return {
    next,
    integer,
    between: (low, high) => low + next() * (high - low),
    chance: (probability) => next() < probability,
    normal: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
    shuffle(items) {
      for (let i = items.length - 1; i > 0; i--) {
        const j = integer(i + 1);
        [items[i], items[j]] = [items[j] as never, items[i] as never];
      }
      return items;
    },
  };
}
