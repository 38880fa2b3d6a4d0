import { webcrypto } from 'node:crypto';
import { releaseBuffer } from './buffer-pool.ts';
import { isCostly } from './decoders/costly.ts';
import { sniffFormat } from './decoders/sniff.ts';
import type { Engine } from './engine.ts';
import { Inferences } from './inferences.ts';
import { type Preprocessed, preprocess } from './preprocess.ts';
import { readPhoto } from './read-photo.ts';
import { toVerdict } from './scores.ts';
import type { Tagging } from './tagger.ts';
import type { WorkerOptions } from './worker-protocol.ts';

type PhotoLineOptions = Pick<WorkerOptions, 'bundle' | 'engine' | 'limits'>;

/**
 * The way of photos through one worker: read → decode → infer. All of it is done in other threads
 * (but for inference by wasm and tfjs-node), so that photos are read and decoded while others are
 * inferred.
 */
export class PhotoLine {
  readonly #options: PhotoLineOptions;
  #inferences: Inferences;
  /** Ends with the last costly photo that was begun. */
  #costly: Promise<unknown> = Promise.resolve();

  constructor(engine: Engine, options: PhotoLineOptions) {
    this.#inferences = new Inferences(engine);
    this.#options = options;
  }

  /** Goes over to the same engine and model, loaded anew. Resolves when the one before is closed. */
  use(engine: Engine): Promise<void> {
    const before = this.#inferences;
    this.#inferences = new Inferences(engine);
    return before.close();
  }

  /** @throws RetaggerError for the photo's fault, anything else for ours. */
  async tag(path: string): Promise<Tagging> {
    const { bundle, engine, limits } = this.#options;
    const started = performance.now();
    const bytes = await readPhoto(path, limits.bytes);
    const hash = sha256Hex(bytes); // of a copy
    const { pixels, width, height } = await this.#decode(bytes).finally(() => releaseBuffer(bytes));
    const sha256 = await hash;
    const decode = performance.now() - started;
    const { logits, ms: infer } = await this.#inferences.infer(pixels);
    releaseBuffer(pixels);
    const verdict = toVerdict(logits, bundle.manifest);
    const ms = { decode: tenths(decode), infer: tenths(infer) };
    return { ...verdict, sha256, width, height, ms, model: bundle.id, engine };
  }

  /** Several at once, but one at a time of those that need much memory. */
  #decode(bytes: Buffer): Promise<Preprocessed> {
    const decode = () => preprocess(bytes, this.#options.limits);
    if (!isCostly(sniffFormat(bytes), bytes)) return decode();
    const decoded = this.#costly.then(decode);
    this.#costly = decoded.catch(() => {});
    return decoded;
  }
}

const tenths = (ms: number): number => Math.round(ms * 10) / 10;

/** Off this thread, unlike `createHash`. */
async function sha256Hex(bytes: Uint8Array): Promise<string> {
  return Buffer.from(await webcrypto.subtle.digest('SHA-256', bytes)).toString('hex');
}
