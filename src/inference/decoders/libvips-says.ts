/** What libvips and its decoders mean by what they say of a photo. */

/**
 * Warnings of libjpeg and libtiff that leave the picture whole. Phones, scanners and web sites write such
 * files daily; every other warning means lost pixels.
 */
const HARMLESS = [
  'extraneous bytes before marker',
  'Invalid SOS parameters',
  'Adobe color transform',
  'Inconsistent progression',
  'JFIF revision',
  'tags are not sorted in ascending order',
  'does not end in null byte',
  'Bogus "StripByteCounts" field',
  'missing required "StripByteCounts" field, calculating from imagelength',
  'Defining non-color channels as ExtraSamples',
  'encoded with progressive mode, which is normally not legal for JPEG-in-TIFF',
  'libtiff should be able to decode it',
];

/** How a decoder says that it does not take this kind of picture, whole or not. */
const UNSUPPORTED = new RegExp(
  [
    'not (configured|implemented|supported)',
    'Unsupported (JPEG process|marker type 0xf7)', // hierarchical, lossless of old; JPEG-LS
    'data precision \\d+$',
    'samples out of range',
    'not a whole number of bytes',
    'bad labq format',
    'Unknown pseudo-tag', // LogLuv
    'no known route from', // a camera's raw samples, Lab of printers, masks
    // More channels than a colour and its transparency: selections saved with the picture.
    'exceeds channel limit',
    'vector must have 1 or \\d elements',
  ].join('|'),
);

/** What libvips says besides. */
const SAYS_NOTHING = /^$|^Warning treated as error|^error in tile|^read gave \d+ warnings/;

/** Whether all that is said leaves the picture whole. */
export function isHarmless(error: Error): boolean {
  const said = linesOf(error);
  return said.length > 0 && said.every((line) => HARMLESS.some((text) => line.includes(text)));
}

/** Of a photo that does not decode: why, and whether it is of a kind that nobody here decodes. */
export function whyNot(error: Error): { reason: string; unsupported: boolean } {
  const [reason = 'it does not decode'] = linesOf(error);
  return { reason, unsupported: UNSUPPORTED.test(reason) };
}

/** Without what is said of every photo. */
function linesOf({ message }: Error): string[] {
  return message.split('\n').filter((line) => !SAYS_NOTHING.test(line));
}
