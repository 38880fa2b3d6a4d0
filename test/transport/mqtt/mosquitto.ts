import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { eventually, temporaryDir } from '../../daemon/support.ts';

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/**
 * Real Mosquitto with persistence, in a folder of its own.
 * @param settings lines of its configuration file, besides listener and persistence.
 */
export async function mosquitto(settings: string[] = ['allow_anonymous true']) {
  const dir = await temporaryDir();
  const port = await freePort();
  const file = join(dir, 'mosquitto.conf');
  const lines = [
    `listener ${port} 127.0.0.1`,
    'persistence true',
    `persistence_location ${dir}/`,
    // It runs as root in containers and would change to a user who may not write here.
    'user root',
    `log_dest file ${join(dir, 'mosquitto.log')}`,
    ...settings,
  ];
  await writeFile(file, `${lines.join('\n')}\n`);
  let child: ChildProcess | null = null;
  const broker = {
    port,
    dir,
    url: `mqtt://127.0.0.1:${port}`,
    async up() {
      child = spawn('mosquitto', ['-c', file], { stdio: ['ignore', 'inherit', 'inherit'] });
      await once(child, 'spawn');
      const { exitCode } = child;
      await eventually(() => child?.exitCode !== exitCode || answers(port));
      if (child.exitCode !== exitCode) throw new Error('mosquitto does not start');
      return broker;
    },
    /** Reads its rights again. */
    reload: () => child?.kill('SIGHUP'),
    /** How often clients with such ids have connected. */
    async connects(id: string) {
      const log = await readFile(join(dir, 'mosquitto.log'), 'utf8');
      return log.split('\n').filter((line) => line.includes(` as ${id}`)).length;
    },
    /** It stops answering, and its connections stay open. */
    freeze() {
      const frozen = child;
      frozen?.kill('SIGSTOP');
      const thaw = () => frozen?.kill('SIGCONT');
      onTestFinished(() => void thaw());
      return { thaw };
    },
    /** With SIGTERM it saves its sessions; with SIGKILL it does not. */
    async down(signal: NodeJS.Signals = 'SIGTERM') {
      const ended = child;
      child = null;
      if (ended === null || ended.exitCode !== null) return;
      const exit = once(ended, 'exit');
      ended.kill(signal);
      await exit;
    },
  };
  onTestFinished(() => broker.down());
  return broker.up();
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

/** CONNACK of a 3.1.1 broker: unacceptable protocol version. */
const REFUSED = Buffer.from([0x20, 2, 0, 1]);

/** What a broker of yesterday looks like: refuses MQTT 5, and passes 3.1.1 on to `port`. */
export async function withoutMqtt5(port: number): Promise<string> {
  const sockets = new Set<Socket>();
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).once('close', () => sockets.delete(socket));
  };
  const server = createServer((socket) => {
    keep(socket);
    socket.once('data', (first) => {
      // Fixed header of one byte and its length, then the name "MQTT" and the level.
      const name = first.indexOf('MQTT');
      if (first[name + 4] === 5) return socket.end(REFUSED);
      const upstream = connect(port, '127.0.0.1');
      keep(upstream);
      upstream.write(first);
      socket.pipe(upstream).pipe(socket);
      socket.once('close', () => upstream.destroy());
      upstream.once('close', () => socket.destroy());
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
