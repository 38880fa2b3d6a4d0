import { loadBundle, verifyBundle } from '../inference/bundle.ts';
import { type Check, fail, ok } from './check.ts';

export const model: Check = {
  name: 'model',
  async run(config) {
    try {
      const bundle = await loadBundle(config.model.dir);
      await verifyBundle(bundle);
      return ok(`${bundle.id} in ${config.model.dir}, all checksums match`);
    } catch (error) {
      return fail(
        (error as Error).message,
        'Install the package again, or point model.dir at a whole model folder.',
      );
    }
  },
};
