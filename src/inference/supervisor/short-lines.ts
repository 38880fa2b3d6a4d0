import type { Readable } from 'node:stream';

/**
 * Calls back for each line of a text. What is longer than `limit` characters is dropped as it comes:
 * a line without an end never lies in memory.
 */
export function onShortLine(stream: Readable, limit: number, onLine: (line: string) => void): void {
  let line = '';
  stream.setEncoding('utf8');
  stream.on('data', (text: string) => {
    const [first = '', ...others] = text.split('\n');
    line += first.slice(0, limit - line.length);
    for (const other of others) {
      onLine(line);
      line = other.slice(0, limit);
    }
  });
  stream.once('end', () => {
    if (line !== '') onLine(line);
  });
}
