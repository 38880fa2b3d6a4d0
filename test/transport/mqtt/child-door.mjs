// A door in a process of its own, for tests that kill it. Arguments: folder of the compiled
// program, data folder, address of the broker. Photos are stored and never tagged.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { pino } from 'pino';

const [built, dir, url] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(join(built, path)));
const { loadConfig } = await load('config/load.js');
const { HomeDisk } = await load('daemon/home-disk.js');
const { DiskOutbox } = await load('daemon/outbox/outbox.js');
const { Spool } = await load('daemon/spool/spool.js');
const { MqttDoor } = await load('transport/mqtt/door.js');

const flags = { 'node-id': 'box', 'mqtt-base': 'retagger/box', 'data-dir': dir, 'mqtt-url': url };
const config = loadConfig({ env: {}, flags });
const log = pino({ level: 'silent' });
const home = new HomeDisk(dir);
const outbox = new DiskOutbox(home, log);
const spool = new Spool(home, config.limits.upload_bytes, log);
await spool.open();
await outbox.open(new Set());

const pipeline = {
  async accept(photo) {
    await spool.add(photo, Spool.key(photo));
    // For the test to see which id each photo had.
    await writeFile(join(dir, `${photo.id}.id`), '');
    return { outcome: new Promise(() => {}) };
  },
  refusal: () => null,
  room: async () => {},
  onOutcome: () => () => {},
};
const info = () => ({ model: 'none@1', engine: 'wasm', labels: [] });
const door = new MqttDoor({ config, log, pipeline, outbox, info });
await door.start();
process.stdout.write('started\n');
