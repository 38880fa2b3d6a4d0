import { allowed, CONFIG_KEYS, type ConfigKey } from './keys.ts';

/** `docs/configuration.md`, made from the schema; a test holds the file against it. */
export function configurationReference(): string {
  return `# Configuration

Every key is a flag, an environment variable and a YAML key. Order: flags, then environment, then the
YAML file (\`--config\`, else \`/etc/retagger/config.yaml\` where it exists), then the default. A wrong key
or value stops the start with exit code 2 and says what is allowed. An empty environment variable
counts as not set. Put passwords into quotes in YAML: unquoted, \`#\` begins a comment.

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

/** Defaults that are worked out at start. */
const COMPUTED: Readonly<Record<string, string>> = {
  'node.id': 'the host name',
  'ingest.dir': '`<data.dir>/ingest`',
  'mqtt.base': '`retagger/<node.id>`',
  'model.dir': 'the bundled model',
  'mqtt.url': 'one already on 127.0.0.1:1883, else the embedded one started there',
};

function row(key: ConfigKey): string {
  const value = key.schema.default;
  const shown =
    COMPUTED[key.path] ?? (value === undefined ? 'none' : `\`${JSON.stringify(value)}\``);
  const cells = [
    `\`${key.path}\``,
    `\`${key.env}\``,
    `\`${key.flag}\``,
    shown,
    allowed(key).replaceAll('|', '\\|'),
    // Said in a column of its own.
    key.description.replace(/ Default: .*$/, ''),
  ];
  return `| ${cells.join(' | ')} |`;
}
