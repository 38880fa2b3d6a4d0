import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { Command, Option } from 'commander';
import { addConfigFlags, configFrom } from '../config/flags.ts';
import type { Config } from '../config/schema.ts';
import { resultOf } from '../daemon/pipeline/outcome.ts';
import { expandPhotos } from './photo-files.ts';
import { createProgress } from './progress.ts';
import { fileOfStandardInput, STANDARD_INPUT } from './standard-input.ts';
import { type TaggedFile, tagFiles } from './tag-files.ts';
import { TAGGER_KEYS, withTagger } from './with-tagger.ts';

type Format = 'json' | 'table';

/** `retagger tag`: files in, one result a line out. */
export function tagCommand(): Command {
  const command = new Command('tag')
    .description('tags photos once, without the daemon: one JSON result a line')
    .argument('<file...>', 'photos, or folders with photos; - is a photo on standard input')
    .addOption(
      new Option('--format <format>', 'json: one result a line; table: for people')
        .choices(['json', 'table'])
        .default('json'),
    );
  addConfigFlags(command, ['node.id', ...TAGGER_KEYS]);
  return command.action(async (paths: string[], options: { format: Format }) => {
    await tag(paths, options.format, configFrom(command, { tolerant: true }));
  });
}

async function tag(paths: readonly string[], format: Format, config: Config): Promise<void> {
  const files = await expandPhotos(paths);
  if (files.length === 0) throw new Error('there are no photos in what was given');
  await withTagger(config, config.engine, async (tagger) => {
    // Where the results appear on the terminal they show the progress; a bar would stand in their lines.
    const shown = process.stderr.isTTY && !process.stdout.isTTY;
    const progress = createProgress('tagging', files.length, shown);
    const received = new Date().toISOString();
    let input: Promise<string> | undefined;
    const open = (path: string) => {
      if (path !== STANDARD_INPUT) return path;
      input ??= fileOfStandardInput(config.limits.upload_bytes);
      return input;
    };
    for await (const file of tagFiles(tagger, files, open)) {
      if ('error' in file) process.exitCode = 1;
      const line = format === 'json' ? jsonLine(file, config.node.id, received) : tableLine(file);
      if (!process.stdout.write(`${line}\n`)) await once(process.stdout, 'drain');
      progress.advance();
    }
    progress.stop();
  });
}

/** The contract's result; `source` is "folder", as the file came from one. */
function jsonLine(file: TaggedFile, node: string, receivedAt: string): string {
  const photo = { id: randomUUID(), source: 'folder' as const, file: file.path, receivedAt };
  if ('tagging' in file)
    return JSON.stringify(resultOf(photo, file.tagging, { node, queuedMs: 0 }));
  const { code, message } = file.error;
  return JSON.stringify({
    id: photo.id,
    node,
    source: photo.source,
    file: file.path,
    code,
    message,
  });
}

function tableLine(file: TaggedFile): string {
  // A name may hold what breaks a line, or is a command to the terminal.
  const name = file.path.replace(/\p{Cc}/gu, '\ufffd');
  if ('error' in file) return `${'–'.padEnd(12)} ${'–'.padStart(5)}  ${name}  (${file.error.code})`;
  const { tag, score } = file.tagging;
  return `${(tag ?? '?').padEnd(12)} ${`${Math.round(score * 100)} %`.padStart(5)}  ${name}`;
}
