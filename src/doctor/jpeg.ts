import { turbojpeg } from '../inference/decoders/turbojpeg.ts';
import { findTurbojpeg } from '../inference/decoders/turbojpeg-path.ts';
import { type Check, type Finding, ok, warn } from './check.ts';

/** What decodes most JPEGs. There is always sharp; the pixels are the same. */
export const jpeg: Check = {
  name: 'jpeg',
  run: async () => jpegFinding(findTurbojpeg(), (await turbojpeg()) !== null),
};

/** @param path of TurboJPEG, or null where it is not installed. */
export function jpegFinding(path: string | null, loads: boolean): Finding {
  if (path === null)
    return ok(
      'by sharp; by libjpeg-turbo it is faster (Debian: libturbojpeg0, Ubuntu: libturbojpeg)',
    );
  if (loads) return ok(`by libjpeg-turbo, ${path}`);
  return warn(
    `by sharp; ${path} does not load`,
    'Install libjpeg-turbo 2.0 or newer for this CPU.',
  );
}
