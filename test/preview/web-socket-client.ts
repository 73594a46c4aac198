/** The least of a WebSocket client: one text frame there, one back. */
import { once } from 'node:events';
import { request } from 'node:http';

const MASK = Buffer.from([1, 2, 3, 4]);

/** What a server sends back for a short text. Rejects when it does not change protocols. */
export async function echoOverWebSocket(o: { port: number; host: string; text: string }): Promise<string> {
  const asked = request({
    ...{ host: '127.0.0.1', port: o.port, path: '/live', agent: false },
    headers: {
      ...{ host: o.host, connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' },
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    },
  });
  asked.end();
  const [, socket, head] = await new Promise<[unknown, import('node:stream').Duplex, Buffer]>((resolve, reject) => {
    asked.once('error', reject).once('response', ({ statusCode }) => reject(new Error(`answered ${statusCode}`)));
    asked.once('upgrade', (...upgraded) => resolve(upgraded));
  });
  const payload = Buffer.from(o.text).map((byte, index) => byte ^ (MASK[index % 4] ?? 0));
  socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | payload.length]), MASK, payload]));
  let frame = head;
  while (frame.length < 2 || frame.length < 2 + (frame[1] ?? 0)) {
    frame = Buffer.concat([frame, (await once(socket, 'data'))[0]]);
  }
  socket.destroy();
  return frame.subarray(2).toString();
}
