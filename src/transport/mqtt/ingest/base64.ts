import { setImmediate } from 'node:timers/promises';

/** Characters decoded in one go; a multiple of 4, and few enough not to hold up the event loop. */
const CHUNK = 4 * 256 * 1024;

const EQUALS = 0x3d;

/**
 * Decodes base64 (standard or URL-safe alphabet, padding optional) without a second copy of the
 * text. Node's own decoder skips what is no base64; here that is an error.
 *
 * @param text one byte per character.
 * @returns null where `text` is not base64.
 */
export async function decodeBase64(text: Uint8Array): Promise<Buffer | null> {
  let length = text.length;
  if (length % 4 === 0) {
    // At most two.
    if (text[length - 1] === EQUALS) length -= 1;
    if (text[length - 1] === EQUALS) length -= 1;
  }
  if (length % 4 === 1) return null;
  const size = Math.floor((length * 3) / 4);
  const bytes = Buffer.allocUnsafeSlow(size);
  const characters = Buffer.from(text.buffer, text.byteOffset, length);
  let written = 0;
  for (let at = 0; at < length; at += CHUNK) {
    const part = characters.subarray(at, at + CHUNK);
    const expected = Math.floor((part.length * 3) / 4);
    // A skipped character makes it shorter.
    if (bytes.write(part.toString('latin1'), written, 'base64') !== expected) return null;
    written += expected;
    if (length > CHUNK) await setImmediate();
  }
  return bytes;
}
