/** A connection to a forge of the tests, and everything between an app's Octokit and what is sent in the end. */
import { pino } from 'pino';
import { ProbotOctokit } from 'probot';
import { fixedToken, type OpenConnection } from '../../src/accounts/connections.js';
import type { ForgeDescriptor } from '../../src/forges/forge.js';
import { createMetrics } from '../../src/lib/metrics.js';
import { connectionCredential } from '../../src/translate/credential.js';
import { createForgeFetch, type Fetch, type ForgeFetchOptions } from '../../src/translate/forge-fetch.js';
import type { OwnWrite } from '../../src/translate/loop-traces.js';
import { memoryState } from '../../src/translate/memory-state.js';
import { createNativeClient } from '../../src/translate/native-client.js';
import { createRequestLimits } from '../../src/translate/request-limits.js';
import { createVirtualForges } from '../../src/translate/virtual-fetch.js';
import { toy } from '../conformance/toy-forge/forge.js';

export const WEB = 'https://forge.test';

export interface Sent {
  method: string;
  url: string;
  authorization: string | null;
  body: unknown;
}

export type Answering = (sent: Sent) => Response | Promise<Response>;

export const json = (data: unknown, status = 200, headers: Record<string, string> = {}): Response =>
  new Response(JSON.stringify(data), { status, headers: { 'content-type': 'application/json', ...headers } });

export function connectionTo(forge: ForgeDescriptor): OpenConnection {
  return {
    id: '6f0c7c1e-6e0c-4c49-9c1a-2a6f3a6f0001',
    organizationId: '6f0c7c1e-6e0c-4c49-9c1a-2a6f3a6f0002',
    forge,
    host: 'forge.test',
    baseUrl: WEB,
    account: { id: 7n, login: 'bot' },
    ...fixedToken('secret-token'),
    virtualId: 9_000_000_007n,
  };
}

export function createVirtualRig(
  answering: Answering,
  over: Partial<ForgeDescriptor> = {},
  options: Partial<ForgeFetchOptions> = {},
) {
  const sent: Sent[] = [];
  const noted: { traces: readonly string[]; write: OwnWrite }[] = [];
  const metrics = createMetrics();
  const clock = { now: () => new Date('2026-03-02T10:00:00Z') };
  const lines: string[] = [];
  const log = pino({ level: 'trace', base: null }, { write: (line: string) => void lines.push(line) });
  const forgotten: string[] = [];
  const connection: OpenConnection = {
    ...connectionTo({ ...toy, ...over }),
    async refused(token) {
      forgotten.push(token);
      return false;
    },
  };
  const credential = connectionCredential(connection);
  const send: Fetch = async (url, init) => {
    const headers = new Headers(init?.headers);
    const one = {
      method: init?.method ?? 'GET',
      url,
      authorization: headers.get('authorization'),
      body: typeof init?.body === 'string' ? (JSON.parse(init.body) as unknown) : undefined,
    };
    sent.push(one);
    return answering(one);
  };
  const limits = createRequestLimits(clock);
  const outFor = createForgeFetch({ send, limits, log, metrics, clock, ...options });
  const virtual = createVirtualForges({
    state: {
      ...memoryState(connection, clock),
      loops: {
        note: async (_place, traces, write) => void noted.push({ traces, write }),
        causeOf: async () => undefined,
      },
    },
    log,
    metrics,
    clock,
    fetchFor: outFor,
  });
  const fetch = virtual.fetchFor(credential);
  return {
    sent,
    noted,
    metrics,
    lines,
    limits,
    forgotten,
    credential,
    virtual,
    fetch,
    native: createNativeClient(outFor(credential), credential.endpoint.apiUrl, connection.forge.failureMessage),
    /** As an app has it, without the retries and the waits that the bridge leaves out too. */
    octokit: new ProbotOctokit({
      baseUrl: credential.baseUrl,
      request: { fetch },
      retry: { enabled: false },
      throttle: { enabled: false },
    }),
  };
}
