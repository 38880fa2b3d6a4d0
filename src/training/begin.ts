import { hash } from 'node:crypto';
import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ifThere } from '../files/system-errors.ts';
import { TRAINING_DIR } from '../inference/bundle.ts';
import { storesIn } from './checkpoint.ts';
import { checkPhotos, type Dataset } from './data/dataset.ts';
import { writeFileSafely } from './files.ts';
import type { TrainOptions } from './options.ts';
import { CURE } from './record-store.ts';
import type { TrainReporter } from './reporter.ts';

/** What a run keeps while it trains, and for the next one. @param out the model's folder. */
export const trainingDir = (out: string): string => join(out, TRAINING_DIR);

/** `run.json` in the training folder: what a resumed run may rely on. */
export interface RunRecord {
  /** Of all that the first stage is made from. */
  readonly key: string;
  /** Of the photos that were checked. */
  readonly photos: string;
  /** The model was written. */
  readonly finished: boolean;
}

const file = (dir: string) => join(dir, 'run.json');

async function load(dir: string): Promise<RunRecord | null> {
  const text = await ifThere(readFile(file(dir), 'utf8'));
  try {
    return text === null ? null : (JSON.parse(text) as RunRecord);
  } catch {
    return null; // the photos are checked again
  }
}

export const saveRun = (dir: string, record: RunRecord): Promise<void> =>
  writeFileSafely(file(dir), JSON.stringify(record));

const there = async (path: string) => (await ifThere(stat(path))) !== null;

/** What a run that begins anew would throw away, in words; null where there is nothing. */
export async function heldBy(out: string): Promise<string | null> {
  const dir = trainingDir(out);
  const stopped = 'a run that was stopped (--resume)';
  if (await there(join(dir, 'checkpoint.json'))) return stopped;
  // A finished run leaves its stages there; a run that is to replace a model leaves that until its end.
  const model = await there(join(out, 'model.json'));
  if (model && (await load(dir))?.finished !== false) return 'a finished model';
  for (const stage of ['head', 'full']) if (await there(join(dir, `${stage}.json`))) return stopped;
  return model ? 'a finished model' : null;
}

/**
 * Makes the training folder ready: photos are checked, unless the run that is resumed has done so, and
 * what another run left is cleared away.
 * @throws Error where a finished model, or head stage, would be lost; DatasetError for bad photos.
 */
export async function beginRun(
  key: string,
  dataset: Dataset,
  options: Pick<TrainOptions, 'out' | 'resume' | 'overwrite'>,
  reporter: TrainReporter,
  signal?: AbortSignal,
): Promise<RunRecord> {
  const { out, resume, overwrite } = options;
  const dir = trainingDir(out);
  const before = resume ? await load(dir) : null;
  const model = await there(join(out, 'model.json'));
  const goesOn = before?.finished === false || before?.key === key;
  if (resume && model && !goesOn && !overwrite) {
    throw new Error(
      `--out ${out} holds a finished model, and no run with these settings and photos to resume; ` +
        '--overwrite begins anew',
    );
  }
  const isOther = before?.finished === false && before.key !== key;
  // A checkpoint says itself what it goes with.
  const headAlone =
    (await there(join(dir, 'head.json'))) && !(await there(join(dir, 'checkpoint.json')));
  if (isOther && headAlone && !overwrite) {
    throw new Error(`${dir}: stage head was trained with other settings or photos${CURE}`);
  }
  await mkdir(dir, { recursive: true });
  const photos = hash('sha256', JSON.stringify(dataset.photos));
  if (before?.photos !== photos) {
    reporter.start('checking photos', dataset.photos.length);
    await checkPhotos(dataset, (done) => reporter.update(done), signal);
    reporter.end();
  }
  if (!resume) {
    for (const store of Object.values(storesIn(dir))) await store.clear();
  }
  const record = { key, photos, finished: false };
  if (before?.key !== key || before.photos !== photos) await saveRun(dir, record);
  return record;
}
