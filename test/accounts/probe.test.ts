/** What a forge says of a token, and what is made of it, on servers that answer oddly. */
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { probeForge, stateFor } from '../../src/accounts/connecting/probe.js';
import { fixedToken } from '../../src/accounts/connections.js';
import { gitea } from '../../src/forges/gitea/forge.js';
import { gitlab } from '../../src/forges/gitlab/forge.js';
import { ForgewayError } from '../../src/lib/errors.js';
import { openNativeAccess } from '../../src/translate/native-access.js';
import { loopback } from '../support/loopback.js';

const servers: Server[] = [];
afterAll(() => {
  for (const server of servers) server.close();
});

async function serve(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const kinds = { [gitea.id]: gitea, [gitlab.id]: gitlab };
const account = { id: 7, login: 'bot', username: 'bot', is_admin: false };
const pathOf = (url = '') => new URL(url, 'http://x').pathname.replace(/^\/api\/v\d/, '');

interface Answer {
  status: number;
  body: unknown;
}

/** The account itself is told; `others` answers the rest, and is an empty list where it says nothing. */
const knowing =
  (others: (path: string, url: URL) => Answer | undefined): RequestListener =>
  (request, response) => {
    const path = pathOf(request.url);
    const said = path === '/user' ? undefined : others(path, new URL(request.url ?? '/', 'http://x'));
    const isOld = path.startsWith('/personal_access_tokens');
    const { status, body } = said ?? {
      status: isOld ? 404 : 200,
      body: path === '/user' ? account : [],
    };
    const isText = typeof body === 'string';
    response.writeHead(status, { 'content-type': isText ? 'text/html' : 'application/json' });
    response.end(isText ? body : JSON.stringify(body));
  };

function probe(id: string, url: string) {
  const forge = kinds[id];
  if (forge === undefined) throw new Error(id);
  const { host } = forge.endpoint(url);
  const nativeOf = openNativeAccess({ log: pino({ level: 'silent' }), fetch: loopback.fetch });
  const connection = {
    ...{ id: 'new', organizationId: '', forge, host, baseUrl: url, virtualId: 0n },
    ...{ account: { id: 0n, login: '' } },
    ...fixedToken('a-token-of-a-test'),
  };
  return probeForge(connection, nativeOf);
}

describe.each(Object.keys(kinds))('a token of %s', (id) => {
  it.each([
    ['is not there', { status: 404, body: { message: 'Not Found' } }],
    ['is kept from us', { status: 403, body: { message: 'forbidden' } }],
    ['is broken', { status: 500, body: { message: 'boom' } }],
    ['is a page', { status: 200, body: '<html>' }],
    ['is not as documented', { status: 200, body: { v: 1 } }],
  ])('is measured where the version of its server %s', async (_what, answer) => {
    const url = await serve(knowing((path) => (path === '/version' || path === '/metadata' ? answer : undefined)));
    expect(await probe(id, url)).toMatchObject({ ok: true, facts: { version: '', account: { login: 'bot' } } });
  });

  it('is refused, forbidden, or not asked about just now: each is another state', async () => {
    const answered = async (status: number) => {
      const url = await serve((_request, response) =>
        response.writeHead(status, { 'content-type': 'application/json' }).end('{"message":"no"}'),
      );
      const probed = await probe(id, url);
      if (probed.ok) throw new Error('it was measured');
      return { state: stateFor(probed, 'revoked'), kept: probed.unreachable, reason: probed.reason };
    };
    expect(await answered(401)).toMatchObject({ state: 'revoked', kept: false });
    expect(await answered(403)).toMatchObject({ state: 'insufficient_scope', kept: false });
    for (const status of [429, 500, 502, 503])
      expect(await answered(status)).toMatchObject({
        ...{ state: 'unreachable', kept: true },
        reason: expect.stringContaining(`does not serve just now (it answered ${status}: no)`),
      });
    // An answer of something else than the forge: waiting mends nothing.
    expect(await answered(404)).toMatchObject({ state: 'unreachable', kept: false });
    // What some server in a network says is not for whoever had it asked.
    const inside = await serve((_request, response) =>
      response.writeHead(404, { 'content-type': 'application/json' }).end('{"message":"SECRET of a server within"}'),
    );
    expect(await probe(id, inside)).toMatchObject({
      reason: expect.not.stringContaining('SECRET'),
    });
  });

  it('that is asked about so often in vain that its server is left alone says where it was asked, and what to look at', async () => {
    const forge = kinds[id];
    if (forge === undefined) throw new Error(id);
    const baseUrl = 'http://127.0.0.1:1';
    const down = new ForgewayError('FORGEWAY_FORGE_DOWN', 'it is asked again in 30 s.', {
      details: { waitMs: 30_000 },
    });
    const fail = () => Promise.reject(down);
    const connection = {
      ...{ id: 'new', organizationId: '', forge, host: '127.0.0.1:1', baseUrl, virtualId: 0n },
      ...{ account: { id: 0n, login: '' } },
      ...fixedToken('a-token-of-a-test'),
    };
    expect(await probeForge(connection, () => ({ send: fail, get: fail, find: fail }))).toMatchObject({
      ok: false,
      unreachable: true,
      reason: `${baseUrl} cannot be reached (it does not answer). Check the address, that the server runs, and the network between here and there.`,
    });
  });

  it('is asked about on a server whose list has no end, and that ends', async () => {
    let pages = 0;
    const url = await serve(
      knowing((path) => {
        if (path !== '/user/repos' && path !== '/projects') return undefined;
        pages += 1;
        const one = { id: 1, name: 'x', owner: { login: 'a' }, html_url: 'http://x', permissions: { admin: false } };
        return { status: 200, body: Array.from({ length: 50 }, () => one) };
      }),
    );
    await probe(id, url);
    expect(pages).toBeLessThan(50);
  });
});
