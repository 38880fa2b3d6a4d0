import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

interface Packet {
  readonly type: number;
  /** The lower half of the first byte. */
  readonly flags: number;
  /** What follows the fixed header. */
  readonly body: Buffer;
}

/** First bytes of answers, and packet types that clients send. */
const CONNACK = 0x20;
const SUBACK = 0x90;
const CONNECT = 1;
const SUBSCRIBE = 8;
export const PUBLISH = 3;

/**
 * A broker that does just what a test wants: takes connections of MQTT 5 with these CONNACK
 * properties, grants subscriptions, and else says nothing but what `onPacket` answers.
 * @param refuse the CONNACK's reason; 0 for a connection.
 */
export async function scriptedBroker(
  properties: number[],
  onPacket: (packet: Packet, socket: Socket) => void,
  refuse: (connect: Packet) => number = () => 0,
): Promise<string> {
  const server = createServer((socket) => {
    onTestFinished(() => void socket.destroy());
    socket.on('error', () => {});
    let data: Buffer = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      data = Buffer.concat([data, chunk]);
      for (let packet = first(data); packet !== null; packet = first(data)) {
        data = data.subarray(packet.size);
        if (packet.type === CONNECT) {
          const answer = [0, refuse(packet), properties.length, ...properties];
          socket.write(Buffer.from([CONNACK, answer.length, ...answer]));
        } else if (packet.type === SUBSCRIBE) {
          const [high = 0, low = 0] = packet.body;
          socket.write(Buffer.from([SUBACK, 4, high, low, 0, 1]));
        } else onPacket(packet, socket);
      }
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function first(data: Buffer): (Packet & { size: number }) | null {
  let length = 0;
  for (let n = 1; n < data.length; n++) {
    const digit = data[n] as number;
    length += (digit & 0x7f) * 128 ** (n - 1);
    if (digit >= 0x80) continue;
    const size = n + 1 + length;
    if (data.length < size) return null;
    const [head = 0] = data;
    return { type: head >> 4, flags: head & 0x0f, body: data.subarray(n + 1, size), size };
  }
  return null;
}

/** Name of the topic that a PUBLISH goes to. */
export const topicOf = ({ body }: Packet) => body.subarray(2, 2 + body.readUInt16BE(0)).toString();

/** PUBACK for a PUBLISH with QoS 1; a reason is an error. */
export function puback({ body }: Packet, reason?: number): number[] {
  const id = body.subarray(2 + body.readUInt16BE(0)).subarray(0, 2);
  return reason === undefined ? [0x40, 2, ...id] : [0x40, 3, ...id, reason];
}
