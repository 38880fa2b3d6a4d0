/** A wrong key or value: the program ends with exit code 2. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}
