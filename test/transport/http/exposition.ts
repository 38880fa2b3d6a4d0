/** name{label="value",…} → value of every sample, read strictly; for tests of `/metrics`. */

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const LABEL = '[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\[\\\\"n])*"';
const VALUE = '[-+]?(?:\\d+(?:\\.\\d+)?(?:e[-+]?\\d+)?|Inf)|NaN';
const SAMPLE = new RegExp(`^(${NAME})(?:\\{((?:${LABEL})(?:,${LABEL})*)\\})? (${VALUE})$`, 'i');
const COMMENT = new RegExp(
  `^# (?:HELP ${NAME} .*|TYPE ${NAME} (?:counter|gauge|histogram|summary))$`,
);

export type Read = (name: string, labels?: Record<string, string>) => number | undefined;

/** @throws Error that names the first line that is not Prometheus text format. */
export function parseExposition(text: string): Read & { names: Set<string> } {
  const samples = new Map<string, number>();
  const names = new Set<string>();
  for (const line of text.split('\n')) {
    if (line === '' || COMMENT.test(line)) continue;
    const [, name, labels = '', value] = SAMPLE.exec(line) ?? [];
    if (name === undefined) throw new Error(`not Prometheus text format: ${line}`);
    const id = key(name, labels === '' ? [] : (labels.match(new RegExp(LABEL, 'g')) ?? []));
    if (samples.has(id)) throw new Error(`twice: ${line}`);
    samples.set(id, Number(value?.replace(/inf/i, 'Infinity')));
    names.add(name);
  }
  const read: Read = (name, labels = {}) =>
    samples.get(
      key(
        name,
        Object.entries(labels).map(([label, value]) => `${label}="${value}"`),
      ),
    );
  return Object.assign(read, { names });
}

const key = (name: string, labels: readonly string[]) => `${name}{${[...labels].sort().join()}}`;
