import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { eventually, temporaryDir } from '../../e2e/harness.ts';

/**
 * Debian's Firefox with an empty profile, for one test. It is spoken to in its own protocol,
 * Marionette: Playwright asks more of a Firefox than this one knows.
 */
export async function firefox(): Promise<Firefox> {
  const profile = await temporaryDir();
  // 0 is a free port, which Firefox then writes down.
  await writeFile(join(profile, 'user.js'), 'user_pref("marionette.port", 0);\n');
  const flags = ['--headless', '--marionette', '--no-remote', '--profile', profile];
  const child = spawn('/usr/bin/firefox-esr', flags, { stdio: 'ignore' });
  await once(child, 'spawn');
  const exit = once(child, 'exit');
  onTestFinished(async () => {
    child.kill();
    await exit;
  });
  const port = () => readFile(join(profile, 'MarionetteActivePort'), 'utf8').catch(() => '');
  await eventually(async () => (await port()) !== '');
  const browser = new Firefox(connect(Number(await port()), '127.0.0.1'));
  await browser.ask('WebDriver:NewSession');
  return browser;
}

class Firefox {
  readonly #socket: Socket;
  readonly #messages: AsyncGenerator<unknown>;
  #asked = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#messages = messages(socket);
  }

  /**
   * One command of WebDriver; one at a time.
   * @throws Error with what Firefox says against it.
   */
  async ask<T>(command: string, parameters: object = {}): Promise<T> {
    // First it says who it is.
    if (this.#asked === 0) await this.#messages.next();
    this.#asked += 1;
    const message = JSON.stringify([0, this.#asked, command, parameters]);
    this.#socket.write(`${Buffer.byteLength(message)}:${message}`);
    const { value } = await this.#messages.next();
    const [, , error, result] = value as [number, number, { message: string } | null, T];
    if (error !== null) throw new Error(`${command}: ${error.message}`);
    return result;
  }

  /** Opens `url` in a new window, and goes there. */
  async open(url: string): Promise<void> {
    const window = await this.ask('WebDriver:NewWindow', { type: 'window' });
    await this.ask('WebDriver:SwitchToWindow', window as object);
    await this.ask('WebDriver:Navigate', { url });
  }

  /** Resolves when the element at `selector` is there and has `text` in it. */
  async see(selector: string, text: string): Promise<void> {
    const script = 'return document.querySelector(arguments[0])?.textContent ?? ""';
    const asked = { script, args: [selector] };
    await eventually(async () => {
      const { value } = await this.ask<{ value: string }>('WebDriver:ExecuteScript', asked);
      return value.includes(text);
    });
  }

  /** Chooses files, by their full paths, in the field at `selector`. */
  async choose(selector: string, files: readonly string[]): Promise<void> {
    const asked = { using: 'css selector', value: selector };
    const { value } = await this.ask<{ value: object }>('WebDriver:FindElement', asked);
    const [id] = Object.values(value);
    await this.ask('WebDriver:ElementSendKeys', { id, text: files.join('\n') });
  }
}

/** Each is JSON after its length in bytes and a colon. */
async function* messages(socket: Socket): AsyncGenerator<unknown> {
  let unread = Buffer.alloc(0);
  for await (const chunk of socket) {
    unread = Buffer.concat([unread, chunk]);
    for (;;) {
      const start = unread.indexOf(':') + 1;
      const end = start + Number.parseInt(unread.toString('latin1', 0, start), 10);
      if (start === 0 || unread.length < end) break;
      yield JSON.parse(unread.toString('utf8', start, end));
      unread = unread.subarray(end);
    }
  }
}
