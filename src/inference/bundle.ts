import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { sha256OfFile } from '../files/file-hash.ts';
import { readSmallFile } from '../files/small-file.ts';
import { ifThere, isCode } from '../files/system-errors.ts';
import { ofPackage } from '../package-root.ts';

/** Of `model.json`; ours has a few hundred. */
const MANIFEST_BYTES = 1024 * 1024;

/** A model folder's `model.json`. File names are relative to the folder. */
const ManifestSchema = Type.Object({
  format: Type.Literal(1),
  name: Type.String({ minLength: 1 }),
  version: Type.String({ minLength: 1 }),
  /** Output order of every engine. Each is a folder's name, and stands in logs and tables. */
  labels: Type.Array(Type.String({ pattern: '^\\P{Cc}+$' }), { minItems: 2, uniqueItems: true }),
  /** Scores below its label's threshold abstain (`tag: null`). */
  thresholds: Type.Record(Type.String(), Type.Number({ minimum: 0, maximum: 1 })),
  /** Logits are divided by this before softmax (temperature scaling). */
  temperature: Type.Number({ exclusiveMinimum: 0 }),
  files: Type.Object({
    /** Canonical weights: safetensors, float16, names as in `inceptionv3.ts`. */
    weights: Type.String(),
    /** Quantised graph for the ONNX engines: input u8 NHWC pixels, output f32 logits. */
    int8: Type.String(),
  }),
  /** Hex SHA-256 by file name. */
  sha256: Type.Record(Type.String(), Type.String({ pattern: '^[0-9a-f]{64}$' })),
});
export type Manifest = Static<typeof ManifestSchema>;

/** Whether a manifest may say this. */
export const fitsManifest = (key: 'name' | 'version', value: string): boolean =>
  Value.Check(ManifestSchema.properties[key], value);

/** A model folder whose manifest is valid. */
export interface ModelBundle {
  readonly dir: string;
  readonly manifest: Manifest;
  /** name@version, as results carry it. */
  readonly id: string;
}

/** What a training keeps in its model's folder. */
export const TRAINING_DIR = '.training';
/** Where a training lays a model's files before it moves them to their places in the folder. */
export const EXPORT_DIR = join(TRAINING_DIR, 'export');

/** The model that comes with the package. */
export const BUNDLED_MODEL_DIR = ofPackage('models/retagger-inceptionv3/');

/** @throws Error that names the folder and what is wrong with it. */
export async function loadBundle(dir: string): Promise<ModelBundle> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(await readSmallFile(join(dir, 'model.json'), MANIFEST_BYTES));
  } catch (error) {
    if (isCode(error, 'ENOENT') && (await ifThere(stat(join(dir, EXPORT_DIR))))) {
      const cure = 'the same command with --resume finishes it';
      throw new Error(
        `${dir} is incomplete: its training has not written all of the model; ${cure}`,
      );
    }
    throw new Error(`${dir} is not a model folder: ${(error as Error).message}`, { cause: error });
  }
  const fault = [...Value.Errors(ManifestSchema, parsed)][0];
  if (fault) throw new Error(`${join(dir, 'model.json')}: ${fault.instancePath} ${fault.message}`);
  const manifest = parsed as Manifest;
  for (const label of manifest.labels) {
    if (!Object.hasOwn(manifest.thresholds, label)) {
      throw new Error(`${join(dir, 'model.json')}: no threshold for label "${label}"`);
    }
  }
  return { dir, manifest, id: `${manifest.name}@${manifest.version}` };
}

/**
 * Compares files with their checksums.
 * @param files names in the folder; by default all that the manifest names.
 * @throws Error that names the first damaged one.
 */
export async function verifyBundle(
  bundle: ModelBundle,
  files: readonly string[] = Object.values(bundle.manifest.files),
): Promise<void> {
  for (const file of files) {
    const expected = bundle.manifest.sha256[file];
    if (expected === undefined) {
      throw new Error(`${join(bundle.dir, file)} has no checksum in model.json`);
    }
    if ((await sha256OfFile(join(bundle.dir, file))) !== expected) {
      throw new Error(`${join(bundle.dir, file)} does not match its checksum in model.json`);
    }
  }
}
