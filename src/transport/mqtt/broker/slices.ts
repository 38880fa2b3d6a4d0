import type { Socket } from 'node:net';
import type { Client } from 'aedes';

/** Bytes: hundreds of the smallest packets. */
const SLICE = 1024;
/** With so many packets being handled nothing more is read; photos sent together reach the disk together. */
const HANDLED = 64;

/** The part of an aedes client that reads its connection. */
interface Reading {
  /** Packets that are being handled. */
  _parsingBatch: number;
  /** Called with each that was. */
  _nextBatch(error?: Error | null): void;
  readonly _paused?: boolean;
  readonly connackSent: boolean;
  readonly _parser: { parse(chunk: Buffer): number };
  emit(event: 'error', error: Error): void;
}

/**
 * Has aedes read a connection in slices. By itself it handles all that has come at once, tens of
 * thousands of packets, and again whenever more comes; the answers wait in memory for a client that
 * does not read.
 * @param left bytes that are still to come of the packet that has begun: they are read with it.
 */
export function readInSlices(client: Client, socket: Socket, left: () => number): void {
  const reading = client as unknown as Reading;
  let isParsing = false;
  const readOn = () => {
    // The parser, which may be the caller, takes nothing while it hands out a packet.
    if (isParsing) return;
    // What follows CONNECT waits for its answer.
    const isFull = () => reading._parsingBatch >= (reading.connackSent ? HANDLED : 1);
    while (!isFull() && !reading._paused && !socket.destroyed) {
      const most = Math.max(left(), SLICE);
      const chunk: Buffer | null = socket.readableLength > most ? socket.read(most) : socket.read();
      if (chunk === null) return;
      isParsing = true;
      try {
        reading._parser.parse(chunk);
      } finally {
        isParsing = false;
      }
    }
  };
  socket.removeListener('readable', reading._nextBatch);
  socket.on('readable', readOn);
  reading._parsingBatch = 0;
  reading._nextBatch = (error) => {
    if (error) {
      reading.emit('error', error);
      return;
    }
    reading._parsingBatch = Math.max(0, reading._parsingBatch - 1);
    readOn();
  };
}
