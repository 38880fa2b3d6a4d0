import { setImmediate } from 'node:timers/promises';

/** Characters decoded in one go; a multiple of 4, and few enough not to hold up the event loop. */
const CHUNK = 4 * 256 * 1024;

const EQUALS = 0x3d;
/** As a browser's FileReader has it. */
const DATA_URL = /^data:[^,]*;base64,/i;
/** More than stands before a data URL's comma. */
const DATA_URL_BYTES = 256;
/** Bytes of `\u002B`, which is how .NET writes a "+". */
const ESCAPED_BYTES = 6;

/**
 * Decodes the base64 of a JSON string. Around it and in it may stand what encoders put there: `data:…;base64,`,
 * line breaks, escapes.
 * @param literal what is between the quotes, as it is written.
 * @returns null where it is not base64.
 */
export async function decodeBase64String(literal: Buffer): Promise<Buffer | null> {
  const before = DATA_URL.exec(literal.toString('latin1', 0, DATA_URL_BYTES))?.[0] ?? '';
  const text = literal.subarray(before.length);
  if (!text.includes('\\') && !text.includes(' ')) return decodeBase64(text);
  const bare = await withoutBreaks(text);
  return bare && decodeBase64(bare);
}

/** Escapes undone, white space left out. @returns null where it is no JSON string, or not ASCII. */
async function withoutBreaks(literal: Buffer): Promise<Buffer | null> {
  const bare = Buffer.allocUnsafeSlow(literal.length);
  let length = 0;
  for (let at = 0; at < literal.length; ) {
    let end = Math.min(at + CHUNK, literal.length);
    // No escape is cut in two.
    const cut = literal.subarray(0, end).indexOf('\\', end - ESCAPED_BYTES + 1);
    if (end < literal.length && cut >= 0) end = cut;
    let part: string;
    try {
      part = JSON.parse(`"${literal.toString('latin1', at, end)}"`).replace(/\s+/g, '');
    } catch {
      return null;
    }
    if (/[^!-~]/.test(part)) return null;
    length += bare.write(part, length, 'latin1');
    at = end;
    if (literal.length > CHUNK) await setImmediate();
  }
  return bare.subarray(0, length);
}

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
