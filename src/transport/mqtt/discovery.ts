import type { Config } from '../../config/schema.ts';
import type { TaggerInfo } from '../../inference/tagger.ts';
import { version } from '../../version.ts';
import type { Topics } from './topics.ts';

/** State of the tag's sensor for a photo without a tag. */
const UNSURE = 'unsure';

/** A retained message. */
export interface Announcement {
  readonly topic: string;
  readonly payload: string;
}

/**
 * What Home Assistant's MQTT discovery needs to show this box as one device: the last tag, its
 * score, the last error; away while `<base>/status` says so. One message for the whole device, as
 * Home Assistant understands since 2024.12.
 * @returns null where discovery is off.
 */
export function discoveryOf(
  { node, mqtt }: Pick<Config, 'node' | 'mqtt'>,
  topics: Topics,
  info: TaggerInfo,
): Announcement | null {
  if (mqtt.discovery === undefined) return null;
  // Ids in discovery topics know no dots.
  const id = `retagger_${node.id.replaceAll('.', '_')}`;
  const name = 'RE-Tagger edge';
  const sensor = (key: string, more: object) => ({
    ...{ platform: 'sensor', unique_id: `${id}_${key}` },
    ...more,
  });
  const config = {
    device: { identifiers: [id], name: node.id, manufacturer: name, model: info.model },
    origin: { name, sw_version: version },
    availability: [{ topic: topics.status, value_template: '{{ value_json.state }}' }],
    qos: 1,
    components: {
      tag: sensor('tag', {
        name: 'Last tag',
        icon: 'mdi:image-search',
        state_topic: topics.result,
        value_template: `{{ value_json.tag or '${UNSURE}' }}`,
        json_attributes_topic: topics.result,
        device_class: 'enum',
        options: [...info.labels, UNSURE],
        // The same tag once more is an event too.
        force_update: true,
      }),
      score: sensor('score', {
        name: 'Last score',
        icon: 'mdi:percent-circle',
        state_topic: topics.result,
        value_template: '{{ (100 * value_json.score) | round(1) }}',
        unit_of_measurement: '%',
        state_class: 'measurement',
      }),
      error: sensor('error', {
        name: 'Last error',
        icon: 'mdi:image-broken-variant',
        state_topic: topics.error,
        value_template: '{{ value_json.code }}',
        json_attributes_topic: topics.error,
        entity_category: 'diagnostic',
      }),
    },
  };
  return { topic: `${mqtt.discovery}/device/${id}/config`, payload: JSON.stringify(config) };
}
