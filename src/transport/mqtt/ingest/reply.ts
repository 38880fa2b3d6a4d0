import type { Reply } from '../../../daemon/ports.ts';
import { RetaggerError } from '../../../errors.ts';

/** Bytes; both are kept on disk with the photo until the answer is sent. */
const TOPIC_BYTES = 1024;
const CORRELATION_BYTES = 8 * 1024;

/** As in Mosquitto, which ends the connection of who publishes to a deeper topic. */
const TOPIC_LEVELS = 200;

/** The MQTT 5 properties that ask for an answer. */
export interface ReplyProperties {
  readonly responseTopic?: string;
  readonly correlationData?: Buffer;
}

/**
 * Where the sender wants the answer, besides the result topic.
 * @param ownTopics of this box: our answer would come in as the next photo, or be taken for a result.
 * @throws RetaggerError `request_invalid` for a topic that we must not publish to.
 */
export function readReply(
  properties: ReplyProperties | undefined,
  ownTopics: readonly string[],
): Reply | undefined {
  const topic = properties?.responseTopic;
  if (topic === undefined) return undefined;
  const correlation = properties?.correlationData;
  // $SYS and $share belong to the broker.
  if (topic === '' || /[#+\0]/.test(topic) || topic.startsWith('$')) {
    throw invalid('The Response Topic is not a topic to publish to.');
  }
  if (ownTopics.includes(topic))
    throw invalid("The Response Topic is one of this box's own topics.");
  if (Buffer.byteLength(topic) > TOPIC_BYTES) {
    throw invalid(`The Response Topic has more than ${TOPIC_BYTES} bytes.`);
  }
  if (topic.split('/').length > TOPIC_LEVELS) {
    throw invalid(`The Response Topic has more than ${TOPIC_LEVELS} levels.`);
  }
  if (correlation !== undefined && correlation.length > CORRELATION_BYTES) {
    throw invalid(`The Correlation Data has more than ${CORRELATION_BYTES} bytes.`);
  }
  return {
    topic,
    ...(correlation === undefined ? {} : { correlation: correlation.toString('base64') }),
  };
}

const invalid = (detail: string) => new RetaggerError('request_invalid', detail);
