import { mkdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { onTestFinished } from 'vitest';
import type { RawConfig } from '../../../src/config/schema.ts';
import { createMetrics } from '../../../src/daemon/metrics.ts';
import type { Health } from '../../../src/daemon/ports.ts';
import type { TaggerInfo, Tagging } from '../../../src/inference/tagger.ts';
import type { Logger } from '../../../src/log.ts';
import { HttpDoor } from '../../../src/transport/http/door.ts';
import type { Timings } from '../../../src/transport/http/parts.ts';
import { build, configIn, silent, TextTagger, temporaryDir } from '../../daemon/support.ts';

export const LABELS = ['bedroom', 'bathroom', 'balcony', 'kitchen', 'hall', 'others'] as const;
export const TOKEN = 'a token of good length';
/** Of an upload written by hand; what else it needs and an empty line come after it. */
export const HEAD =
  'POST /re-tagger HTTP/1.1\r\nhost: localhost\r\ncontent-type: multipart/form-data; boundary=b\r\n';

/** Tags text by its first word like its parent, with the product's six labels. */
export class SixTagger extends TextTagger {
  override info: TaggerInfo | null = { model: 'text@1', engine: 'wasm', labels: [...LABELS] };

  override async tag(path: string): Promise<Tagging> {
    const tagging = await super.tag(path);
    const rest = LABELS.filter((label) => label !== tagging.tag);
    const scores = Object.fromEntries(
      LABELS.map((label) => [label, label === tagging.tag ? 0.9 : 0.1 / rest.length]),
    );
    return { ...tagging, scores };
  }
}

export interface Running {
  readonly url: string;
  readonly door: HttpDoor;
  readonly tagger: SixTagger;
  /** The data folder. */
  readonly dir: string;
  /** What `/readyz` shows; tests may change it. */
  readonly health: Record<string, Health>;
  readonly parts: ReturnType<typeof build>;
}

/** The door on a free port, with the real pipeline behind it. */
export async function serve(
  changes: Parameters<typeof configIn>[1] = {},
  timings: Partial<Timings> = {},
  log: Logger = silent,
): Promise<Running> {
  const dir = await temporaryDir();
  await mkdir(dir, { recursive: true });
  const http: Partial<RawConfig['http']> = { port: 0, ...changes.http };
  const config = configIn(dir, { ...changes, http });
  const tagger = new SixTagger();
  const parts = build(config, tagger);
  await parts.start();
  const { pipeline, outbox } = parts;
  const health: Record<string, Health> = { model: { ok: true, detail: 'text@1' } };
  const metrics = createMetrics({ pipeline, outbox, tagger });
  const info = () => tagger.info;
  const door = new HttpDoor(
    { config, log, pipeline, metrics, health: () => health, info },
    timings,
  );
  await door.start();
  onTestFinished(async () => {
    tagger.letGo();
    // As the daemon does it: what is being filed is finished before its folder goes.
    await parts.pipeline.stop(2000);
    await door.stop();
  });
  return { url: door.url, door, tagger, dir, health, parts };
}

/** A multipart body as browsers make it. */
export function form(
  content: string | Uint8Array<ArrayBuffer>,
  field = 'image',
  name = 'a.jpg',
): FormData {
  const data = new FormData();
  data.append(field, new Blob([content]), name);
  return data;
}

export const post = (url: string, body: FormData | string, headers: Record<string, string> = {}) =>
  fetch(`${url}/re-tagger`, { method: 'POST', body, headers });

export interface RawAnswer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/**
 * Writes bytes on a socket and reads until the other end closes it or a whole answer is here.
 * For what `fetch` refuses to send.
 */
export function raw(url: string, request: string | Uint8Array): Promise<RawAnswer> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(Number(port), hostname, () => socket.write(request));
    const settle = () => {
      const answer = parse(text);
      if (answer === null) reject(new Error(`no answer but ${JSON.stringify(text)}`));
      else resolve(answer);
      socket.destroy();
    };
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      if (parse(text) !== null) settle();
    });
    socket.on('error', reject);
    socket.on('close', settle);
  });
}

/** @returns null while the answer is not complete. Bodies are taken by their length. */
function parse(text: string): RawAnswer | null {
  const end = text.indexOf('\r\n\r\n');
  if (end === -1) return null;
  const [line = '', ...lines] = text.slice(0, end).split('\r\n');
  const headers = Object.fromEntries(
    lines.map((header) => {
      const colon = header.indexOf(':');
      return [header.slice(0, colon).toLowerCase(), header.slice(colon + 1).trim()];
    }),
  );
  const body = text.slice(end + 4);
  if (body.length < Number(headers['content-length'] ?? 0)) return null;
  return { status: Number(line.split(' ')[1]), headers, body };
}
