import { allowed, CONFIG_KEYS, type ConfigKey } from './keys.ts';

/** `docs/configuration.md`, made from the schema; a test holds the file against it. */
export function configurationReference(): string {
  return `# Configuration

Every key is a flag, an environment variable and a YAML key. Order: flags, then environment, then the
YAML file (\`--config\`, else \`/etc/retagger/config.yaml\` where it exists), then the default. A wrong key
or value stops the start with exit code 2 and says what is allowed. An empty environment variable
counts as not set. Put passwords into quotes in YAML: unquoted, \`#\` begins a comment. Secrets belong in that file (mode 0640):
flags, and what a unit sets in the environment, every user of the box can read.

| key | environment | flag | default | allowed | what |
| --- | --- | --- | --- | --- | --- |
${CONFIG_KEYS.map(row).join('\n')}

## Example

\`\`\`yaml
node:
  id: kiosk-7
ingest:
  dir: /srv/photos
  after: move
mqtt:
  url: mqtts://broker.example:8883
  username: kiosk-7
  ca: /etc/retagger/ca.pem
limits:
  memory_bytes: 402653184
\`\`\`
`;
}

const code = (text: string): string => `\`${text}\``;

/** The description, and apart from it the default that it names: one that is worked out at start. */
const DESCRIPTION = /^(?<what>.*?)(?: Default: (?<computed>.*)\.)?$/;

function row(key: ConfigKey): string {
  const { what, computed } = DESCRIPTION.exec(key.description)?.groups ?? {};
  const cells = [
    ...[key.path, key.env, key.flag].map(code),
    computed === undefined ? constant(key) : computed.includes('<') ? code(computed) : computed,
    allowed(key).replaceAll('|', '\\|'),
    what,
  ];
  return `| ${cells.join(' | ')} |`;
}

const constant = ({ schema }: ConfigKey): string =>
  schema.default === undefined ? 'none' : code(JSON.stringify(schema.default));
