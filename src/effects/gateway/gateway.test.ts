import { once } from 'node:events';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { listenInDirectory } from '../process/door.js';
import { type Gateway, type GatewayOptions, type GatewayRoute, startGateway } from './gateway.js';
import { createVisitorLinks } from './visitor-link.js';

const DOMAIN = 'preview.localhost';
const log = pino({ level: 'silent' });
const links = createVisitorLinks(Buffer.alloc(32, 7));

interface Answer {
  status: number;
  headers: IncomingMessage['headers'];
  body: string;
}

describe('gateway', () => {
  const seen: { headers: IncomingMessage['headers']; url: string; body: string }[] = [];
  const routes = new Map<string, GatewayRoute>();
  const woken: string[] = [];
  const opened: string[] = [];
  const clock = { at: new Date('2026-03-01T12:00:00Z') };
  let upstream: Server;
  let upstreamPort: number;
  let gateway: Gateway;
  let options: GatewayOptions<GatewayRoute>;

  const ask = (
    host: string,
    path = '/',
    o: { headers?: Record<string, string>; method?: string; body?: string; address?: string } = {},
  ) =>
    new Promise<Answer>((resolve, reject) => {
      const request = httpRequest(
        {
          host: o.address ?? '127.0.0.1',
          port: gateway.port,
          path,
          method: o.method ?? 'GET',
          headers: { host, ...o.headers },
          agent: false,
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              body: Buffer.concat(chunks).toString(),
            }),
          );
        },
      );
      request.once('error', reject);
      request.end(o.body);
    });

  /** Writes bytes and answers what comes back first, until a close or a pause. */
  const raw = (text: string) =>
    new Promise<string>((resolve, reject) => {
      const socket = connect(gateway.port, '127.0.0.1');
      const chunks: Buffer[] = [];
      socket.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        setTimeout(() => socket.destroy(), 200);
      });
      socket.once('error', reject);
      socket.once('close', () => resolve(Buffer.concat(chunks).toString()));
      socket.write(text);
    });

  beforeEach(async () => {
    upstream = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        seen.push({ headers: request.headers, url: request.url ?? '', body: Buffer.concat(chunks).toString() });
        response.setHeader('set-cookie', [
          'mine=1; Domain=preview.localhost; Path=/',
          'forgeway-preview=stolen; Path=/',
          '__Host-forgeway.session=x',
        ]);
        response.setHeader('keep-alive', 'timeout=9');
        response.writeHead(request.url === '/503' ? 503 : 200).end(`hello ${request.url}`);
      });
    });
    upstream.on('upgrade', (request, socket) => {
      seen.push({ headers: request.headers, url: request.url ?? '', body: '' });
      socket.destroy();
    });
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
    upstreamPort = (upstream.address() as AddressInfo).port;
    options = {
      host: '127.0.0.1',
      port: 0,
      domain: DOMAIN,
      find: async (name) => routes.get(name),
      opened: async ({ id }) => void opened.push(id),
      wake: async ({ id }) => void woken.push(id),
      links,
      log,
      bodyLimit: 1_000,
      timeoutMs: 2_000,
      clock: { now: () => clock.at },
    };
    gateway = await startGateway(options);
    const base = { upstream: null, private: false, message: null };
    routes.set('up', { ...base, id: 'up', phase: 'ready', upstream: { port: upstreamPort } });
    routes.set('building', { ...base, id: 'building', phase: 'building' });
    routes.set('starting', { ...base, id: 'starting', phase: 'starting' });
    routes.set('waiting', { ...base, id: 'waiting', phase: 'waiting', message: 'Say `/ok-to-test <b>`.' });
    routes.set('asleep', { ...base, id: 'asleep', phase: 'sleeping' });
    routes.set('failed', { ...base, id: 'failed', phase: 'failed', message: '<script>alert(1)</script>' });
    routes.set('secret', { ...base, id: 'secret', phase: 'ready', upstream: { port: upstreamPort }, private: true });
    routes.set('other-secret', {
      ...base,
      id: 'other',
      phase: 'ready',
      upstream: { port: upstreamPort },
      private: true,
    });
  });

  afterEach(async () => {
    await gateway.close();
    upstream.closeAllConnections();
    await new Promise<void>((resolve) => upstream.close(() => resolve()));
    for (const list of [seen, woken, opened]) list.length = 0;
    routes.clear();
  });

  it('hands a request on by its host name', async () => {
    const answer = await ask(`UP.${DOMAIN}:3001`, '/a/b?x=1&y=%2F', {
      method: 'POST',
      body: 'text',
      headers: { 'content-type': 'text/x' },
    });
    expect(answer).toMatchObject({ status: 200, body: 'hello /a/b?x=1&y=%2F' });
    expect(answer.headers['x-robots-tag']).toBe('noindex, nofollow');
    expect(seen[0]).toMatchObject({ url: '/a/b?x=1&y=%2F', body: 'text' });
    expect(seen[0]?.headers).toMatchObject({
      host: `UP.${DOMAIN}:3001`,
      'x-forwarded-host': `UP.${DOMAIN}:3001`,
      'x-forwarded-proto': 'http',
      'x-forwarded-for': '127.0.0.1',
    });
    expect(opened).toEqual(['up']);
  });

  it('keeps our cookies from the preview and the preview’s from us and its neighbours', async () => {
    const answer = await ask(`up.${DOMAIN}`, '/', {
      headers: {
        cookie: 'a=1; forgeway-preview=t; __Host-forgeway.session=s; forgeway_session=u; b=2; Forgeway=x',
        'x-forwarded-for': '6.6.6.6',
        'x-forwarded-host': 'evil.example',
        'x-forgeway-user': 'admin',
        connection: 'x-private',
        'x-private': '1',
      },
    });
    expect(seen[0]?.headers.cookie).toBe('a=1; b=2');
    expect(seen[0]?.headers['x-forwarded-for']).toBe('127.0.0.1');
    expect(seen[0]?.headers['x-forwarded-host']).toBe(`up.${DOMAIN}`);
    expect(seen[0]?.headers['x-forgeway-user']).toBeUndefined();
    expect(seen[0]?.headers['x-private']).toBeUndefined();
    expect(answer.headers['set-cookie']).toEqual(['mine=1; Path=/']);
  });

  it.each([
    ['localhost', 404],
    [DOMAIN, 404],
    [`nobody.${DOMAIN}`, 404],
    [`a.up.${DOMAIN}`, 404],
    [`up.${DOMAIN}.evil.example`, 404],
    [`building.${DOMAIN}`, 503],
    [`failed.${DOMAIN}`, 502],
  ])('answers %s with a page and %d', async (host, status) => {
    const answer = await ask(host);
    expect(answer.status).toBe(status);
    expect(answer.headers['content-type']).toMatch(/^text\/html/);
    expect(answer.body).not.toContain('<script>');
    expect(seen).toEqual([]);
  });

  it.each(['//x', '//', '/../x', '/a/%2e%2e/x', '/%zz', 'http://evil.example/x', '*'])(
    'answers the address %s with a page of ours',
    async (target) => {
      const answer = await raw(`GET ${target} HTTP/1.1\r\nHost: up.${DOMAIN}\r\n\r\n`);
      expect(answer).toMatch(/^HTTP\/1\.1 400 [\s\S]*content-type: text\/html/);
      expect(answer).toContain('Not an address');
      expect(seen).toEqual([]);
    },
  );

  const haveSix = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1'));
  const { skip } = it;
  const withSix = haveSix ? it : skip;

  withSix('answers on ::1 too, so that no preview can wait there in its stead (where there is IPv6)', async () => {
    expect(await ask(`up.${DOMAIN}`, '/six', { address: '::1' })).toMatchObject({ status: 200, body: 'hello /six' });
    const { port } = gateway;
    const thief = createServer();
    const taken = await new Promise((resolve) => thief.once('error', resolve).listen(port, '::1', () => resolve(null)));
    expect(taken).toMatchObject({ code: 'EADDRINUSE' });
    const open = connect(port, '::1');
    await once(open, 'connect');
    await gateway.close();
    await once(open.resume(), 'close');
    await expect(ask(`up.${DOMAIN}`, '/six', { address: '::1' })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  withSix('does not start where another has its port on ::1 (where there is IPv6)', async () => {
    const squatter = createServer();
    await new Promise<void>((resolve) => squatter.listen(0, '::1', resolve));
    const { port } = squatter.address() as AddressInfo;
    const started = startGateway({
      ...{ host: 'localhost', port, domain: DOMAIN, links, log },
      ...{ find: async () => undefined, opened: async () => undefined, wake: async () => undefined },
    });
    await expect(started).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await new Promise<void>((resolve) => squatter.close(() => resolve()));
  });

  it('looks again by itself while a preview is being built, and then rolled out', async () => {
    expect((await ask(`building.${DOMAIN}`)).body).toContain('http-equiv="refresh"');
    const rolledOut = await ask(`starting.${DOMAIN}`);
    expect(rolledOut.body).toContain('http-equiv="refresh"');
    expect(rolledOut.body).toContain('<h1>The preview is starting</h1>');
  });

  it('shows the line to type', async () => {
    expect((await ask(`waiting.${DOMAIN}`)).body).toContain('Say <code>/ok-to-test &lt;b&gt;</code>.');
  });

  it('wakes a preview that sleeps', async () => {
    const answer = await ask(`asleep.${DOMAIN}`);
    expect(answer.status).toBe(503);
    expect(answer.body).toContain('http-equiv="refresh"');
    expect(woken).toEqual(['asleep']);
  });

  it('says when the preview does not answer, and does not repeat its own 503', async () => {
    expect((await ask(`up.${DOMAIN}`, '/503')).status).toBe(503);
    expect(seen).toHaveLength(1);
    upstream.closeAllConnections();
    await new Promise<void>((resolve) => upstream.close(() => resolve()));
    expect((await ask(`up.${DOMAIN}`)).status).toBe(502);
  });

  it('hands on through a door, and says when there is none', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'forgeway-door-'));
    // Longer than the address of a socket may be.
    const long = join(directory, 'a'.repeat(120));
    await mkdir(long);
    const behind = createServer((request, response) => response.end(`behind ${request.headers.host} ${request.url}`));
    const release = await listenInDirectory(behind, join(long, 'door'));
    const door: GatewayRoute = {
      id: 'door',
      phase: 'ready',
      upstream: { door: join(long, 'door') },
      private: false,
      message: null,
    };
    routes.set('door', door);
    routes.set('no-door', { ...door, upstream: { door: join(long, 'none') } });
    // What is a link leads nowhere, whatever it points to.
    await symlink(join(long, 'door'), join(long, 'link'));
    routes.set('link', { ...door, upstream: { door: join(long, 'link') } });
    expect(await ask(`door.${DOMAIN}`, '/x')).toMatchObject({ status: 200, body: `behind door.${DOMAIN} /x` });
    expect((await ask(`no-door.${DOMAIN}`)).status).toBe(502);
    expect((await ask(`link.${DOMAIN}`)).status).toBe(502);
    behind.closeAllConnections();
    await new Promise<void>((resolve) => behind.close(() => resolve()));
    await release();
    await rm(directory, { recursive: true });
  });

  it('refuses a body over the limit', async () => {
    expect((await ask(`up.${DOMAIN}`, '/', { method: 'POST', body: 'x'.repeat(2_000) })).status).toBe(413);
    expect(seen).toEqual([]);
  });

  it('shows a private preview only to who has its link, and leaves the link behind', async () => {
    expect((await ask(`secret.${DOMAIN}`)).status).toBe(403);
    const token = links.tokenFor('secret', clock.at);
    const first = await ask(`secret.${DOMAIN}`, `/a?x=1&forgeway_preview=${token}`);
    expect(first).toMatchObject({ status: 302, headers: { location: '/a?x=1' } });
    expect(first.headers['set-cookie']?.[0]).toMatch(/^forgeway-preview=.+; Path=\/; HttpOnly; SameSite=Lax$/);
    expect(seen).toEqual([]);
    const cookie = first.headers['set-cookie']?.[0]?.split(';')[0] ?? '';
    expect((await ask(`secret.${DOMAIN}`, '/a', { headers: { cookie } })).status).toBe(200);
    expect(seen[0]?.headers.cookie).toBeUndefined();
    expect((await ask(`other-secret.${DOMAIN}`, '/', { headers: { cookie } })).status).toBe(403);
    const tricked = await raw(
      `GET //evil.example/?forgeway_preview=${token} HTTP/1.1\r\nHost: secret.${DOMAIN}\r\n\r\n`,
    );
    expect(tricked).toMatch(/^HTTP\/1\.1 400 /);
    expect(tricked).not.toMatch(/\nlocation:/i);
    clock.at = new Date(clock.at.getTime() + 32 * 86_400_000);
    expect((await ask(`secret.${DOMAIN}`, '/a', { headers: { cookie } })).status).toBe(403);
  });

  it('offers to sign in where that can be done, and comes back to what was asked for', async () => {
    expect((await ask(`secret.${DOMAIN}`)).body).not.toContain('<a ');
    await gateway.close();
    const signInUrl = (label: string, path: string) =>
      `https://forgeway.example/v/${label}?to=${encodeURIComponent(path)}`;
    gateway = await startGateway({ ...options, signInUrl });
    const answer = await ask(`secret.${DOMAIN}`, '/a/b?x=1&forgeway_preview=1.bad&y=%22%3E');
    expect(answer.status).toBe(403);
    expect(answer.body).toContain(
      `href="https://forgeway.example/v/secret?to=${encodeURIComponent('/a/b?x=1&y=%22%3E')}"`,
    );
  });

  it('sets a cookie that only we can set where people come by https, and is not misled by one of a neighbour', async () => {
    const token = links.tokenFor('secret', clock.at);
    const both = { cookie: `forgeway-preview=tossed; forgeway-preview=${token}` };
    expect((await ask(`secret.${DOMAIN}`, '/a', { headers: both })).status).toBe(200);
    await gateway.close();
    gateway = await startGateway({ ...options, secure: true });
    const first = await ask(`secret.${DOMAIN}`, `/a?forgeway_preview=${token}`);
    expect(first.headers['set-cookie']).toEqual([
      `__Host-forgeway-preview=${token}; Path=/; HttpOnly; SameSite=Lax; Secure`,
    ]);
    expect((await ask(`secret.${DOMAIN}`, '/a', { headers: both })).status).toBe(403);
    const ours = { cookie: `__Host-forgeway-preview=${token}; a=1` };
    seen.length = 0;
    expect((await ask(`secret.${DOMAIN}`, '/a', { headers: ours })).status).toBe(200);
    expect(seen[0]?.headers.cookie).toBe('a=1');
  });

  it('hands on web sockets without our cookies, and refuses them where there is no preview', async () => {
    const upgrade = (host: string) =>
      raw(
        `GET /live HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
          'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nCookie: forgeway-preview=t; a=1\r\n\r\n',
      );
    await upgrade(`up.${DOMAIN}`);
    expect(seen[0]?.url).toBe('/live');
    expect(seen[0]?.headers.cookie).toBe('a=1');
    expect(await upgrade(`nobody.${DOMAIN}`)).toMatch(/^HTTP\/1\.1 404 /);
    expect(await upgrade(`secret.${DOMAIN}`)).toMatch(/^HTTP\/1\.1 403 /);
    expect(seen).toHaveLength(1);
  });
});
