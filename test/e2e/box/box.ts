import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const BASE = resolve('.cache/debian-12');
const NAMESPACES = ['--mount', '--pid', '--ipc', '--uts', '--net', '--cgroup'];
const OUTPUT_BYTES = 16 * 2 ** 20;

export interface Said {
  readonly code: number;
  /** stdout and stderr as they came. */
  readonly text: string;
}

/** A regular expression, or anything else that knows. */
type Wanted = Pick<RegExp, 'test'>;

/**
 * A Debian 12 with systemd as process 1 and no network but its own loopback: the box a package is
 * installed on. Needs root and debootstrap. Whatever is done in it is gone after `stop`.
 */
export class Box {
  readonly #scratch: string;
  readonly #unshare: ChildProcess;
  /** Process 1 of the box, as seen from outside. */
  readonly #init: number;

  private constructor(scratch: string, unshare: ChildProcess, init: number) {
    this.#scratch = scratch;
    this.#unshare = unshare;
    this.#init = init;
  }

  /** Makes what every box starts from, once for all tests: minutes, so it belongs before them. */
  static async prepare(): Promise<void> {
    await mkdir(BASE, { recursive: true });
    await promisify(execFile)(here('base.sh'), [BASE]);
  }

  static async start(): Promise<Box> {
    await Box.prepare();
    const scratch = await mkdtemp(join(tmpdir(), 'retagger-box-'));
    await mkdir(`${scratch}.given`);
    const args = [...NAMESPACES, '--fork', '--kill-child', here('boot.sh'), BASE, scratch];
    const unshare = spawn('unshare', args, { stdio: ['ignore', 'ignore', 'inherit'] });
    await once(unshare, 'spawn');
    const children = `/proc/${unshare.pid}/task/${unshare.pid}/children`;
    let init = 0;
    while (!(init > 0)) {
      if (unshare.exitCode !== null) throw new Error('the box does not boot');
      await sleep(20);
      init = Number((await readFile(children, 'utf8')).trim());
    }
    const box = new Box(scratch, unshare, init);
    while (!/running|degraded/.test((await box.try('systemctl is-system-running')).text)) {
      if (unshare.exitCode !== null) throw new Error('the box does not boot');
      await sleep(200);
    }
    return box;
  }

  /** Runs a shell command as root inside; it may fail. */
  try(command: string): Promise<Said> {
    if (this.#unshare.exitCode !== null || this.#unshare.signalCode !== null) {
      return Promise.reject(new Error('the box has ended'));
    }
    const enter = ['--target', `${this.#init}`, '--mount', '--pid', '--ipc', '--uts', '--net'];
    const child = spawn(
      'nsenter',
      [...enter, '--cgroup', '--root', '--wd', 'sh', '-c', `exec 2>&1\n${command}`],
      { env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' }, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    let text = '';
    child.stdout.on('data', (data) => {
      if (text.length < OUTPUT_BYTES) text += data;
    });
    return once(child, 'close').then(([code]) => ({ code: code as number, text }));
  }

  /** @returns what it printed. @throws Error with that where it fails. */
  async sh(command: string): Promise<string> {
    const { code, text } = await this.try(command);
    if (code !== 0) throw new Error(`${command}: exit code ${code}\n${text}`);
    return text.trim();
  }

  /** Repeats a command until it prints what is wanted. @throws Error with what it prints instead. */
  async until(command: string, wanted: Wanted, seconds = 300): Promise<string> {
    const end = performance.now() + seconds * 1000;
    for (;;) {
      const { text } = await this.try(command);
      if (wanted.test(text)) return text.trim();
      if (performance.now() > end) throw new Error(`${command}: not as wanted\n${text}`);
      await sleep(100);
    }
  }

  /** Puts a file into the box's folder /given. */
  async give(path: string, name = basename(path)): Promise<string> {
    await copyFile(path, join(`${this.#scratch}.given`, name));
    return `/given/${name}`;
  }

  async stop(): Promise<void> {
    const gone = once(this.#unshare, 'exit');
    if (this.#unshare.exitCode === null && this.#unshare.signalCode === null) {
      this.#unshare.kill('SIGKILL');
      await gone;
    }
    for (const path of [this.#scratch, `${this.#scratch}.given`]) {
      await rm(path, { recursive: true, force: true, maxRetries: 10 });
    }
  }
}
