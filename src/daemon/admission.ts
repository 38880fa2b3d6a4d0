import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { OWN_FOLDERS } from '../config/folders.ts';
import type { Config } from '../config/schema.ts';
import { isCode } from '../files/system-errors.ts';
import type { Logger } from '../log.ts';
import type { Source } from '../result.ts';
import { disk } from './disk.ts';
import type { HomeDisk } from './home-disk.ts';
import type { Health, Part, Refusal } from './ports.ts';
import { SharedRun } from './shared-run.ts';

/** How often the free disk is looked at. A photo is small beside `limits.disk_free_bytes`. */
const DISK_EVERY_MS = 3000;
/** More than a block, so that it needs room of its own. */
const PROBE_BYTES = 16 * 1024;
/** The spool may hold so many photos of the largest size. */
const SPOOL_UPLOADS = 16;

/**
 * The share of `limits.queue` that one source may fill. Folder photos wait in their folder as well
 * as in the spool, so they take little; what they and MQTT leave is for HTTP, whose callers wait.
 */
const SHARE: Readonly<Record<Source, number>> = { http: 1, mqtt: 0.5, folder: 0.25 };

/** What admission looks at. */
export interface Load {
  /** Photos accepted and not finished, by source. */
  readonly pending: Readonly<Record<Source, number>>;
  /** Bytes in the spool. */
  readonly spoolBytes: number;
  /** Messages waiting for the broker. */
  readonly outbox: number;
  /** False until the spool has been read, and where the model cannot be loaded. */
  readonly ready: boolean;
  readonly stopping: boolean;
}

/** Says whether a photo may come in; all bounds are kept here, before anything is written. */
export class Admission implements Part {
  readonly #limits: Config['limits'];
  readonly #home: HomeDisk;
  readonly #log: Logger;
  #timer: NodeJS.Timeout | null = null;
  #free: number | null = null;
  #fault: string | null = null;
  #doubtful = false;
  readonly #looks = new SharedRun(() => this.#look());

  constructor(limits: Config['limits'], home: HomeDisk, log: Logger) {
    this.#limits = limits;
    this.#home = home;
    this.#log = log;
  }

  async start(): Promise<void> {
    await this.measure();
    this.#timer = setInterval(() => void this.measure(), DISK_EVERY_MS);
    this.#timer.unref();
  }

  async stop(): Promise<void> {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** The first bound that is reached, or null. */
  refusal(source: Source, load: Load): Refusal | null {
    if (load.stopping) return 'stopping';
    if (!load.ready) return 'not_ready';
    if (this.#low || this.#fault !== null) return 'disk_low';
    const { queue, outbox, upload_bytes } = this.#limits;
    const total = load.pending.http + load.pending.mqtt + load.pending.folder;
    const share = Math.max(1, Math.floor(queue * SHARE[source]));
    if (total >= queue || load.pending[source] >= share) return 'queue_full';
    if (load.spoolBytes >= SPOOL_UPLOADS * upload_bytes) return 'queue_full';
    // Every pending photo will put one message.
    if (load.outbox + total >= outbox) return 'outbox_full';
    return null;
  }

  health(): Health {
    if (this.#fault !== null) return { ok: false, detail: this.#fault };
    const free = this.#free === null ? 'not measured yet' : `${sizeOf(this.#free)} free`;
    if (!this.#low) return { ok: true, detail: free };
    const least = sizeOf(this.#limits.disk_free_bytes);
    return { ok: false, detail: `${free}, less than limits.disk_free_bytes (${least})` };
  }

  /** A write failed: until one works again nothing is accepted. */
  failed(): Promise<void> {
    this.#doubtful = true;
    return this.measure();
  }

  /** Looks at the disk now. */
  measure(): Promise<void> {
    return this.#looks.run();
  }

  get #low(): boolean {
    return this.#free !== null && this.#free < this.#limits.disk_free_bytes;
  }

  async #look(): Promise<void> {
    const before = this.health().ok;
    const doubtful = this.#doubtful;
    this.#doubtful = false;
    try {
      await this.#home.check();
      const { bavail, bsize } = await statfs(this.#home.dir);
      this.#free = bavail * bsize;
      // Free bytes say nothing of quotas, inodes, rights and disks gone read-only.
      if (doubtful) await this.#probe();
      this.#fault = null;
    } catch (error) {
      this.#doubtful ||= doubtful;
      this.#fault = `${this.#home.dir}: ${(error as Error).message}`;
    }
    const { ok, detail } = this.health();
    if (ok === before) return;
    if (ok) this.#log.info({ disk: detail }, 'photos are accepted again');
    else this.#log.error({ disk: detail }, 'nothing is accepted until the disk is well again');
  }

  /** Writes where photos and results are written; rights may have been taken from one folder alone. */
  async #probe(): Promise<void> {
    for (const folder of ['', ...OWN_FOLDERS]) {
      const path = join(this.#home.dir, folder, '.probe.tmp');
      try {
        await disk.write(path, Buffer.alloc(PROBE_BYTES));
      } catch (error) {
        // Folders are made when they are needed.
        if (!isCode(error, 'ENOENT')) throw error;
      } finally {
        await disk.remove(path).catch(() => {});
      }
    }
  }
}

const MiB = 1024 * 1024;
const sizeOf = (bytes: number) =>
  bytes < 10_240 * MiB ? `${Math.round(bytes / MiB)} MiB` : `${Math.round(bytes / MiB / 1024)} GiB`;
