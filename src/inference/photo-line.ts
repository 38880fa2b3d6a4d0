import { webcrypto } from 'node:crypto';
import type { ModelBundle } from './bundle.ts';
import { isCostly } from './costly.ts';
import type { Engine } from './engine.ts';
import { type ImageLimits, type Preprocessed, preprocess, readPhoto } from './preprocess.ts';
import { toVerdict } from './scores.ts';
import { sniffFormat } from './sniff.ts';
import type { Tagging } from './tagger.ts';

/**
 * The way of photos through one worker: read → decode → infer. Inference is one at a time and holds
 * up this thread's event loop; decoding runs in libuv's threads meanwhile, if it was started before.
 * Hence an inference waits until every photo that is here has been read and its decoding begun.
 */
export class PhotoLine {
  readonly #engine: Engine;
  readonly #bundle: ModelBundle;
  readonly #limits: ImageLimits;
  #reading = 0;
  #inferring = false;
  readonly #waiting: (() => void)[] = [];
  /** Ends with the last costly photo that was begun. */
  #costly: Promise<unknown> = Promise.resolve();

  constructor(engine: Engine, bundle: ModelBundle, limits: ImageLimits) {
    this.#engine = engine;
    this.#bundle = bundle;
    this.#limits = limits;
  }

  /** @throws RetaggerError for the photo's fault, anything else for ours. */
  async tag(path: string): Promise<Tagging> {
    const started = performance.now();
    const bytes = await this.#read(path);
    const [{ pixels, width, height }, sha256] = await Promise.all([
      this.#decode(bytes),
      sha256Hex(bytes),
    ]);
    const decoded = performance.now();
    await this.#turn();
    try {
      const from = performance.now();
      const logits = await this.#engine.infer(pixels);
      const verdict = toVerdict(logits, this.#bundle.manifest);
      const ms = { decode: tenths(decoded - started), infer: tenths(performance.now() - from) };
      const by = { model: this.#bundle.id, engine: this.#engine.name };
      return { ...verdict, sha256, width, height, ms, ...by };
    } finally {
      this.#inferring = false;
      this.#next();
    }
  }

  async #read(path: string): Promise<Buffer> {
    this.#reading += 1;
    try {
      return await readPhoto(path, this.#limits.bytes);
    } finally {
      this.#reading -= 1;
      this.#next();
    }
  }

  /** Several at once, but one at a time of those that need much memory. */
  #decode(bytes: Buffer): Promise<Preprocessed> {
    const decode = () => preprocess(bytes, this.#limits);
    if (!isCostly(sniffFormat(bytes), bytes)) return decode();
    const decoded = this.#costly.then(decode);
    this.#costly = decoded.catch(() => {});
    return decoded;
  }

  /** Resolves when this photo may have the engine. */
  #turn(): Promise<void> {
    const turn = new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#next();
    return turn;
  }

  #next(): void {
    // Once round the event loop, so that a photo just sent to us is taken in, and one just read
    // starts to decode, before the next inference holds everything up.
    setImmediate(() => {
      if (this.#inferring || this.#reading > 0) return;
      const start = this.#waiting.shift();
      if (!start) return;
      this.#inferring = true;
      start();
    });
  }
}

const tenths = (ms: number): number => Math.round(ms * 10) / 10;

/** Off this thread, unlike `createHash`. */
async function sha256Hex(bytes: Uint8Array): Promise<string> {
  return Buffer.from(await webcrypto.subtle.digest('SHA-256', bytes)).toString('hex');
}
