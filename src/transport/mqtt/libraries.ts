/** The MQTT libraries, each read when it is first needed. */

/** The client. */
export async function loadMqtt() {
  await withoutNumberCache();
  return (await import('mqtt')).default;
}

/** The broker; not read where there is another one. */
export async function loadAedes() {
  await withoutNumberCache();
  return (await import('aedes')).Aedes;
}

/** What both write packets with has a buffer ready for each of 65,536 numbers, 7 MB of them, unless told so. */
async function withoutNumberCache(): Promise<void> {
  const { writeToStream } = await import('mqtt-packet');
  writeToStream.cacheNumbers = false;
}
