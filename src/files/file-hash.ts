import { createHash } from 'node:crypto';
import { constants, open } from 'node:fs/promises';

const PIECE_BYTES = 256 * 1024;

/**
 * Hex SHA-256 of a file's bytes. They are read into one buffer, piece by piece: a stream takes a
 * third longer, and leaves as much garbage as the file has bytes. @throws Error where it cannot be read.
 */
export async function sha256OfFile(path: string | Buffer): Promise<string> {
  const hash = createHash('sha256');
  // Without waiting: opening a named pipe would block until someone writes to it.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = await file.stat();
    if (!stats.isFile()) throw new Error(`${path} is not a regular file`);
    const { size } = stats;
    const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, size + 1));
    for (;;) {
      const { bytesRead } = await file.read(piece, 0, piece.length);
      if (bytesRead === 0) return hash.digest('hex');
      hash.update(piece.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}
