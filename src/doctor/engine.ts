import type { Config } from '../config/schema.ts';
import { loadBundle } from '../inference/bundle.ts';
import { ENGINE_NAMES, type EngineName } from '../inference/engine.ts';
import { cpuFeatures, multipliesMatrices } from '../inference/engines/cpu-features.ts';
import { findOpenvino, NOT_INSTALLED } from '../inference/engines/openvino-path.ts';
import { orderFor } from '../inference/engines.ts';
import { createTagger } from '../inference/supervisor/supervisor.ts';
import { createLogger } from '../log.ts';
import { type Check, type Finding, fail, ok, warn } from './check.ts';

/**
 * Every engine is loaded by a worker of its own, as the daemon does it: one that crashes ends nothing
 * but that.
 */
export const engine: Check = {
  name: 'engine',
  async run(config) {
    const whole = await loadBundle(config.model.dir).then(Boolean, () => false);
    // Each would say the same, and what is there as not installed.
    if (!whole) return fail('not tried without a model', 'Mend the model first.');
    const faults = new Map<EngineName, string | null>();
    for (const name of ENGINE_NAMES) faults.set(name, await faultOf(name, config));
    return engineFinding(config.engine, faults, {
      library: findOpenvino(),
      features: await cpuFeatures(),
    });
  },
};

/**
 * @param faults why each engine does not load; null for one that does.
 * @param box as `orderFor` takes it.
 */
export function engineFinding(
  wanted: EngineName | 'auto',
  faults: ReadonlyMap<EngineName, string | null>,
  { library, features }: { readonly library: string | null; readonly features: string },
): Finding {
  const loads = ENGINE_NAMES.filter((name) => faults.get(name) === null);
  const says = (name: EngineName) => {
    if (loads.includes(name)) return 'loads';
    const fault = faults.get(name) ?? '';
    const optional = name === 'tfjs-node' || fault.includes(NOT_INSTALLED);
    return optional && wanted !== name ? 'not installed' : fault;
  };
  const detail = ENGINE_NAMES.map((name) => `${name}: ${says(name)}`).join('; ');
  if (wanted !== 'auto') {
    if (loads.includes(wanted)) return ok(detail);
    return fail(detail, `Set engine to auto${loads[0] ? ` or ${loads[0]}` : ''}.`);
  }
  if (loads.includes('onnxruntime')) {
    const taken = orderFor(library, features).find((name) => loads.includes(name));
    const faster = library === null && multipliesMatrices(features);
    const hint = faster ? '; this CPU has AMX: openvino, once installed, is faster' : '';
    return ok(`${detail}; auto takes ${taken}${hint}`);
  }
  const needs = 'onnxruntime needs glibc 2.28 or newer on x86-64 or ARM64.';
  if (loads.includes('wasm')) return warn(detail, `${needs} Until then wasm works, but slowly.`);
  return fail(detail, `${needs} Where the model is at fault, mend that first.`);
}

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
