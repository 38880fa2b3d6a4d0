import { execFileSync, spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { eventually, temporaryDir } from './harness.ts';

/** One machine as several hosts: network namespaces on one switch. Needs root and iproute2. */

const PORT = 1883;
let networks = 0;

const run = (...command: string[]) => execFileSync(command[0] as string, command.slice(1));

/** A switch in a namespace of its own, with Mosquitto beside it; this process is on it too. */
export async function network() {
  const number = (process.pid + networks++) % 200;
  const subnet = `10.214.${number}`;
  const hub = `rthub${number}`;
  const names = new Set<string>();
  const namespace = (name: string) => {
    run('ip', 'netns', 'add', name);
    names.add(name);
  };
  onTestFinished(() => {
    for (const name of names) run('ip', 'netns', 'del', name);
  });
  namespace(hub);
  const atHub = (...command: string[]) => run('ip', 'netns', 'exec', hub, ...command);
  atHub('ip', 'link', 'add', 'switch', 'type', 'bridge');
  atHub('ip', 'addr', 'add', `${subnet}.1/24`, 'dev', 'switch');
  for (const link of ['switch', 'lo']) atHub('ip', 'link', 'set', link, 'up');

  let cables = 0;
  /** @param inside the host at its other end; null for this process's own. */
  const plug = (inside: string | null, address: string) => {
    const [near, far] = [`rt${number}n${cables}`, `rt${number}f${cables}`];
    cables += 1;
    run('ip', 'link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', hub);
    atHub('ip', 'link', 'set', far, 'master', 'switch', 'up');
    if (inside !== null) run('ip', 'link', 'set', near, 'netns', inside);
    const there = inside === null ? [] : ['ip', 'netns', 'exec', inside];
    run(...there, 'ip', 'addr', 'add', `${subnet}.${address}/24`, 'dev', near);
    run(...there, 'ip', 'link', 'set', near, 'up');
    if (inside !== null) run(...there, 'ip', 'link', 'set', 'lo', 'up');
  };
  plug(null, '2');

  const conf = join(await temporaryDir(), 'mosquitto.conf');
  await writeFile(conf, `listener ${PORT}\nallow_anonymous true\nmax_queued_messages 0\n`);
  const beside = (...command: string[]) => {
    const child = spawn('ip', ['netns', 'exec', hub, ...command], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    return child;
  };
  let broker = beside('mosquitto', '-c', conf);
  const answers = () =>
    new Promise<boolean>((resolve) => {
      const socket = connect(PORT, `${subnet}.1`, () => resolve(true));
      socket.on('error', () => resolve(false)).once('connect', () => socket.destroy());
    });
  await eventually(answers);

  let hosts = 0;
  return {
    url: `mqtt://${subnet}.1:${PORT}`,
    /** Starts a program on the broker's host. */
    beside,
    /** The broker dies, forgets everything and starts again. */
    async restart() {
      broker.kill('SIGKILL');
      await sleep(200);
      broker = beside('mosquitto', '-c', conf);
      await sleep(500);
    },
    /**
     * The broker's host drops packets both ways, without a word.
     * @param match which ones, as iptables says it; default: all.
     * @returns ends that.
     */
    drop(...match: string[]) {
      const rules = (action: string) => {
        for (const [chain, side] of [
          ['INPUT', '-i'],
          ['OUTPUT', '-o'],
        ] as const) {
          const what = ['-p', 'tcp', '!', side, 'lo', ...match, '-j', 'DROP'];
          atHub('iptables', action, chain, ...what);
        }
      };
      rules('-A');
      return () => rules('-D');
    },
    /** Another host. @returns what a command must begin with to run there. */
    host(): string[] {
      const name = `rthost${number}n${hosts}`;
      namespace(name);
      plug(name, String(10 + hosts++));
      return ['ip', 'netns', 'exec', name];
    },
  };
}
