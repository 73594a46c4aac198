/** Forwards a port of a pod over a WebSocket, as an API server does for `v4.channel.k8s.io`: channel 0 is data, 1 errors. */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { createFrameReader, frame, PROTOCOL } from '../../../src/effects/kubernetes/channels.js';

const PATH = /^\/api\/v1\/namespaces\/([^/]+)\/pods\/([^/]+)\/portforward$/;
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const BINARY = 2;
const CLOSE = 8;

/** Ports of this machine that stand in for those of pods. */
export type PodPorts = (of: { namespace: string; pod: string; port: number }) => number | undefined;

const message = (channel: number, bytes: Buffer) =>
  frame(BINARY, Buffer.concat([Buffer.from([channel]), bytes]), false);

export function servePortForward(request: IncomingMessage, socket: Duplex, portOf: PodPorts): void {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://api.invalid');
  const [, namespace = '', pod = ''] = PATH.exec(pathname) ?? [];
  const port = Number(searchParams.get('ports'));
  const key = request.headers['sec-websocket-key'];
  if (namespace === '' || key === undefined || request.headers['sec-websocket-protocol'] !== PROTOCOL)
    return void socket.end('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n');
  const accept = createHash('sha1').update(`${key}${GUID}`).digest('base64');
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ${accept}\r\n` +
      `sec-websocket-protocol: ${PROTOCOL}\r\n\r\n`,
  );
  const named = Buffer.alloc(2);
  named.writeUInt16LE(port);
  socket.write(message(0, named));
  socket.write(message(1, named));
  const here = portOf({ namespace, pod, port });
  if (here === undefined) {
    const why = `an error occurred forwarding ${port} -> ${port}: error forwarding port ${port} to pod ${pod}: connection refused`;
    return void socket.write(message(1, Buffer.from(why)));
  }
  const target = connect({ host: '127.0.0.1', port: here });
  const read = createFrameReader();
  socket.on('data', (bytes: Buffer) => {
    for (const { opcode, payload } of read(bytes)) {
      if (opcode === CLOSE) socket.end();
      else if (opcode === BINARY && payload[0] === 0) target.write(payload.subarray(1));
    }
  });
  target.on('data', (bytes) => socket.write(message(0, bytes)));
  target.once('end', () => socket.end(frame(CLOSE, Buffer.alloc(0), false)));
  target.once('error', (error) => socket.write(message(1, Buffer.from(error.message))));
  socket.once('close', () => target.destroy());
  socket.once('error', () => target.destroy());
}
