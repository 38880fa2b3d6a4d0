/** Longest name the usual Linux file systems take, in bytes. */
export const NAME_BYTES = 255;

/**
 * `name + suffix`, shortened in the middle of the name where that would be longer than a file
 * system takes; the name's own extension and the suffix stay.
 */
export function fitName(name: string, suffix: string): string {
  const dot = name.lastIndexOf('.');
  const extension = dot > 0 && name.length - dot <= 16 ? name.slice(dot) : '';
  let stem = extension === '' ? name : name.slice(0, dot);
  const room = NAME_BYTES - Buffer.byteLength(extension) - Buffer.byteLength(suffix);
  if (Buffer.byteLength(stem) > room) {
    // By code points, so that no character is cut in half.
    const characters = Array.from(stem);
    let bytes = Buffer.byteLength(stem);
    while (bytes > room - 1) bytes -= Buffer.byteLength(characters.pop() as string);
    stem = `${characters.join('')}~`;
  }
  return `${stem}${extension}${suffix}`;
}
