/**
 * Stands in front of a forge's double: keeps what Forgeway sent there, for it is public from then on, and answers in the
 * forge's place as a proxy or a debug build does that repeats what it was asked with.
 */
import { createServer, type IncomingMessage, type ServerResponse, request as send } from 'node:http';
import { bytesOf } from './read-stream.js';

/** How an answer repeats the credential: in its body, in a redirect's address, or in the reason of a status. */
export type Misbehaviour = 'body' | 'redirect' | 'refusal' | 'unavailable';

export interface Front {
  /** Address and body of every request, and not its headers, which hold the credential of this very forge. */
  sent(): Buffer;
  /** Credentials that it was asked with, and secrets of webhooks that it was given to keep. */
  credentials(): ReadonlySet<string>;
  /** The next so many requests whose method and path fit are answered so. */
  misbehave(how: Misbehaviour, count: number, fits: RegExp): void;
  /** Requests that were answered so. */
  misbehaved(): number;
  close(): Promise<void>;
}

const SHORTEST = 16;
const HOOKS = /\/hooks(?:\/\d+)?(?:\?|$)/;
const SECRET = /"(?:secret|token|signing_token)":"([^"]{16,})"/g;

const credentialIn = ({ headers }: IncomingMessage): string => {
  const given = String(headers['private-token'] ?? headers.authorization ?? '');
  const [, basic] = /^basic (.+)$/i.exec(given) ?? [];
  return basic === undefined ? given.replace(/^\w+ /, '') : Buffer.from(basic, 'base64').toString();
};

/** In all of the ways in which somebody may write it down. */
function repeated(incoming: IncomingMessage): string {
  const credential = credentialIn(incoming);
  const middle = Math.floor(credential.length / 2);
  return JSON.stringify({
    message: `refused: token ${credential}; ${JSON.stringify({ authorization: credential })}`,
    error: `bad credential "${credential}"`,
    error_description: `${credential.slice(0, middle)}\n${credential.slice(middle)}`,
    errors: [{ message: Buffer.from(credential).toString('base64') }, { message: encodeURIComponent(credential) }],
    headers: incoming.headers,
  });
}

function answer(how: Misbehaviour, incoming: IncomingMessage, response: ServerResponse): void {
  const type = { 'content-type': 'application/json' };
  if (how === 'redirect') {
    const location = `http://127.0.0.1:1/login?access_token=${encodeURIComponent(credentialIn(incoming))}`;
    response.writeHead(302, { ...type, location }).end(repeated(incoming));
    return;
  }
  response.writeHead({ body: 500, refusal: 422, unavailable: 503 }[how], type).end(repeated(incoming));
}

export async function startFront(port: number, targetPort: number): Promise<Front> {
  const sent: Buffer[] = [];
  const credentials = new Set<string>();
  const state: { how: Misbehaviour; left: number; fits: RegExp; done: number } = {
    how: 'body',
    left: 0,
    fits: /./,
    done: 0,
  };

  async function serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bytesOf(incoming);
    const credential = credentialIn(incoming).replace(/^[^:]*:/, '');
    if (credential.length >= SHORTEST) credentials.add(credential);
    const keepsSecret = HOOKS.test(incoming.url ?? '');
    if (keepsSecret) for (const [, secret = ''] of body.toString().matchAll(SECRET)) credentials.add(secret);
    sent.push(Buffer.from(`${incoming.method} ${incoming.url}\n`), keepsSecret ? Buffer.alloc(0) : body);
    if (state.left > 0 && state.fits.test(`${incoming.method} ${incoming.url}`)) {
      state.left -= 1;
      state.done += 1;
      answer(state.how, incoming, response);
      return;
    }
    const headers: Record<string, string | string[] | undefined> = { ...incoming.headers };
    delete headers['transfer-encoding'];
    if (body.length > 0) headers['content-length'] = String(body.length);
    const outgoing = send(
      { host: '127.0.0.1', port: targetPort, method: incoming.method, path: incoming.url, headers },
      (back) => {
        const passed = { ...back.headers };
        delete passed.connection;
        response.writeHead(back.statusCode ?? 502, passed);
        back.pipe(response);
      },
    );
    outgoing.once('error', () => response.destroy());
    outgoing.end(body);
  }

  const server = createServer((incoming, response) => {
    serve(incoming, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  return {
    sent: () => Buffer.concat(sent),
    credentials: () => credentials,
    misbehave(how, count, fits) {
      Object.assign(state, { how, left: count, fits });
    },
    misbehaved: () => state.done,
    async close() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
