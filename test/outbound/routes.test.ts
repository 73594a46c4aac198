/** Certificates and proxies of a connection, for our own requests and for git. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer as createHttpServer, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { describeCertificates, readCertificates, readProxy } from '../../src/accounts/connection-route.js';
import { createGitObjectStore } from '../../src/effects/git/objects.js';
import { makeLoopbackCertificate } from '../../src/entry/loopback-certificate.js';
import { createOutbound, type OutboundOptions } from '../../src/lib/outbound/outbound.js';

const { key, certificate } = makeLoopbackCertificate(new Date());
const closing: Server[] = [];
let folder: string;

const listen = async (server: Server): Promise<number> => {
  closing.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
};
const way = (options: Partial<OutboundOptions> = {}) =>
  createOutbound({ allowed: ['127.0.0.1'], resolve: async () => [{ address: '127.0.0.1', family: 4 }], ...options });

/** Asks for a user name and a password, and notes what it was asked for. */
async function startProxy() {
  const asked: string[] = [];
  const server = createHttpServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers['proxy-authorization'] ?? ''}`);
    response.writeHead(404).end();
  });
  server.on('connect', (request, client, head) => {
    asked.push(`CONNECT ${request.url} ${request.headers['proxy-authorization'] ?? ''}`);
    const port = Number(request.url?.split(':').at(-1));
    const socket = connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n');
      socket.write(head);
      client.pipe(socket).pipe(client);
    });
    socket.on('error', () => client.destroy());
    client.on('error', () => socket.destroy());
  });
  return { asked, port: await listen(server) };
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'forgeway-routes-'));
});
afterAll(async () => {
  for (const server of closing) {
    server.closeAllConnections();
    server.close();
  }
  await rm(folder, { recursive: true, force: true });
});

describe('certificates of a connection', () => {
  it('are trusted for it, and for no other; and never for another name (73)', async () => {
    const port = await listen(
      createHttpsServer({ key, cert: certificate }, (_request, response) => response.end('safe')),
    );
    const route = { ca: readCertificates(certificate) };
    const out = way();
    expect(await (await out.fetch(`https://127.0.0.1:${port}/`, {}, route)).text()).toBe('safe');
    await expect(out.fetch(`https://127.0.0.1:${port}/`)).rejects.toMatchObject({
      cause: { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' },
    });
    await expect(out.fetch(`https://wrong.example:${port}/`, {}, route)).rejects.toMatchObject({
      cause: { code: 'ERR_TLS_CERT_ALTNAME_INVALID' },
    });
    await out.close();
  });

  it('are shown by subject and fingerprint, and read without anything else of their file', () => {
    const read = readCertificates(`a comment\n${certificate}\nanother`);
    expect(read.trim()).toBe(certificate.trim());
    expect(describeCertificates(read)).toEqual([expect.stringMatching(/\(SHA-256 ([0-9A-F]{2}:){31}[0-9A-F]{2}\)$/)]);
  });

  it.each([
    ['nothing', 'hello', 'holds none'],
    ['a private key', `${certificate}${key}`, 'private key'],
    ['a broken one', certificate.replace(/[A-Za-z]{20}/, 'AAAAAAAAAAAAAAAAAAAA'), 'cannot be used'],
    ['too much', 'x'.repeat(300_000), 'larger'],
  ])('are refused when the file holds %s', (_what, text, why) => expect(() => readCertificates(text)).toThrow(why));

  it('reach git as a file of its own', async () => {
    const port = await listen(
      createHttpsServer({ key, cert: certificate }, (_request, response) => response.writeHead(404).end()),
    );
    const at = (route: object) =>
      createGitObjectStore(
        join(folder, 'certificates'),
        way(),
      )({
        namespace: 'n',
        credential: { username: 'x', password: 'secret', origin: `https://127.0.0.1:${port}`, ...route },
      }).readBlob({ id: 1n, cloneUrl: `https://127.0.0.1:${port}/a/b.git` }, '0'.repeat(40));
    await expect(at({})).rejects.toThrow(/certificate/i);
    await expect(at({ route: { ca: certificate } })).rejects.toThrow(/not found/);
  });
});

describe('a proxy of a connection', () => {
  const proxied = (port: number) => readProxy(`http://user:p%40ss@127.0.0.1:${port}`);
  const basic = `Basic ${Buffer.from('user:p@ss').toString('base64')}`;

  it('is asked for the host by name, with its user name and password', async () => {
    const proxy = await startProxy();
    const port = await listen(createHttpServer((request, response) => response.end(request.headers.host)));
    const out = way({ allowed: ['127.0.0.1', 'forge.example'] });
    const answer = await out.fetch(`http://forge.example:${port}/`, {}, { proxy: proxied(proxy.port) });
    expect(await answer.text()).toBe(`forge.example:${port}`);
    expect(proxy.asked).toEqual([`CONNECT forge.example:${port} ${basic}`]);
    await out.close();
  });

  it('of the administrator is used for all but what is excepted, and may be anywhere', async () => {
    const proxy = await startProxy();
    const port = await listen(createHttpServer((_request, response) => response.end('here')));
    const out = way({
      ...{ allowed: ['forge.example', 'near.example'], withoutProxy: ['near.example'] },
      proxy: { url: `http://127.0.0.1:${proxy.port}` },
    });
    await (await out.fetch(`http://near.example:${port}/`)).text();
    expect(proxy.asked).toEqual([]);
    await (await out.fetch(`http://forge.example:${port}/`)).text();
    expect(proxy.asked).toHaveLength(1);
    // The same proxy, named by somebody else.
    await expect(
      out.fetch(`http://forge.example:${port}/`, {}, { proxy: { url: `http://127.0.0.1:${proxy.port}` } }),
    ).rejects.toMatchObject({ code: 'FORGEWAY_ADDRESS_REFUSED' });
    await out.close();
  });

  it('is used by git too, which is held to checked addresses', async () => {
    const proxy = await startProxy();
    const direct: string[] = [];
    const port = await listen(
      createHttpServer((request, response) => {
        direct.push(request.headers.host ?? '');
        response.writeHead(404).end();
      }),
    );
    const out = way({ allowed: ['127.0.0.1', 'forge.example'] });
    const read = (route: object) =>
      createGitObjectStore(
        join(folder, 'proxied'),
        out,
      )({
        namespace: 'n',
        credential: { username: 'x', password: 'secret', origin: `http://forge.example:${port}`, ...route },
      }).readBlob({ id: 1n, cloneUrl: `http://forge.example:${port}/a/b.git` }, '0'.repeat(40));
    // No resolver of this machine knows the name: only the address that was checked leads there.
    await expect(read({})).rejects.toThrow(/not found/);
    expect(direct).toEqual([`forge.example:${port}`]);
    await expect(read({ route: { proxy: proxied(proxy.port) } })).rejects.toThrow(/not found/);
    expect(proxy.asked[0]).toContain(`GET http://forge.example:${port}/a/b.git/info/refs`);
    expect(proxy.asked[0]).toContain(basic);
    expect(direct).toHaveLength(1);
  });

  it.each(['', 'proxy.example:3128', 'socks5://proxy.example', 'http://proxy.example/path'])('is not %p', (text) =>
    expect(() => readProxy(text)).toThrow('has to be written as'),
  );
});
