import type { Config } from '../config/schema.ts';
import { ENGINE_NAMES, type EngineName } from '../inference/engine.ts';
import { createTagger } from '../inference/supervisor.ts';
import { createLogger } from '../log.ts';
import { type Check, fail, ok, warn } from './check.ts';

/** Every engine is loaded by a worker of its own, as the daemon does it: one that crashes ends
 * nothing but that. */
export const engine: Check = {
  name: 'engine',
  startup: false,
  async run(config) {
    const reasons = new Map<EngineName, string | null>();
    for (const name of ENGINE_NAMES) reasons.set(name, await faultOf(name, config));
    const loads = ENGINE_NAMES.filter((name) => reasons.get(name) === null);
    const detail = ENGINE_NAMES.map((name) => `${name}: ${reasons.get(name) ?? 'loads'}`).join(
      '; ',
    );
    const wanted = config.engine;
    if (wanted !== 'auto' && !loads.includes(wanted)) {
      return fail(detail, `Set engine to auto${loads[0] ? ` or ${loads[0]}` : ''}.`);
    }
    if (loads.includes('onnxruntime') || wanted !== 'auto') return ok(detail);
    const advice =
      'onnxruntime needs glibc 2.28 or newer on x86-64 or ARM64; install it again there.';
    return loads.includes('wasm') ? warn(detail, advice) : fail(detail, advice);
  },
};

/** @returns why it does not load, or null where it does and one trial inference worked. */
async function faultOf(name: EngineName, config: Config): Promise<string | null> {
  const log = await createLogger({ level: 'fatal', fd: 2 });
  const tagger = createTagger({
    modelDir: config.model.dir,
    engine: name,
    limits: config.limits,
    log,
  });
  try {
    await tagger.start();
    return null;
  } catch (error) {
    return (error as Error).message.split('\n', 1)[0] as string;
  } finally {
    await tagger.stop();
  }
}
