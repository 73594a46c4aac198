/**
 * Stands in front of a forge's double, in its process, and writes down every mutating request that was carried out,
 * before it is answered. The file is only ever appended to, and lives longer than whatever is killed.
 */
import { appendFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse, request as send } from 'node:http';
import { digestOf, type Effect, effectKey } from './effects.js';

export interface EffectLogOptions {
  forge: string;
  /** JSON, a line each. */
  file: string;
  /** Where the double listens. */
  target: { port: number };
  /** Port on 127.0.0.1. */
  port: number;
}

export interface EffectLog {
  /** As if the connection broke after the forge has done it: for so many mutating requests from now on. */
  loseAnswers(count: number): void;
  close(): Promise<void>;
}

const READS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);
/** Tokens and where to fetch from: nothing that anybody could see afterwards. */
const NO_EFFECT = /\/access_tokens$|\/git-upload-pack$/;

interface Answer {
  status: number;
  headers: IncomingMessage['headers'];
  body: Buffer;
}

async function bytesOf(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function ask(port: number, incoming: IncomingMessage, body: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { ...incoming.headers };
    delete headers['transfer-encoding'];
    if (body.length > 0) headers['content-length'] = String(body.length);
    const outgoing = send(
      { host: '127.0.0.1', port, method: incoming.method, path: incoming.url, headers },
      (response) => {
        bytesOf(response).then(
          (bytes) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: bytes }),
          reject,
        );
      },
    );
    outgoing.once('error', reject);
    outgoing.end(body);
  });
}

/** Listens when the promise resolves. */
export async function startEffectLog({ forge, file, target, port }: EffectLogOptions): Promise<EffectLog> {
  const losing = { left: 0 };

  async function serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    // A request whose client died before it was whole never reached the forge.
    const body = await bytesOf(incoming);
    const answer = await ask(target.port, incoming, body);
    const method = incoming.method ?? 'GET';
    const path = (incoming.url ?? '/').split('?')[0] ?? '/';
    if (!READS.has(method) && !NO_EFFECT.test(path)) {
      const lost = losing.left > 0;
      if (lost) losing.left -= 1;
      const text = body.toString('utf8');
      const effect: Effect = {
        forge,
        at: Date.now(),
        method,
        path,
        status: answer.status,
        key: effectKey(method, path, text),
        digest: digestOf(text),
        answered: !lost,
      };
      appendFileSync(file, `${JSON.stringify(effect)}\n`);
      if (lost) {
        response.destroy();
        return;
      }
    }
    const headers = { ...answer.headers };
    delete headers['transfer-encoding'];
    delete headers.connection;
    response.writeHead(answer.status, headers);
    response.end(answer.body);
  }

  const server = createServer((incoming, response) => {
    // Whatever broke, its client sees a broken connection, as it does with a real proxy.
    serve(incoming, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    loseAnswers: (count) => {
      losing.left += count;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
