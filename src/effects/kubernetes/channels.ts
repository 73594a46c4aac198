/**
 * The WebSocket (RFC 6455) that an API server forwards ports over: binary messages whose first byte names a channel. Only as
 * much of it as that needs; a socket of its own, since one that gives whole messages as events cannot be made to wait.
 */
import { randomBytes } from 'node:crypto';
import { Duplex } from 'node:stream';

export const PROTOCOL = 'v4.channel.k8s.io';
const CONTINUATION = 0;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;
/** Longest message that is read; API servers send a few kilobytes at a time. */
const LONGEST = 4 * 1024 * 1024;

/** One whole message. What a client sends has to be masked. */
export function frame(opcode: number, payload: Buffer, masked: boolean): Buffer {
  const { length } = payload;
  const size = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const head = Buffer.alloc(2 + size);
  head[0] = 0x80 | opcode;
  head[1] = (masked ? 0x80 : 0) | (size === 0 ? length : size === 2 ? 126 : 127);
  if (size === 2) head.writeUInt16BE(length, 2);
  if (size === 8) head.writeBigUInt64BE(BigInt(length), 2);
  if (!masked) return Buffer.concat([head, payload]);
  const mask = randomBytes(4);
  const hidden = Buffer.from(payload);
  for (let at = 0; at < hidden.length; at += 1) hidden[at] = (hidden[at] ?? 0) ^ (mask[at % 4] ?? 0);
  return Buffer.concat([head, mask, hidden]);
}

export interface Message {
  opcode: number;
  payload: Buffer;
}

/** Takes bytes as they come and gives the frames that are whole. @throws Error when they are no WebSocket's */
export function createFrameReader(): (bytes: Buffer) => Message[] {
  let rest: Buffer = Buffer.alloc(0);
  return (bytes) => {
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    const messages: Message[] = [];
    for (;;) {
      if (rest.length < 2) return messages;
      const short = (rest[1] ?? 0) & 0x7f;
      const size = short === 126 ? 2 : short === 127 ? 8 : 0;
      const isMasked = ((rest[1] ?? 0) & 0x80) !== 0;
      const start = 2 + size + (isMasked ? 4 : 0);
      if (rest.length < start) return messages;
      const length = size === 0 ? short : size === 2 ? rest.readUInt16BE(2) : Number(rest.readBigUInt64BE(2));
      if (length > LONGEST) throw new Error('a message of the API server is too long');
      if (rest.length < start + length) return messages;
      const payload = Buffer.from(rest.subarray(start, start + length));
      if (isMasked) {
        const mask = rest.subarray(start - 4, start);
        for (let at = 0; at < length; at += 1) payload[at] = (payload[at] ?? 0) ^ (mask[at % 4] ?? 0);
      }
      messages.push({ opcode: (rest[0] ?? 0) & 0x0f, payload });
      rest = rest.subarray(start + length);
    }
  };
}

const DATA = 0;
const ERROR = 1;

/** What came for one port: its bytes as a stream, ended by an error where the API server names one. */
export function forwardedPort(socket: Duplex, head: Buffer): Duplex {
  const read = createFrameReader();
  // The first message of each channel names the port and says nothing else.
  const greeted = new Set<number>();
  const send = (opcode: number, payload: Buffer, done?: (error?: Error | null) => void) =>
    socket.write(frame(opcode, payload, true), done);

  const stream = new Duplex({
    read: () => void socket.resume(),
    write(chunk: Buffer, _encoding, done) {
      send(BINARY, Buffer.concat([Buffer.from([DATA]), chunk]), done);
    },
    final(done) {
      // The protocol has no half that closes: the answer is still to come.
      done();
    },
    destroy(error, done) {
      socket.destroy();
      done(error);
    },
  });

  function take({ opcode, payload }: Message): void {
    if (opcode === PING) return void send(PONG, payload);
    if (opcode === CLOSE) return void stream.push(null);
    if (opcode !== BINARY && opcode !== CONTINUATION) return;
    const channel = payload[0] ?? DATA;
    const rest = payload.subarray(1);
    if (!greeted.has(channel)) {
      greeted.add(channel);
      return;
    }
    if (rest.length === 0) return;
    if (channel === ERROR)
      stream.destroy(new Error(`the cluster did not forward: ${rest.toString('utf8').slice(0, 300)}`));
    else if (channel === DATA && !stream.push(rest)) socket.pause();
  }
  const accept = (bytes: Buffer) => {
    try {
      for (const message of read(bytes)) take(message);
    } catch (error) {
      stream.destroy(error as Error);
    }
  };
  socket.on('data', accept);
  socket.once('end', () => stream.push(null));
  socket.once('close', () => {
    if (!stream.readableEnded) stream.push(null);
    stream.destroy();
  });
  socket.once('error', (error) => stream.destroy(error));
  if (head.length > 0) accept(head);
  return stream;
}
