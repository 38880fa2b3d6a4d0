/** MQTT's own bound on a packet. */
const MQTT_BYTES = 268_435_455;
/** Room for the keys, quotes and white space around the base64 text. */
const JSON_BYTES = 64 * 1024;
/** Topic and packet id, and with MQTT 5 the properties. */
const HEADER_BYTES = 256 * 1024;

/** Bytes of the largest message that can hold a photo: the photo in base64, in JSON. */
export const largestMessage = (uploadBytes: number): number =>
  Math.ceil(uploadBytes / 3) * 4 + JSON_BYTES;

/** Remaining Length of the largest PUBLISH that is read whole, one byte over what is allowed. */
export const largestPacket = (uploadBytes: number): number =>
  Math.min(largestMessage(uploadBytes) + HEADER_BYTES + 1, MQTT_BYTES);
