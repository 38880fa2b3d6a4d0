/** `<ms since 1970>-<sequence>-<photo>` */
const KEY = /^(\d{15})-(\d{8})-([A-Za-z0-9]+)$/;

/** Spool key of the photo that a message is about, `0` for none; empty where it is no key of a message. */
export const photoOf = (key: string): string => KEY.exec(key)?.[3] ?? '';

/** Keys that sort by age: none is smaller than an earlier one, whatever the clock does. */
export class MessageKeys {
  #lastTime = 0;
  #sequence = 0;

  /** Goes on behind this one of an earlier run. */
  continueAfter(newest: string): void {
    const [, time = '0', sequence = '0'] = KEY.exec(newest) ?? [];
    this.#lastTime = Number.parseInt(time, 10);
    this.#sequence = Number.parseInt(sequence, 10);
  }

  next(photo = '0'): string {
    const now = Date.now();
    if (now > this.#lastTime) {
      this.#lastTime = now;
      this.#sequence = 0;
    } else {
      this.#sequence += 1;
    }
    const time = String(this.#lastTime).padStart(15, '0');
    return `${time}-${String(this.#sequence).padStart(8, '0')}-${photo}`;
  }
}
