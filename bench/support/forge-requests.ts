/** One request in two ways: through our fetch in GitHub's language, and as the forge itself is asked for the same. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ForgeDescriptor } from '../../src/forges/forge.js';
import type { Fetch } from '../../src/translate/forge-fetch.js';

export interface RequestPair {
  /** The forge's own requests, one after another, their JSON read. */
  direct(): Promise<unknown>;
  /** GitHub's request, its JSON read. */
  via(): Promise<unknown>;
  close(): Promise<void>;
}

/** What is measured, from the build. */
export interface RequestModules {
  virtual: typeof import('../../src/translate/virtual-fetch.js');
  credential: typeof import('../../src/translate/credential.js');
  forgeFetch: typeof import('../../src/translate/forge-fetch.js');
  limits: typeof import('../../src/translate/request-limits.js');
  metrics: typeof import('../../src/lib/metrics.js');
  logger: typeof import('../../src/lib/logger.js');
  clock: typeof import('../../src/lib/clock.js');
}

interface Recorded {
  path: string;
  accept: string;
  body: string;
  contentType: string;
}

const place = { owner: 'acme', name: 'web' };

async function neverAsked(): Promise<never> {
  throw new Error('reading an issue needs nothing that is stored');
}

/** Our whole way out of an app: Octokit's address, route table, native client, credential, limits, log, metrics. */
function ourFetch(m: RequestModules, forge: ForgeDescriptor, baseUrl: string, token: string, send: Fetch) {
  const metrics = m.metrics.createMetrics();
  const log = m.logger.createLogger({ level: 'info', format: 'json' });
  const { systemClock: clock } = m.clock;
  const credential = m.credential.connectionCredential({
    id: 'bench',
    organizationId: 'bench',
    forge,
    host: new URL(baseUrl).host,
    baseUrl,
    account: { id: 1n, login: 'bot' },
    token: async () => token,
    refused: async () => false,
    virtualId: 1n,
  });
  const virtual = m.virtual.createVirtualForges({
    state: {
      loops: { note: neverAsked, causeOf: neverAsked },
      repositories: { list: neverAsked, has: neverAsked, hasOwner: neverAsked },
      recordsOf: () => ({
        get: neverAsked,
        byId: neverAsked,
        put: neverAsked,
        add: neverAsked,
        putAll: neverAsked,
        list: neverAsked,
        delete: neverAsked,
      }),
    },
    log,
    metrics,
    fetchFor: m.forgeFetch.createForgeFetch({
      send,
      limits: m.limits.createRequestLimits(clock),
      log,
      metrics,
      clock,
    }),
  });
  return { fetch: virtual.fetchFor(credential), api: credential.baseUrl };
}

const issuePath = (number: number) => `/repos/${place.owner}/${place.name}/issues/${number}`;

/** What the forge is asked when an app reads one issue, and what it answers: learnt from its own double. */
async function record(m: RequestModules, forge: ForgeDescriptor): Promise<{ number: number; recorded: Recorded[] }> {
  if (forge.startFake === undefined) throw new Error(`${forge.id} has no fake.`);
  const folder = await mkdtemp(join(tmpdir(), 'forgeway-bench-'));
  const fake = await forge.startFake({ folder });
  try {
    await fake.addPerson('alice');
    await fake.addRepository({ ...place, people: { alice: 'write' } });
    const number = await fake.as('alice', place).openIssue({ title: 'Prices', body: 'Too dear.\n'.repeat(20) });
    const recorded: Recorded[] = [];
    const { fetch: read, api } = ourFetch(m, forge, fake.url, fake.token, async (url, init) => {
      const response = await fetch(url, init);
      const body = await response.clone().text();
      const accept = new Headers(init?.headers).get('accept') ?? '';
      const contentType = response.headers.get('content-type') ?? '';
      recorded.push({ path: url.slice(fake.url.length), accept, body, contentType });
      return response;
    });
    const response = await read(`${api}${issuePath(number)}`);
    if (!response.ok) throw new Error(`${forge.id} answered ${response.status}: ${await response.text()}`);
    return { number, recorded };
  } finally {
    await fake.close();
    await rm(folder, { recursive: true, force: true });
  }
}

export async function startRequestPair(m: RequestModules, forge: ForgeDescriptor): Promise<RequestPair> {
  const { number, recorded } = await record(m, forge);
  const answers = new Map(recorded.map((one) => [one.path, one]));
  const server = createServer((request, response) => {
    const answer = answers.get(request.url ?? '');
    response.writeHead(answer === undefined ? 404 : 200, { 'content-type': answer?.contentType ?? 'text/plain' });
    response.end(answer?.body);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const token = 'bench-token';
  const { fetch: read, api } = ourFetch(m, forge, url, token, (input, init) => fetch(input, init));
  const ours = `${api}${issuePath(number)}`;
  return {
    async direct() {
      let last: unknown;
      for (const { path, accept } of recorded) {
        const response = await fetch(`${url}${path}`, { headers: { accept, authorization: `Bearer ${token}` } });
        last = await response.json();
      }
      return last;
    },
    async via() {
      const response = await read(ours, { headers: { accept: 'application/vnd.github+json' } });
      if (!response.ok) throw new Error(`${forge.id} answered ${response.status}`);
      return response.json();
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
