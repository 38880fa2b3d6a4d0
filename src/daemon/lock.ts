import { lockFolder } from '../files/folder-lock.ts';
import type { Part } from './ports.ts';

/** Keeps a second daemon off the same data folder. */
export class DataLock implements Part {
  readonly #dir: string;
  #release = () => {};

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** @throws Error where another daemon has the folder. */
  async start(): Promise<void> {
    const held = `another retagger already runs with data.dir ${this.#dir}`;
    this.#release = await lockFolder(this.#dir, held);
  }

  async stop(): Promise<void> {
    this.#release();
    this.#release = () => {};
  }
}
