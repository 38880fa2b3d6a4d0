/** Smaller chunks are held, so many bytes of them together. */
const SMALL = 4 * 1024;
const ROOM = 16 * 1024;

/**
 * Joins the chunks of a packet that comes in crumbs: the parser keeps each as an object of its own
 * until the packet is whole, many times what it holds.
 */
export class SmallChunks {
  #room: Buffer | null = null;
  #filled = 0;

  /**
   * @param isLast whether no packet goes on behind this chunk.
   * @returns what the parser may see by now, with what was held before; null where that is nothing.
   */
  add(chunk: Buffer, isLast: boolean): Buffer | null {
    if (!isLast && chunk.length < SMALL && this.#filled + chunk.length <= ROOM) {
      this.#room ??= Buffer.allocUnsafeSlow(ROOM);
      this.#filled += chunk.copy(this.#room, this.#filled);
      return null;
    }
    if (this.#room === null || this.#filled === 0) return chunk;
    const joined = Buffer.concat([this.#room.subarray(0, this.#filled), chunk]);
    this.#filled = 0;
    return joined;
  }
}
