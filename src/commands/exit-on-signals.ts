const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/**
 * Ctrl-C and SIGTERM end the process as `process.exit` does, with the code that a shell expects: what goes
 * at its exit goes then too. @returns takes that back.
 */
export function exitOnSignals(): () => void {
  const exit = (_: NodeJS.Signals, number: number) => process.exit(128 + number);
  for (const signal of SIGNALS) process.once(signal, exit);
  return () => {
    for (const signal of SIGNALS) process.off(signal, exit);
  };
}
