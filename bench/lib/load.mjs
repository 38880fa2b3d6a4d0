import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';

const BOUNDARY = 'photo-boundary';

/** A photo as a multipart request body, made before anything is timed. */
export function bodyOf(path) {
  const head = `--${BOUNDARY}\r\ncontent-disposition: form-data; name="image"; filename="photo.jpg"\r\ncontent-type: image/jpeg\r\n\r\n`;
  return Buffer.concat([
    Buffer.from(head),
    readFileSync(path),
    Buffer.from(`\r\n--${BOUNDARY}--\r\n`),
  ]);
}

/** @returns status, scores and milliseconds of one request. Rejects where the connection fails. */
export function post(url, body, agent) {
  return new Promise((resolve, reject) => {
    const from = performance.now();
    const headers = {
      'content-type': `multipart/form-data; boundary=${BOUNDARY}`,
      'content-length': body.length,
    };
    const sent = request(url, { method: 'POST', headers, agent }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const ms = performance.now() - from;
        const { statusCode: status, headers } = response;
        resolve({ status, headers, ms, text: Buffer.concat(chunks).toString() });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/**
 * `clients` connections, each sending the next photo as soon as it has its answer.
 * @returns photos/s and the milliseconds of every request; throws at any answer but 200.
 */
export async function load({
  url,
  bodies,
  clients,
  seconds = Number.POSITIVE_INFINITY,
  count = Number.POSITIVE_INFINITY,
}) {
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  const times = [];
  let given = 0;
  const from = performance.now();
  const client = async () => {
    while (given < count && performance.now() - from < seconds * 1000) {
      const { status, ms, text } = await post(url, bodies[given++ % bodies.length], agent);
      if (status !== 200) throw new Error(`${url} answered ${status}: ${text.slice(0, 200)}`);
      times.push(ms);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  const elapsed = (performance.now() - from) / 1000;
  agent.destroy();
  return { perSecond: times.length / elapsed, times };
}
