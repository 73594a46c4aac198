/** The corpus, against every way in which an address of others is connected to. What counts is who came, not what was said. */
import { randomBytes, randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { type ConnectOptions, connectForge } from '../../src/accounts/connecting/connect.js';
import { CANNOT_BE_REACHED, discreetly } from '../../src/accounts/connecting/discreet.js';
import { probeForge } from '../../src/accounts/connecting/probe.js';
import { fixedToken, type OpenConnection } from '../../src/accounts/connections.js';
import { createGitMirrors } from '../../src/effects/git/mirror.js';
import { createGitObjectStore } from '../../src/effects/git/objects.js';
import { gitea } from '../../src/forges/gitea/forge.js';
import type { ForgewayError } from '../../src/lib/errors.js';
import { createOutbound, type Outbound, type OutboundRoute, type Resolve } from '../../src/lib/outbound/outbound.js';
import { openNativeAccess } from '../../src/translate/native-access.js';
import { NAMES, NEVER, PRIVATE } from './corpus.js';
import { connectToHosts, judgeHosts } from './hosts.js';

const log = pino({ level: 'silent' });
const refused = { code: 'FORGEWAY_ADDRESS_REFUSED' };

const failing = (hostname: string) =>
  Object.assign(new Error(`getaddrinfo SERVFAIL ${hostname}`), { code: 'EAI_AGAIN', syscall: 'getaddrinfo' });
const family = (address: string) => ({ address, family: address.includes(':') ? 6 : 4 });
const fakeDns: Resolve = async (hostname) => {
  const found = NAMES[hostname];
  if (found === undefined) throw failing(hostname);
  return found.map(family);
};

/** Counts connections, whatever comes of them, on both loopback addresses. */
async function trap() {
  const came: string[] = [];
  const servers = ['127.0.0.1', '::1'].map((host) => ({
    host,
    server: createTcpServer((socket) => {
      came.push(host);
      socket.destroy();
    }),
  }));
  const port = await new Promise<number>((resolve) => {
    const [first] = servers;
    first?.server.listen(0, first.host, () => resolve((first.server.address() as AddressInfo).port));
  });
  await new Promise<void>((resolve, reject) => {
    const [, second] = servers;
    // A machine without IPv6 has one listener less.
    second?.server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRNOTAVAIL' ? resolve() : reject(error),
    );
    second?.server.listen(port, second.host, () => resolve());
  });
  return {
    came,
    port,
    close() {
      for (const { server } of servers) server.close();
    },
  };
}

let listener: Awaited<ReturnType<typeof trap>>;
let folder: string;
const opened: Outbound[] = [];
const outbound = (options: Partial<Parameters<typeof createOutbound>[0]> = {}): Outbound => {
  const made = createOutbound({ allowed: [], resolve: fakeDns, ...options });
  opened.push(made);
  return made;
};

beforeAll(async () => {
  listener = await trap();
  folder = await mkdtemp(join(tmpdir(), 'forgeway-outbound-'));
});
afterAll(async () => {
  listener.close();
  await Promise.all(opened.map((one) => one.close()));
  await rm(folder, { recursive: true, force: true });
});

const connectionAt = (baseUrl: string, route?: OutboundRoute): OpenConnection => ({
  id: 'c',
  organizationId: 'o',
  forge: gitea,
  host: 'h',
  baseUrl,
  account: { id: 1n, login: 'bot' },
  ...fixedToken('secret-token'),
  virtualId: 1n,
  ...(route && { route }),
});

const gitOrigin = (url: string) => (URL.canParse(url) ? new URL(url).origin : url);
const credentialFor = (url: string) => ({ username: 'x', password: 'secret-token', origin: gitOrigin(url) });
const SHA = '0123456789012345678901234567890123456789';
const UUID = '00000000-0000-4000-8000-000000000000';

/** Every way out that there is, by what it answers for an address. */
const SINKS: Readonly<Record<string, (way: Outbound, url: string) => Promise<unknown>>> = {
  'a request': (way, url) => way.fetch(url),
  'a proxy of a connection': (way, url) => way.fetch('http://93.184.216.34/', {}, { proxy: { url } }),
  'what a proxy is asked for': (way, url) => way.fetch(url, {}, { proxy: { url: 'http://93.184.216.34:9' } }),
  'a connection, natively': (way, url) =>
    openNativeAccess({ log, fetch: way.fetch })(connectionAt(url)).get('/version'),
  'the instance that is to be connected': async (way, url) => {
    const probed = await probeForge(connectionAt(url), openNativeAccess({ log, fetch: way.fetch }));
    if (!probed.ok) throw Object.assign(new Error(probed.reason), refused);
  },
  'git that reads': (way, url) =>
    createGitMirrors({ directory: join(folder, 'read'), outbound: way }).checkout({
      ...{ repositoryId: UUID, source: { ...credentialFor(url), url }, sha: SHA, fallbackRefs: [] },
      target: join(folder, 'target'),
    }),
  'git that writes': (way, url) =>
    createGitObjectStore(
      join(folder, 'write'),
      way,
    )({ namespace: 'n', credential: credentialFor(url) }).readBlob({ id: 1n, cloneUrl: url }, SHA),
};

/** Whether it was our own decision, and not that of a network that happens to be like this. */
function isRefusal(error: unknown): boolean {
  let current = error;
  for (let depth = 0; depth < 8 && typeof current === 'object' && current !== null; depth += 1) {
    if ('code' in current && current.code === 'FORGEWAY_ADDRESS_REFUSED') return true;
    // What is no web address at all is found out by whoever takes it apart first.
    if ('message' in current && /not a web address|Invalid URL|carries no password/.test(String(current.message)))
      return true;
    current = 'cause' in current ? current.cause : undefined;
  }
  return false;
}

const outcome = (work: () => Promise<unknown>) =>
  work().then(
    () => 'connected',
    (error: unknown) => (isRefusal(error) ? 'refused' : error),
  );

describe.each(Object.entries(SINKS))('%s', (_name, sink) => {
  const strict = () => outbound();
  const lenient = () => outbound({ allowed: ['0.0.0.0/0', '::/0', '*.example', 'metadata.google.internal'] });

  /** Entries that were not refused, each with what became of it. */
  const wrong = async (ways: readonly Outbound[], entries: readonly (readonly [string, string])[]) => {
    const tried = ways.flatMap((way) => entries.map(([number, url]) => ({ way, number, url })));
    const outcomes = await Promise.all(
      tried.map(async ({ way, number, url }) => ({
        number,
        came: await outcome(async () => sink(way, url.replace('PORT', String(listener.port)))),
      })),
    );
    return outcomes.filter(({ came }) => came !== 'refused');
  };

  it(`never goes to ${NEVER.length} addresses, whatever is allowed`, async () => {
    expect(await wrong([strict(), lenient()], NEVER)).toEqual([]);
  });

  it(`does not go to ${PRIVATE.length} private ones unasked`, async () => {
    expect(await wrong([strict()], PRIVATE)).toEqual([]);
  });

  it('brought nobody to the listener', () => expect(listener.came).toEqual([]));
});

describe('the guard', () => {
  it('lets public addresses pass, and tells the parts of an address as the connector will', () => {
    for (const url of [
      'http://172.32.0.1/',
      'https://good.example/',
      'http://good.example\\@127.0.0.1/',
      'http://[::ffff:8.8.8.8]/',
    ])
      expect(() => outbound().check(url)).not.toThrow();
  });

  it('takes this server itself for no forge (48)', () => {
    const way = outbound({ ownUrl: 'https://tools.example/forgeway' });
    for (const url of ['https://tools.example/forgeway', 'https://tools.example/forgeway/api'])
      expect(() => way.check(url)).toThrow('this server itself');
    expect(() => way.check('https://tools.example/gitea')).not.toThrow();
    expect(() => outbound({ ownUrl: 'https://tools.example' }).check('https://tools.example/gitea')).toThrow();
  });

  it('names the setting and the value that would allow it', async () => {
    const way = outbound({ allowed: ['10.0.0.0/24'] });
    await expect(way.pin('http://internal.example/')).rejects.toMatchObject({
      ...refused,
      message: expect.stringContaining('ALLOWED_PRIVATE_NETWORKS=10.0.0.0/24,internal.example'),
    });
  });

  it.each([
    ['by its address', '127.0.0.1'],
    ['by a network', '127.0.0.0/8'],
    ['by its name', 'local.example'],
    ['by the end of its name', '*.example'],
  ])('connects to a private host that was allowed %s', async (_how, entry) => {
    const server = await serve((_request, response) => void response.end('here'));
    const resolve: Resolve = async () => [family('127.0.0.1')];
    const way = outbound({ allowed: [entry], resolve });
    expect(await (await way.fetch(`http://local.example:${server.port}/`)).text()).toBe('here');
    server.close();
  });

  it('believes only the answers of DNS that are connected to: it changes its mind (50), fails first (51)', async () => {
    const answers = [['93.184.216.34'], ['127.0.0.1']];
    const rebinding: Resolve = async () => (answers.shift() ?? ['127.0.0.1']).map(family);
    const way = outbound({ resolve: rebinding });
    await way.pin('http://rebinding.example/');
    expect(await outcome(() => way.fetch(`http://rebinding.example:${listener.port}/`))).toBe('refused');

    const servfail: Resolve = async (hostname) => {
      throw failing(hostname);
    };
    const error = await outbound({ resolve: servfail })
      .fetch(`http://down.example:${listener.port}/`)
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ cause: { code: 'EAI_AGAIN' } });
    await expect(outbound({ resolve: async () => [] }).fetch('http://empty.example/')).rejects.toMatchObject({
      cause: { code: 'ENOTFOUND' },
    });
    expect(listener.came).toEqual([]);
  });

  it('does not read the proxies of the environment (75)', async () => {
    const server = await serve((_request, response) => void response.end('direct'));
    const names = ['HTTP_PROXY', 'http_proxy', 'ALL_PROXY', 'NODE_USE_ENV_PROXY'];
    for (const name of names) process.env[name] = `http://127.0.0.1:${listener.port}`;
    const way = outbound({ allowed: ['127.0.0.1'] });
    const answer = await way.fetch(`http://127.0.0.1:${server.port}/`).finally(() => {
      for (const name of names) delete process.env[name];
    });
    expect(await answer.text()).toBe('direct');
    expect(listener.came).toEqual([]);
    server.close();
  });
});

async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void, host = '127.0.0.1') {
  const server: Server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

describe('of hosts by chance, as many more as `npm run outbound:hosts` is told,', () => {
  // A failure names the host by seed and number.
  const seed = randomInt(2 ** 31);

  // Only Linux answers at all of 127.0.0.0/8.
  (process.platform === 'linux' ? it : it.failing)(
    'what the guard says is what is true of the address that was connected to, however DNS flickers',
    async () => {
      const report = await connectToHosts(1_000, seed);
      expect({ seed, wrong: report.wrong }).toEqual({ seed, wrong: [] });
      expect([report.connected > 200, report.refused > 200]).toEqual([true, true]);
    },
  );

  it('each is judged by the ranges of its addresses, however it is written', async () => {
    const report = await judgeHosts(4_000, seed);
    expect({ seed, wrong: report.wrong }).toEqual({ seed, wrong: [] });
    expect([report.connected > 500, report.refused > 500]).toEqual([true, true]);
  });
});

describe('what a forge answers', () => {
  const SMALL = 20 * 1024 * 1024;

  async function forgeThat(answer: (request: IncomingMessage, response: ServerResponse, port: number) => void) {
    const asked: string[] = [];
    const server = await serve((request, response) => {
      asked.push(`${request.url} ${request.headers.authorization ?? ''}`);
      answer(request, response, server.port);
    });
    // The forge is allowed by its name; the listener beside it is at the same address, and is not.
    const resolve: Resolve = async (name) => (name === 'forge.example' ? [family('127.0.0.1')] : fakeDns(name));
    const way = outbound({ allowed: ['forge.example'], resolve });
    const native = openNativeAccess({ log, fetch: way.fetch })(connectionAt(`http://forge.example:${server.port}`));
    return { native, asked, way, server };
  }

  it.each([301, 302, 303, 307, 308])('%i elsewhere is not followed (69, 70)', async (status) => {
    for (const to of [
      `http://127.0.0.1:${listener.port}/`,
      'http://169.254.169.254/latest/',
      'http://other.example/',
    ]) {
      const { native, asked, server } = await forgeThat((_request, response) => {
        response.writeHead(status, { location: to }).end();
      });
      await expect(native.get('/version')).rejects.toMatchObject({ code: 'FORGEWAY_ORIGIN_REFUSED' });
      expect(asked).toHaveLength(1);
      server.close();
    }
    expect(listener.came).toEqual([]);
  });

  it('a next page elsewhere is not asked for (71)', async () => {
    const { native, server } = await forgeThat((_request, response) => {
      const evil = `http://127.0.0.1:${listener.port}/api/v1/user/repos?page=2`;
      response.writeHead(200, { link: `<${evil}>; rel="next"`, 'content-type': 'application/json' }).end('[]');
    });
    for await (const _repository of gitea.administration?.repositories(native) ?? []) throw new Error('there is none');
    expect(listener.came).toEqual([]);
    server.close();
  });

  it('a repository’s address elsewhere is not cloned (72)', async () => {
    const way = outbound({ allowed: ['127.0.0.1'] });
    const url = `http://127.0.0.1:${listener.port}/acme/web.git`;
    const mirrors = createGitMirrors({ directory: join(folder, 'elsewhere'), outbound: way });
    const source = { ...credentialFor('http://127.0.0.1:9/'), url };
    await expect(
      mirrors.checkout({ ...{ repositoryId: UUID, source, sha: SHA, fallbackRefs: [] }, target: join(folder, 'none') }),
    ).rejects.toMatchObject({ code: 'FORGEWAY_GIT_FAILED' });
    expect(listener.came).toEqual([]);
  });

  it('is read up to a limit, packed or not (74)', async () => {
    const bodies: Record<string, [Record<string, string>, Buffer]> = {
      large: [{}, randomBytes(SMALL)],
      bomb: [{ 'content-encoding': 'gzip' }, gzipSync(Buffer.alloc(SMALL))],
    };
    for (const [headers, body] of Object.values(bodies)) {
      const { native, server } = await forgeThat((_request, response) => {
        response.writeHead(200, { ...headers, 'content-type': 'application/json' }).end(body);
      });
      await expect(native.get('/version')).rejects.toMatchObject({ code: 'FORGEWAY_ANSWER_TOO_LARGE' });
      server.close();
    }
  });
});

describe('discretion', () => {
  it('answers alike, in words and in time, whether an address is refused or nobody is there', async () => {
    const closed = await serve(() => undefined);
    closed.close();
    const allowing = outbound({ allowed: ['127.0.0.1'] });
    const cases = [
      [outbound(), `http://127.0.0.1:${listener.port}`],
      [outbound(), 'http://169.254.169.254'],
      [allowing, `http://127.0.0.1:${closed.port}`],
      [outbound(), 'http://unknown.example'],
    ] as const;
    const reasons: string[] = [];
    const answers = await Promise.all(
      cases.map(async ([way, url]) => {
        const began = performance.now();
        const told = (error: Error) => void reasons.push(error.message);
        const error: unknown = await discreetly(() => connecting(way, url), told, 6_000).catch((e: unknown) => e);
        return {
          text: String(error),
          late: performance.now() - began >= 5_990,
          details: (error as ForgewayError).details,
        };
      }),
    );
    for (const answer of answers)
      expect(answer).toEqual({
        text: `ForgewayError: ${CANNOT_BE_REACHED}`,
        late: true,
        details: { unreachable: true },
      });
    expect(new Set(reasons).size).toBe(cases.length);
    expect(listener.came).toEqual([]);
  });
});

function connecting(way: Outbound, url: string) {
  const nothing = () => {
    throw new Error('nothing may be stored');
  };
  const none = new Proxy({}, { get: nothing });
  return connectForge(
    {
      store: none as ConnectOptions['store'],
      vault: none as ConnectOptions['vault'],
      news: none as ConnectOptions['news'],
      ...{ organizationId: 'o', publicUrl: 'https://tools.example', progress: () => undefined },
      nativeOf: openNativeAccess({ log, fetch: way.fetch }),
    },
    {
      ...{ forge: gitea, url, token: 'secret-token', name: undefined, repositories: [], all: false, level: 'none' },
      ...{ organization: undefined, confidential: undefined, route: { ca: null, proxy: null } },
    },
  );
}

describe('connecting', () => {
  it('refuses a private instance before anything is stored or sent, and says how to allow it', async () => {
    await expect(connecting(outbound(), `http://127.0.0.1:${listener.port}`)).rejects.toMatchObject({
      code: 'FORGEWAY_CONNECTION_REFUSED',
      message: expect.stringContaining('ALLOWED_PRIVATE_NETWORKS=127.0.0.1'),
    });
    expect(listener.came).toEqual([]);
  });
});
