/**
 * Every fault of a forge, on each forge, with real sockets and the real journal: what class of failure the run is, and that
 * a comment is there once in the end, whether the forge had made it before it failed or not.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { fixedToken } from '../../src/accounts/connections.js';
import { virtualInstallationId } from '../../src/accounts/virtual-installation.js';
import type { ForgeDescriptor } from '../../src/forges/forge.js';
import { forges } from '../../src/forges/registry.js';
import { outcomeOf } from '../../src/inbox/outcome.js';
import { deliveryBackoff } from '../../src/lib/backoff.js';
import type { DispatchAttempt } from '../../src/lib/delivery-scope.js';
import { createMetrics } from '../../src/lib/metrics.js';
import { type Bridge, createBridge, type DeliveredEvent } from '../../src/translate/bridge.js';
import type { Fetch } from '../../src/translate/forge-fetch.js';
import { createWriteJournal } from '../../src/translate/journal/journal.js';
import { memoryState } from '../../src/translate/memory-state.js';
import { nock } from '../support/nock.js';
import { type FaultServer, faults, startFaultServer } from './fault-server.js';
import { shop } from './forge-writes.js';
import { createJournalDatabase, type JournalDatabase } from './journal-rig.js';

const log = pino({ level: 'silent' });
const clock = { now: () => new Date() };
const forgeOf = (id: string) => forges.get(id) as ForgeDescriptor;
/** Only what hangs is waited out. */
const timeoutOf = (fault: string | undefined) => (fault === 'hang' ? 300 : 30_000);

type Class =
  /** Tried again, as far as is known of it. */
  | 'retry'
  /** Tried again, and not before the forge wants it. */
  | 'wait'
  /** Tried again with what the credential is then. */
  | 're-auth'
  | 'dead';

/** `lost`: whether the forge may have done it all the same. */
const expected: Readonly<Record<string, { is: Class; lost: boolean }>> = {
  '500': { is: 'retry', lost: true },
  '502': { is: 'retry', lost: true },
  '503 with Retry-After': { is: 'wait', lost: true },
  '429': { is: 'wait', lost: false },
  '403 of a secondary limit': { is: 'wait', lost: false },
  '401 of a revoked token': { is: 're-auth', lost: false },
  '404 of lost access': { is: 'dead', lost: false },
  '301 of a moved repository': { is: 'dead', lost: false },
  '451': { is: 'dead', lost: false },
  'TLS that nobody vouches for': { is: 'retry', lost: false },
  'no such name': { is: 'retry', lost: false },
  reset: { is: 'retry', lost: true },
  hang: { is: 'retry', lost: true },
  '200 with a web page': { is: 'retry', lost: true },
  'cut JSON': { is: 'retry', lost: true },
  'an answer without end': { is: 'dead', lost: true },
  'a limit with a reset in the far future': { is: 'wait', lost: false },
};

interface Played {
  url: string;
  bot: { id: bigint; login: string };
  token: string;
  repository: { id: bigint; url: string };
  issue: number;
  comments(): Promise<number>;
  close(): Promise<void>;
}

async function playFake(descriptor: ForgeDescriptor): Promise<Played> {
  const folder = await mkdtemp(join(tmpdir(), 'forgeway-faults-'));
  const fake = await descriptor.startFake?.({ folder, sendWebhook: async () => new Response(null, { status: 202 }) });
  if (fake === undefined) throw new Error('it cannot be played');
  await fake.addPerson('alice');
  const repository = await fake.addRepository({ ...shop, people: { alice: 'write' } });
  const issue = await fake.as('alice', shop).openIssue({ title: 'Prices' });
  return {
    url: fake.url,
    bot: fake.bot,
    token: fake.token,
    repository,
    issue,
    comments: async () => (JSON.stringify(await fake.state(shop)).match(/one comment/g) ?? []).length,
    async close() {
      await fake.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

it('is a table of all faults', () => expect(Object.keys(expected).sort()).toEqual([...faults].sort()));

describe.each(['github', 'gitlab', 'gitea'].map((id) => ({ id, label: forgeOf(id).label })))('$label', ({ id }) => {
  const descriptor = forgeOf(id);
  let played: Played;
  let server: FaultServer;
  let database: JournalDatabase;
  beforeAll(async () => {
    nock.restore();
    [played, server, database] = await Promise.all([playFake(descriptor), startFaultServer(), createJournalDatabase()]);
  });
  afterAll(async () => {
    await Promise.all([played.close(), server.close(), database.test.drop()]);
    nock.activate();
  });

  /** What meets the next write; and whether the forge does it nevertheless. */
  interface Fault {
    name: string | undefined;
    done: boolean;
    reauthorized: boolean;
  }

  async function openBridge(fault: Fault, text: string, listing?: Fetch): Promise<Bridge> {
    const { host } = descriptor.endpoint(played.url);
    const { organizationId } = database.test;
    const state = memoryState(
      {
        id: 'faults',
        organizationId,
        forge: descriptor,
        host,
        baseUrl: played.url,
        account: played.bot,
        ...fixedToken(played.token),
        async refused() {
          fault.reauthorized = true;
          return false;
        },
        virtualId: virtualInstallationId({ forge: id, host, appId: 'faults', installationId: played.bot.id }),
      },
      clock,
    );
    state.add({
      ...shop,
      remoteId: played.repository.id,
      url: played.repository.url,
      private: false,
      archived: false,
      defaultBranch: 'main',
    });
    return createBridge({
      apps: [
        {
          name: 'app',
          load: (probot) =>
            void probot.on('issues', async (context) => {
              const at = { owner: shop.owner, repo: shop.name };
              if (listing !== undefined) await context.octokit.paginate('GET /repos/{owner}/{repo}/milestones', at);
              await context.octokit.rest.issues.createComment({ ...at, issue_number: played.issue, body: text });
            }),
        },
      ],
      forges: new Map([[id, descriptor]]),
      state: {
        ...state,
        journal: createWriteJournal({ store: database.test.store('worker'), log, settleMs: 0 }),
      },
      log,
      metrics: createMetrics(),
      requestTimeoutMs: timeoutOf(fault.name),
      fetch: async (url, init) => {
        if (listing !== undefined && /milestones/.test(url)) return listing(url, init);
        const { name } = fault;
        if (name === undefined || init?.method !== 'POST') return fetch(url, init);
        fault.name = undefined;
        if (fault.done) await (await fetch(url, init)).arrayBuffer();
        return fetch(server.urlOf(name), init);
      },
    });
  }

  const event = (attempt: DispatchAttempt): DeliveredEvent => ({
    deliveryId: 1n,
    deliveryKey: 'key',
    hookId: 'journal',
    forge: id,
    host: descriptor.endpoint(played.url).host,
    organizationId: database.test.organizationId,
    eventType: 'issues',
    source: 'forgeway',
    eventIndex: 0,
    eventName: 'issues',
    action: 'opened',
    change: null,
    app: 'app',
    receivedAt: new Date(),
    contentType: 'application/json',
    body: Buffer.from(
      JSON.stringify({
        action: 'opened',
        installation: {
          id: Number(
            virtualInstallationId({
              forge: id,
              host: descriptor.endpoint(played.url).host,
              appId: 'faults',
              installationId: played.bot.id,
            }),
          ),
        },
        repository: { id: Number(played.repository.id), name: shop.name, owner: { login: shop.owner } },
      }),
    ),
    attempt,
  });
  const failureOf = (run: Promise<unknown>) =>
    run.then(
      () => undefined,
      (error: unknown) => error,
    );

  /** A full page of milestones, of whichever forge, that says that there is another one at `next`. */
  const anotherPage = (next: URL): Response => {
    const time = '2026-01-01T00:00:00Z';
    const milestone = {
      ...{ id: 1, iid: 1, number: 1, title: 'm', description: '', state: id === 'gitlab' ? 'active' : 'open' },
      ...{ project_id: 1, open_issues: 0, closed_issues: 0, creator: null, due_date: null, due_on: null },
      ...{ created_at: time, updated_at: time, closed_at: null, web_url: played.url, html_url: played.url },
    };
    return Response.json(
      Array.from({ length: 30 }, () => milestone),
      {
        headers: {
          link: `<${next.href}>; rel="next"`,
          'x-next-page': next.searchParams.get('page') ?? '',
          'x-total-count': '1000000000',
        },
      },
    );
  };

  it.each([
    ['are counted up', 1],
    ['are each their own next one', 0],
  ])('pages without end, which %s, are ended with the handler, and are tried again', async (_how, step) => {
    const asked = { pages: 0 };
    const controller = new AbortController();
    const fault: Fault = { name: undefined, done: false, reauthorized: false };
    const bridge = await openBridge(fault, '', async (url, init) => {
      init?.signal?.throwIfAborted();
      asked.pages += 1;
      if (asked.pages === 50) controller.abort();
      const next = new URL(url);
      next.searchParams.set('page', String(Number(next.searchParams.get('page') ?? 1) + step));
      return anotherPage(next);
    });
    const dispatch = await database.dispatch();
    const error = await failureOf(bridge.run(event(await dispatch.attempt()), controller.signal));
    expect([bridge.isPermanent(error), asked.pages]).toEqual([false, 50]);
    expect(await dispatch.rows()).toEqual([]);
  });

  it('a next page at another host is asked of nobody', async () => {
    const asked: string[] = [];
    const fault: Fault = { name: undefined, done: false, reauthorized: false };
    const bridge = await openBridge(fault, 'one comment: elsewhere', async (url) => {
      asked.push(new URL(url).host);
      return asked.length > 2 ? Response.json([]) : anotherPage(new URL('http://elsewhere.example/milestones?page=2'));
    });
    const dispatch = await database.dispatch();
    const error = await failureOf(bridge.run(event(await dispatch.attempt()), new AbortController().signal));
    // Where the pages are ours, the address that the forge names is never looked at.
    if (descriptor.routes === undefined)
      expect(String(error)).toMatch(/GET to elsewhere\.example does not belong to this forge/);
    else expect(error).toBeUndefined();
    expect(new Set(asked)).toEqual(new Set([new URL(played.url).host]));
  });

  describe.each([
    ['before the forge did it', false],
    ['after the forge did it', true],
  ])('%s', (_when, done) => {
    it.each(faults.filter((name) => !done || expected[name]?.lost === true))('%s', async (name) => {
      const { is, lost } = expected[name] ?? { is: 'dead', lost: false };
      const before = await played.comments();
      const fault: Fault = { name, done, reauthorized: false };
      const bridge = await openBridge(fault, `one comment: ${name}, ${done}`);
      const dispatch = await database.dispatch();
      const signal = new AbortController().signal;
      const error = await failureOf(bridge.run(event(await dispatch.attempt()), signal));
      expect(error).toBeDefined();
      const permanent = bridge.isPermanent(error);
      const failure = { error, permanent, timedOut: false, attempts: 2, begun: 2, lane: 'lane', since: new Date() };
      const outcome = outcomeOf(failure, { backoff: deliveryBackoff, inPlaceMs: 1, now: clock.now, random: () => 0 });
      expect([name, permanent]).toEqual([name, is === 'dead']);
      expect((await dispatch.rows()).map(({ status }) => status)).toEqual([lost ? 'unknown' : 'refused']);
      if (is === 'wait') {
        const { waitMs } = outcome as { waitMs: number };
        expect(waitMs).toBeGreaterThan(60_000);
        expect(waitMs).toBeLessThanOrEqual(3_621_000);
      }
      expect(fault.reauthorized).toBe(is === 're-auth');
      expect(await played.comments()).toBe(before + (done ? 1 : 0));
      // The next attempt, of a worker that knows nothing of the first but what the journal says.
      const next = await openBridge(
        { name: undefined, done: false, reauthorized: false },
        `one comment: ${name}, ${done}`,
      );
      expect(await failureOf(next.run(event(await dispatch.attempt()), signal))).toBeUndefined();
      expect(await played.comments()).toBe(before + 1);
      expect((await dispatch.rows()).map(({ status, found }) => [status, found])).toEqual([['answered', done]]);
    });
  });
});
