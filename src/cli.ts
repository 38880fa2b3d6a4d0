#!/usr/bin/env -S MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=65536 MALLOC_TRIM_THRESHOLD_=65536 node --optimize-for-size
import { Command, CommanderError } from 'commander';
import { ConfigError } from './config/config-error.ts';
import { version } from './version.ts';

// The first line bounds this process's memory: two arenas for malloc and its large blocks given back
// at once, and V8 collects what was used before the heap has doubled (bench/notes.md).
/** Arguments → a command; nothing else. Each command's file is loaded only when it is needed. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  run: async () => (await import('./commands/run.ts')).runCommand(),
  tag: async () => (await import('./commands/tag.ts')).tagCommand(),
  train: async () => (await import('./commands/train.ts')).trainCommand(),
  evaluate: async () => (await import('./commands/evaluate.ts')).evaluateCommand(),
  bench: async () => (await import('./commands/bench.ts')).benchCommand(),
  doctor: async () => (await import('./commands/doctor.ts')).doctorCommand(),
};

/** Commander's usage errors are exit code 2; help and version are 0. */
function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  return error instanceof ConfigError ? 2 : 1;
}

function throwOnExit(command: Command): Command {
  command.exitOverride().showHelpAfterError('(--help shows the usage)');
  for (const child of command.commands) throwOnExit(child);
  return command;
}

async function main(argv: readonly string[]): Promise<void> {
  const program = new Command('retagger')
    .description('Tags real-estate photos: watch folder, MQTT and HTTP in, room labels out.')
    .version(version);
  const wanted = argv.slice(2).find((argument) => !argument.startsWith('-')) ?? '';
  const chosen = Object.hasOwn(COMMANDS, wanted) ? COMMANDS[wanted] : undefined;
  const loaders = chosen ? [chosen] : Object.values(COMMANDS);
  for (const load of loaders) program.addCommand(await load());
  throwOnExit(program);
  if (argv.length <= 2) program.help({ error: true });
  await program.parseAsync(argv);
}

// `retagger … | head` closes the pipe early: nobody reads the rest.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  process.stderr.write(`retagger: the output cannot be written: ${error.message}\n`);
  process.exit(1);
});

// Who reads the messages may leave too; hours of training go on without.
process.stderr.on('error', () => {});

try {
  await main(process.argv);
} catch (error) {
  if (!(error instanceof CommanderError)) {
    process.stderr.write(`retagger: ${error instanceof Error ? error.message : String(error)}\n`);
  }
  process.exitCode = exitCodeOf(error);
}
