import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { forNextStart } from '../config/live.ts';
import type { Config } from '../config/schema.ts';
import { makeOwnFolder } from '../files/own-folder.ts';
import { createTagger } from '../inference/supervisor/supervisor.ts';
import { type Logger, withoutCredentials } from '../log.ts';
import { FolderDoor } from '../transport/folder/door.ts';
import { HttpDoor } from '../transport/http/door.ts';
import { MqttDoor } from '../transport/mqtt/door.ts';
import { Admission } from './admission.ts';
import { Filing } from './filing/filing.ts';
import { Retention } from './filing/retention.ts';
import { HomeDisk } from './home-disk.ts';
import { DataLock } from './lock.ts';
import { createMetrics } from './metrics.ts';
import { SystemdNotify } from './notify.ts';
import { NoOutbox } from './outbox/no-outbox.ts';
import { DiskOutbox } from './outbox/outbox.ts';
import { Answers } from './pipeline/answers.ts';
import { TaggingPipeline } from './pipeline/pipeline.ts';
import type { Health, Part } from './ports.ts';
import { ProgressWatch } from './progress-watch.ts';
import { Spool } from './spool/spool.ts';
import type { SpoolEntry } from './spool/spool-entry.ts';

/** The pipeline's own deadline is a second less. */
const PART_STOP_MS = 7000;

export interface Daemon {
  /** Resolves when every door is open and the model tags. */
  start(): Promise<void>;
  /** Finishes what is in flight, parks the rest in the spool; within 10 s. Also after a failed start. */
  stop(): Promise<void>;
  /**
   * Takes over what may change while it runs: `model.dir` (also with new files in the same
   * folder), `ingest.after` (not from or to `keep`) and `ingest.xmp`.
   * @throws Error that says why the model is not taken; the old one goes on.
   */
  reload(config: Config): Promise<void>;
  /** Where the doors are; null where one is closed. */
  readonly urls: { readonly http: string | null; readonly broker: string | null };
  health(): Record<string, Health>;
}

/** The composition root: what is built, in which order it starts, and in which it stops. */
export function createDaemon(config: Config, log: Logger): Daemon {
  const { dir, keep_days } = config.data;
  const home = new HomeDisk(dir);
  const lock = new DataLock(dir);
  const tagger = createTagger({
    modelDir: config.model.dir,
    engine: config.engine,
    limits: config.limits,
    cacheDir: join(dir, 'cache'),
    log,
  });
  const answers = new Answers(tagger, config.limits.remembered);
  const admission = new Admission(config.limits, home, log);
  const spool = new Spool(home, config.limits.upload_bytes, log);
  const diskOutbox = config.mqtt.enabled ? new DiskOutbox(home, log) : null;
  const outbox = diskOutbox ?? new NoOutbox();
  const filing = new Filing(home, config.ingest, log);
  const retention = keep_days ? new Retention(dir, keep_days, log) : null;
  const parts = { config, log, tagger, answers, spool, outbox, filing, admission };
  const pipeline = new TaggingPipeline(parts);
  const progress = new ProgressWatch({
    pipeline,
    // A model that still loads has the start's own deadline; a disk is mended by no restart.
    excused: () => tagger.state === 'starting' || pipeline.refusal('folder') === 'disk_low',
    photoSeconds: config.limits.photo_seconds,
  });
  const notify = new SystemdNotify({
    log,
    alive: () => progress.alive(),
    status: () => `${pipeline.length} photos waiting, ${outbox.length} results for the broker`,
  });
  const metrics = createMetrics({ pipeline, outbox, tagger });
  const info = () => tagger.info;
  /** Why the model that was asked for last is not in use. */
  let refused = '';

  const http = config.http.enabled
    ? new HttpDoor({ config, log, pipeline, metrics, health, info })
    : null;
  const mqtt = diskOutbox && new MqttDoor({ config, log, pipeline, outbox: diskOutbox, info });
  const folder = config.ingest.watch ? new FolderDoor({ config, log, pipeline }) : null;

  return {
    get urls() {
      return { http: http?.url ?? null, broker: mqtt ? withoutCredentials(mqtt.url) : null };
    },
    health,
    async start() {
      await makeOwnFolder(dir);
      await lock.start();
      await notify.start();
      // The model first: it takes longest to load, and everything else starts meanwhile.
      const model = tagger.start();
      model.catch(() => {});
      await Promise.all([admission.start(), http?.start(), recover()]);
      await Promise.all([mqtt?.start(), folder?.start(), model.then(() => pipeline.start())]);
      await notify.ready();
      // Not before: it looks at every filed photo.
      await retention?.start();
    },
    async reload(next) {
      try {
        const before = tagger.info;
        const swapped = await tagger.swap(next.model.dir);
        if (swapped !== before) answers.forget();
        refused = '';
        // Only now: what is wrong changes nothing, and "delete" least of all.
        const stays = forNextStart(config, next).includes('ingest.after');
        filing.ingest = stays ? { ...next.ingest, after: filing.ingest.after } : next.ingest;
        log.info({ model: swapped.model, after: filing.ingest.after }, 'configuration taken over');
      } catch (error) {
        refused = `; ${next.model.dir} is not in use: ${(error as Error).message}`;
        throw error;
      }
    },
    async stop() {
      pipeline.refuse();
      void notify.stopping();
      // HTTP callers get their answers and the broker its results before those doors close. What is
      // in one line does not need each other, and together stays within 10 s with all of it stuck.
      const order = [
        { folder },
        { pipeline },
        { http, mqtt, tagger },
        { admission, retention, notify, lock },
      ];
      for (const parts of order) await Promise.all(Object.entries(parts).map(stopPart));
    },
  };

  function health(): Record<string, Health> {
    const { info, state } = tagger;
    return {
      model: { ok: info !== null, detail: `${info?.model ?? 'loading'}${refused}` },
      engine: { ok: state === 'ready', detail: info === null ? state : `${info.engine}: ${state}` },
      ...pipeline.health(),
      disk: admission.health(),
      ...(mqtt && { broker: mqtt.health() }),
      ...(folder && { folder: folder.health() }),
    };
  }

  async function stopPart([name, part]: [string, Pick<Part, 'stop'> | null]): Promise<void> {
    if (part === null) return;
    await inTime(part.stop(), (err) => log.warn({ err, stopping: name }, 'a part does not stop'));
    log.debug({ stopped: name }, 'a part stopped');
  }

  /** Finds what the last run left and puts it back to work. */
  async function recover(): Promise<void> {
    const { entries: found, strays } = await spool.open();
    const entries: SpoolEntry[] = [];
    for (const entry of found) {
      if (isTakenAnew(entry, config.ingest)) await spool.remove(entry);
      else entries.push(entry);
    }
    for (const stray of strays) await filing.rescue(stray);
    const messages = await diskOutbox?.open(new Set(entries.map((entry) => entry.key)));
    pipeline.recover({ entries, messages: messages ?? new Map() });
  }
}

/** A file that was to stay in the folder, which now moves files away: it takes this one once more. */
const isTakenAnew = ({ source, body }: SpoolEntry, { watch, after }: Config['ingest']): boolean =>
  source === 'folder' && body === 'kept' && watch && after !== 'keep';

/** Waits for a part to stop, but not so long that the others would not get their turn. */
async function inTime(stopped: Promise<void>, onLate: (error: unknown) => void): Promise<void> {
  const late = Symbol('late');
  const timer = sleep(PART_STOP_MS, late, { ref: false });
  const first = await Promise.race([stopped.catch(onLate), timer]);
  if (first === late) onLate(new Error(`waited ${PART_STOP_MS} ms`));
}
