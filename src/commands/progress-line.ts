/** Where one phase of work stands. */
export interface Standing {
  readonly phase: string;
  readonly done: number;
  readonly total: number;
  readonly figures?: string;
  /** Null while nothing is known. */
  readonly secondsLeft: number | null;
}

const BAR = 24;

/** 45 s, 3m 20s, 1h 05m. */
export function duration(seconds: number): string {
  const whole = Math.max(1, Math.round(seconds));
  if (whole < 60) return `${whole}s`;
  const two = (value: number) => String(value).padStart(2, '0');
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${two(whole % 60)}s`;
  return `${Math.floor(whole / 3600)}h ${two(Math.floor((whole % 3600) / 60))}m`;
}

/** What a line may take; a serial console's terminal says that it has 0 columns. */
export const lineWidth = (columns: number | undefined): number => (columns || 80) - 1;

/**
 * One line of at most `width` characters. What does not fit is left out, the bar first, then the
 * figures, the count and the phase; the time left is what people look for, and stays.
 */
export function progressLine(standing: Standing, width: number, bar = true): string {
  const { phase, done, total, figures = '', secondsLeft } = standing;
  const full = Math.round((BAR * Math.min(done, total)) / Math.max(1, total));
  const parts = [
    { text: phase, rank: 1 },
    { text: bar ? '█'.repeat(full) + '░'.repeat(BAR - full) : '', rank: 4 },
    { text: `${done}/${total}`, rank: 2 },
    { text: figures, rank: 3 },
    { text: `time left ${secondsLeft === null ? '?' : duration(secondsLeft)}`, rank: 0 },
  ];
  const line = (most: number) =>
    parts
      .filter(({ text, rank }) => text !== '' && rank <= most)
      .map(({ text }) => text)
      .join(' ');
  for (let most = 4; most > 0; most--) if (line(most).length <= width) return line(most);
  return line(0);
}

/** Time left by the pace since the first news: a resumed phase begins in the middle. */
export class Pace {
  #from: { readonly done: number; readonly at: number } | null = null;

  /** @returns seconds, or null while nothing is known. */
  left(done: number, total: number, now = performance.now()): number | null {
    this.#from ??= { done, at: now };
    const progress = done - this.#from.done;
    return progress > 0 ? ((now - this.#from.at) / 1000 / progress) * (total - done) : null;
  }
}
