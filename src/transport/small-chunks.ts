/** Smaller chunks are held, so many bytes of them together. */
const SMALL = 4 * 1024;
const ROOM = 16 * 1024;

/**
 * Joins chunks that come in crumbs: parsers and streams keep each as an object of its own, many
 * times what it holds, and bound only the bytes.
 */
export class SmallChunks {
  #room: Buffer | null = null;
  #filled = 0;

  /**
   * @param isLast whether nothing that belongs to this chunk goes on behind it.
   * @returns what may be seen by now, with what was held before; null where that is nothing.
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

  /** @returns what was held; null where that is nothing. */
  take(): Buffer | null {
    return this.#filled === 0 ? null : this.add(Buffer.alloc(0), true);
  }
}
