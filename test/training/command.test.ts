import { CommanderError } from 'commander';
import { describe, expect, test } from 'vitest';
import { trainCommand } from '../../src/commands/train.ts';

/** What commander says about these arguments. */
function refusal(...args: string[]): string {
  const command = trainCommand().exitOverride();
  let text = '';
  command.configureOutput({
    writeErr: (part) => {
      text += part;
    },
  });
  try {
    command.parse(['--data', 'd', '--out', 'o', ...args], { from: 'user' });
  } catch (error) {
    expect(error).toBeInstanceOf(CommanderError);
    return text;
  }
  throw new Error('accepted');
}

describe('retagger train', () => {
  test.each([
    [['--epochs', '0'], /--epochs.*from 1 to 1000/],
    [['--epochs', '2.5'], /whole number/],
    [['--lr', 'fast'], /--lr/],
    [['--dropout', ''], /--dropout/],
    [['--balance', 'twice'], /equal, root, none/],
    [['--schedule', 'step'], /constant, cosine/],
    [['--unfreeze', 'mixed9'], /mixed0 … mixed8, all, none/],
    [['--group-by', '('], /--group-by/],
    [['--model-name', ''], /--model-name/],
    [['--model-version', ''], /--model-version/],
    [['--out', ''], /--out/],
    [['--cache', ''], /--cache/],
    [['--nonsense'], /unknown option/],
  ])('refuses %j', (args, message) => {
    expect(refusal(...args)).toMatch(message);
  });

  test("the paper's settings are the defaults", () => {
    const of = (name: string) => trainCommand().getOptionValue(name);
    expect([
      of('lr'),
      of('rho'),
      of('batch'),
      of('dropout'),
      of('epochs'),
      of('validation'),
    ]).toEqual([1e-4, 0.9, 64, 0.5, 50, 0.1]);
    expect([of('unfreeze'), of('balance'), of('schedule'), of('ema')]).toEqual([
      ...['all', 'equal', 'constant', 0],
    ]);
  });
});
