import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { loadBundle } from '../inference/bundle.ts';
import { LOGITS } from '../inference/network/inceptionv3.ts';
import { decodeSafetensors, type Tensor, type Tensors } from '../inference/network/safetensors.ts';

/** What a run begins with. */
export interface Base {
  /** With a last layer for the run's labels in their order, or without one. */
  readonly weights: Tensors;
  /** Of the file's bytes and of what became of its last layer. */
  readonly sha256: string;
  /** What became of the last layer, for people. */
  readonly said: string;
}

/**
 * @param path a safetensors file, or a model folder: its weights.
 * @param stated the user listed the labels, so their order is known to be meant.
 * @throws Error that names the file.
 */
export async function readBase(
  path: string,
  labels: readonly string[],
  stated: boolean,
): Promise<Base> {
  try {
    const { file, known } = await weightsAt(path);
    const bytes = await readFile(file);
    const fitted = fitHead(decodeSafetensors(bytes), known, labels, stated);
    const sha256 = createHash('sha256').update(bytes).update(fitted.said).digest('hex');
    return { ...fitted, sha256 };
  } catch (error) {
    throw new Error(`base weights ${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** The weights' file, and the labels by the `model.json` there; null where it does not speak of them. */
async function weightsAt(path: string) {
  if ((await stat(path)).isDirectory()) {
    const { files, labels } = (await loadBundle(path)).manifest;
    return { file: join(path, files.weights), known: labels };
  }
  const bundle = await loadBundle(dirname(path)).catch(() => null);
  const isOurs = bundle?.manifest.files.weights === basename(path);
  return { file: path, known: isOurs ? bundle.manifest.labels : null };
}

/**
 * The base's last layer says nothing of which output is which label; a wrong guess is a model that is
 * confidently wrong. It is taken only where its labels are known.
 * @param known its labels in their order, or null.
 */
export function fitHead(
  base: Tensors,
  known: readonly string[] | null,
  labels: readonly string[],
  stated: boolean,
): { weights: Tensors; said: string } {
  const fresh = (why: string) => ({
    weights: new Map([...base].filter(([name]) => !name.startsWith(`${LOGITS}/`))),
    said: `a new last layer: ${why}`,
  });
  const kept = (weights: Tensors, how: string) => ({
    weights,
    said: `the base's last layer is taken${how}`,
  });
  const outputs = base.get(`${LOGITS}/bias`)?.shape[0];
  const same = (a: readonly string[], b: readonly string[]) =>
    JSON.stringify(a) === JSON.stringify(b);
  if (known && !same([...known].sort(), [...labels].sort())) {
    return fresh(`the base's is for ${known.join(', ')}`);
  }
  if (outputs !== labels.length) return fresh(`the base has none for ${labels.length} labels`);
  if (known === null) {
    return stated
      ? kept(base, '; no model.json beside it: its outputs are taken to be the --labels as listed')
      : fresh('no model.json beside the base says what its outputs mean (or give --labels)');
  }
  if (same(known, labels)) return kept(base, '');
  const from = labels.map((label) => known.indexOf(label));
  return kept(permuted(base, from), ", its outputs put in this run's order of labels");
}

/** The last layer with output `from[k]` at k: the last axis of kernel and bias. */
function permuted(base: Tensors, from: readonly number[]): Tensors {
  const n = from.length;
  const reorder = ({ shape, data }: Tensor): Tensor => ({
    shape,
    data: data.map((_, i) => data[i - (i % n) + (from[i % n] as number)] as number),
  });
  return new Map(
    [...base].map(([name, tensor]) => [
      name,
      name.startsWith(`${LOGITS}/`) ? reorder(tensor) : tensor,
    ]),
  );
}
