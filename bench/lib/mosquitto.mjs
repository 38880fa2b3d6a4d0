import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './servers.mjs';

/**
 * A broker on loopback. `start` gives its process, once it listens; after that has ended, another.
 * @param folder holds its configuration.
 * @param settings lines of mosquitto.conf besides.
 */
export async function mosquitto(folder, ...settings) {
  const port = await freePort();
  const conf = join(folder, 'mosquitto.conf');
  const lines = [`listener ${port} 127.0.0.1`, 'allow_anonymous true', ...settings];
  await writeFile(conf, `${lines.join('\n')}\n`);
  return {
    url: `mqtt://127.0.0.1:${port}`,
    async start() {
      const child = spawn('mosquitto', ['-c', conf], { stdio: 'ignore' });
      await sleep(500);
      return child;
    },
  };
}
