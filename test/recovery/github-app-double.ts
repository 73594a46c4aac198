/** As much of a GitHub as tells an App what could not be delivered: the demo's sender and list behind the App's signature. */
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { importSPKI, jwtVerify } from 'jose';
import { listDeliveries } from '../../demo/emulated-github/hook-deliveries.js';
import { WebhookSender } from '../../demo/emulated-github/webhook-sender.js';
import type { DefaultApp } from '../../src/translate/connections.js';

const SECRET = 'a secret of sixteen or more';
const APP = 12345;
const fixture = new URL('../../src/forges/github/fixtures/push.json', import.meta.url);

interface PlannedAnswer {
  status: number;
  headers?: Record<string, string>;
}

export interface GitHubAppDouble {
  app: DefaultApp & { webhookSecret: string };
  /** After it, deliveries go to this server. */
  deliverTo(publicUrl: string): void;
  /** Pushes, one delivery each; resolves when all were tried. */
  happen(count: number): Promise<void>;
  /** Requests that were answered, such as `POST attempts`. */
  asked: string[];
  /** Answers the next requests, one each, instead of doing what they say; those with 'properly' are done. */
  answerNext(...answers: (PlannedAnswer | 'properly')[]): void;
  sender(): WebhookSender;
  /** Deliveries on one page of the list, where fewer than GitHub's hundred are to do. */
  pageSize: number;
  /** Resolves when everything that was to be sent again has been. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

export async function startGitHubAppDouble(): Promise<GitHubAppDouble> {
  const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const spki = createPublicKey(keys.privateKey).export({ type: 'spki', format: 'pem' }).toString();
  const key = await importSPKI(spki, 'RS256');
  const asked: string[] = [];
  const planned: (PlannedAnswer | 'properly')[] = [];
  const sending: Promise<unknown>[] = [];
  const state: { sender?: WebhookSender } = {};
  const sender = () => {
    if (state.sender === undefined) throw new Error('where to is not known yet');
    return state.sender;
  };

  const limited = (query: URLSearchParams) => {
    const size = Math.min(double.pageSize, Number(query.get('per_page') ?? 30));
    return new URLSearchParams({ ...Object.fromEntries(query), per_page: String(size) });
  };
  const answer = async (method: string, url: URL, token: string) => {
    const signed = await jwtVerify(token, key, { issuer: String(APP) }).catch(() => undefined);
    if (signed === undefined) return { status: 401, json: { message: 'A JSON web token could not be decoded' } };
    const instead = planned.shift();
    if (instead !== undefined && instead !== 'properly') return { ...instead, json: { message: 'not now' } };
    if (method === 'GET' && url.pathname === '/api/v3/app/hook/deliveries')
      return listDeliveries(sender(), 99, `${url.origin}${url.pathname}`, limited(url.searchParams));
    const id = /^\/api\/v3\/app\/hook\/deliveries\/(\d+)\/attempts$/.exec(url.pathname)?.[1];
    const again = method === 'POST' && id !== undefined ? sender().redeliver(Number(id)) : undefined;
    if (again === undefined) return { status: 404, json: { message: 'Not Found' } };
    sending.push(again);
    return { status: 202, json: {} };
  };

  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '', `http://${request.headers.host}`);
    const token = (request.headers.authorization ?? '').replace(/^Bearer /, '');
    request.resume();
    void answer(request.method ?? '', url, token).then((found) => {
      asked.push(`${request.method} ${url.pathname.split('/').at(-1)} ${found.status}`);
      response.writeHead(found.status, {
        'content-type': 'application/json',
        ...('headers' in found ? found.headers : {}),
      });
      response.end(JSON.stringify(found.json));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const push = JSON.parse(readFileSync(fixture, 'utf8')) as Record<string, unknown>;

  const double: GitHubAppDouble = {
    pageSize: 100,
    app: {
      appId: APP,
      privateKey: keys.privateKey.export({ type: 'pkcs1', format: 'pem' }).toString(),
      apiUrl: `http://${host}/api/v3`,
      webUrl: `http://${host}`,
      host,
      webhookSecret: SECRET,
    },
    asked,
    sender,
    deliverTo(publicUrl) {
      state.sender = new WebhookSender({ url: `${publicUrl}/api/webhooks/github`, secret: SECRET, appId: APP, host });
    },
    async happen(count) {
      await Promise.all(
        Array.from({ length: count }, (_, at) =>
          sender().send('push', { ...push, after: (at + 1).toString(16).padStart(40, '0') } as never),
        ),
      );
    },
    answerNext: (...answers) => void planned.push(...answers),
    async settled() {
      await Promise.all(sending);
    },
    async close() {
      await state.sender?.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return double;
}
