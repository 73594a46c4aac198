/** An app's Octokit on a double, with all of the translation in between. */
import { pino } from 'pino';
import { ProbotOctokit } from 'probot';
import { fixedToken } from '../../../src/accounts/connections.js';
import { gitObjectsFor } from '../../../src/entry/bridge-ports.js';
import type { ForgeDescriptor } from '../../../src/forges/forge.js';
import type { ForgeFake } from '../../../src/forges/kit/fake/forge-fake.js';
import type { OwnEvent } from '../../../src/forges/kit/inbox-port.js';
import { systemClock } from '../../../src/lib/clock.js';
import { createMetrics } from '../../../src/lib/metrics.js';
import { connectionCredential } from '../../../src/translate/credential.js';
import { createForgeFetch } from '../../../src/translate/forge-fetch.js';
import { memoryState } from '../../../src/translate/memory-state.js';
import { createRequestLimits } from '../../../src/translate/request-limits.js';
import { createVirtualForges } from '../../../src/translate/virtual-fetch.js';
import { loopback } from '../../support/loopback.js';

const quiet = (): void => undefined;

/** An app's Octokit on a double: the retries and waits of Octokit itself are left out, as the bridge leaves them out. */
export function octokitOn(
  descriptor: ForgeDescriptor,
  fake: ForgeFake,
  folder: string,
  { token = fake.token, told = [] }: { token?: string /** Takes the events that rows tell. */; told?: OwnEvent[] } = {},
) {
  const clock = systemClock;
  const log = pino({ level: 'silent' });
  const metrics = createMetrics();
  const connection = {
    id: '6f0c7c1e-6e0c-4c49-9c1a-2a6f3a6f0001',
    organizationId: '6f0c7c1e-6e0c-4c49-9c1a-2a6f3a6f0002',
    forge: descriptor,
    host: new URL(fake.url).host,
    baseUrl: fake.url,
    account: fake.bot,
    ...fixedToken(token),
    virtualId: 9_000_000_007n,
  };
  const credential = connectionCredential(connection);
  const send = (url: string, init?: RequestInit) => fetch(url, init);
  const virtual = createVirtualForges({
    state: memoryState(connection, clock),
    log,
    metrics,
    clock,
    fetchFor: createForgeFetch({ send, limits: createRequestLimits(clock), log, metrics, clock }),
    inboxFor: () => ({ tell: async (events) => void told.push(...events), deliveriesOf: async () => undefined }),
    gitFor: gitObjectsFor({ dataDir: folder }, loopback),
  });
  return new ProbotOctokit({
    baseUrl: credential.baseUrl,
    request: { fetch: virtual.fetchFor(credential) },
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    retry: { enabled: false },
    throttle: { enabled: false },
  });
}
