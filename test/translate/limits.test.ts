/** What a forge says of its limits, and what becomes of the requests that they stop. */
import { expect, it } from '@jest/globals';
import { pino } from 'pino';
import { githubEndpoint } from '../../src/forges/github/endpoint.js';
import { type Outage, runInDelivery } from '../../src/lib/delivery-scope.js';
import { createMetrics } from '../../src/lib/metrics.js';
import type { Credential } from '../../src/translate/credential.js';
import { createForgeFetch } from '../../src/translate/forge-fetch.js';
import { newInFlight, watchRequests } from '../../src/translate/journal/in-flight.js';
import { createRequestLimits } from '../../src/translate/request-limits.js';

const API = 'https://git.example.com/api/v1/repos/acme/web';
const endpoint = githubEndpoint({
  forge: 'github',
  host: 'git.example.com',
  apiUrl: 'https://git.example.com/api/v1',
  webUrl: 'https://git.example.com',
});
const credentialOf = (name: string): Credential => ({
  name,
  endpoint,
  baseUrl: endpoint.apiUrl,
  connection: undefined,
  installation: { app: {} as never, scope: { installationId: 42n } },
  authorization: async () => 'token t',
  refused: async () => false,
});
const START = Date.parse('2026-03-02T10:00:00Z');

/** A forge that answers everything alike. */
function rig(status: number, headers: Record<string, string> = {}) {
  const time = { now: START };
  const clock = { now: () => new Date(time.now) };
  const limits = createRequestLimits(clock);
  const sent: string[] = [];
  const fetchFor = createForgeFetch({
    send: async (url, init) => {
      init?.signal?.throwIfAborted();
      sent.push(url);
      return new Response('Retry later\n', { status, headers });
    },
    limits,
    clock,
    log: pino({ level: 'silent' }),
    metrics: createMetrics(),
  });
  return { time, limits, sent, fetchFor, fetch: fetchFor(credentialOf('connection 1')) };
}
const scopeWith = (signal: AbortSignal, outage: Outage) =>
  ({ deliveryKey: 'd-1', eventName: 'push', app: 'mirror', signal, outage }) as never;

it.each([
  ['nothing said', {}, '60'],
  ['a reset that is none', { 'ratelimit-remaining': '0', 'ratelimit-reset': 'soon' }, '60'],
  [
    'a reset that was before',
    { 'ratelimit-remaining': '0', 'ratelimit-reset': '1772440000', 'retry-after': '90' },
    '90',
  ],
  ['no time at all', { 'ratelimit-remaining': '0' }, '60'],
  ['a text', { 'retry-after': 'wait 5' }, '60'],
])('a 429 is kept with %s', async (_what, headers: Record<string, string>, wait) => {
  const { fetch, sent } = rig(429, headers);
  await fetch(API, { method: 'POST' });
  const held = await fetch(API, { method: 'POST' });
  expect([held.status, held.headers.get('retry-after')]).toEqual([429, wait]);
  expect(sent).toHaveLength(1);
});

it('limits of one connection stop no other on the same host', async () => {
  const { fetch, fetchFor, sent } = rig(429, { 'retry-after': '120' });
  await fetch(API, { method: 'POST' });
  await fetchFor(credentialOf('connection 2'))(API, { method: 'POST' });
  expect(sent).toHaveLength(2);
});

it('those that wait look again when one of them has learnt that it goes on', async () => {
  const { fetch, limits, time, sent } = rig(429);
  limits.note('connection 1', '', new Response('', { status: 429, headers: { 'retry-after': '0.05' } }));
  const waiting = Array.from({ length: 50 }, () => fetch(API));
  await new Promise(setImmediate);
  limits.note('connection 1', '', new Response('', { status: 429, headers: { 'retry-after': '600' } }));
  time.now += 50;
  expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual(Array(50).fill(429));
  expect(sent).toHaveLength(0);
});

it('the run is told that the forge wants silence, whatever the app makes of it', async () => {
  const { fetch } = rig(403, { 'retry-after': '120' });
  const outage: Outage = {};
  await runInDelivery(scopeWith(new AbortController().signal, outage), () => fetch(API, { method: 'POST' }));
  expect(outage.why).toBe('limit');
  expect((outage.until ?? 0) - performance.now()).toBeGreaterThan(100_000);
  const forbidden: Outage = {};
  const other = rig(403);
  await runInDelivery(scopeWith(new AbortController().signal, forbidden), () => other.fetch(API, { method: 'POST' }));
  expect(forbidden).toEqual({});
});

it('nobody looks for a write that waited until its handler was over', async () => {
  const { fetch, sent } = rig(429, { 'retry-after': '5' });
  await fetch(API, { method: 'POST' });
  const handler = new AbortController();
  const inFlight = newInFlight();
  const write = runInDelivery(scopeWith(handler.signal, {}), () =>
    watchRequests(inFlight, () => fetch(API, { method: 'POST' })),
  );
  setImmediate(() => handler.abort());
  await expect(write).rejects.toMatchObject({ code: 'FORGEWAY_HANDLER_TIMEOUT' });
  expect(sent).toHaveLength(1);
  expect(inFlight).toMatchObject({ done: 0, lost: 0 });
});
