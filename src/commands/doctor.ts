import { Command } from 'commander';
import { addConfigFlags, configFrom } from '../config/flags.ts';
import { CHECKS, examine, type NamedFinding, STARTUP_CHECKS } from '../doctor/doctor.ts';

const MARKS = { ok: 'ok  ', warn: 'WARN', fail: 'FAIL' } as const;

/** `retagger doctor`: exit 0 where nothing failed, 1 where something did, 2 for a wrong configuration. */
export function doctorCommand(): Command {
  const command = new Command('doctor')
    .description('checks this box and says what to do about each finding')
    .option('--json', 'one JSON document instead of text')
    .option('--startup', 'only the quick checks without which the daemon cannot run');
  return addConfigFlags(command).action(async (options: { json?: true; startup?: true }) => {
    const checks = options.startup ? STARTUP_CHECKS : CHECKS;
    const findings: NamedFinding[] = [];
    for await (const finding of examine(configFrom(command), checks)) {
      findings.push(finding);
      if (!options.json) process.stdout.write(textOf(finding));
    }
    const failed = findings.some(({ status }) => status === 'fail');
    if (options.json) {
      process.stdout.write(`${JSON.stringify({ ok: !failed, findings }, null, 2)}\n`);
    }
    if (failed) process.exitCode = 1;
  });
}

function textOf({ check, status, detail, advice }: NamedFinding): string {
  const todo = advice === undefined ? '' : `\n${' '.repeat(18)}→ ${advice}`;
  return `${MARKS[status]}  ${check.padEnd(12)}${detail}${todo}\n`;
}
