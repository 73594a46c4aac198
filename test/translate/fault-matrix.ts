/**
 * Eighteen faults of a forge by ten effects, with the real journal on one database: what class of failure the run is, and
 * that the effect is there once in the end, whether the forge had done it before it failed or not. Sockets fail for real;
 * no clock is waited for but the one of a request that is never answered.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { fixedToken } from '../../src/accounts/connections.js';
import { virtualInstallationId } from '../../src/accounts/virtual-installation.js';
import { gitObjectsFor } from '../../src/entry/bridge-ports.js';
import type { ForgeDescriptor } from '../../src/forges/forge.js';
import { writeRoutes } from '../../src/forges/github/write-routes.js';
import { forges } from '../../src/forges/registry.js';
import { outcomeOf } from '../../src/inbox/outcome.js';
import { deliveryBackoff } from '../../src/lib/backoff.js';
import type { DispatchAttempt } from '../../src/lib/delivery-scope.js';
import { createMetrics } from '../../src/lib/metrics.js';
import { type Bridge, createBridge, type DeliveredEvent } from '../../src/translate/bridge.js';
import { type Circuits, createCircuits } from '../../src/translate/circuits.js';
import type { Fetch } from '../../src/translate/forge-fetch.js';
import { createWriteJournal } from '../../src/translate/journal/journal.js';
import { memoryState } from '../../src/translate/memory-state.js';
import { loopback } from '../support/loopback.js';
import { nock } from '../support/nock.js';
import { type FaultServer, faults, startFaultServer } from './fault-server.js';
import { type Parameters, shop } from './forge-writes.js';
import { createJournalDatabase, type JournalDatabase } from './journal-rig.js';

const log = pino({ level: 'silent' });
const REPO = '/repos/{owner}/{repo}';
const HOUR_MS = 3_600_000;
/** Of a request that is never answered. Others take the time they take. */
const HANG_MS = 40;
/** Lists that never end are given up: a look reads ten pages, and a row of a route table a hundred of its forge's. */
const MOST_REQUESTS = 250;
const ENDLESS = 'pages without end';

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

export interface Played {
  url: string;
  request: Fetch;
  bot: { id: bigint; login: string };
  token: string;
  repository: { id: bigint; url: string };
  /** A commit, and a pull request that stays open. */
  sha: string;
  pull: number;
  newIssue(): Promise<number>;
  newLabel(name: string): Promise<string>;
  /** A pull request that can be merged. */
  mergeable(): Promise<number>;
  close(): Promise<void>;
}

// biome-ignore lint/suspicious/noExplicitAny: answers of many routes, of which each effect reads its own field.
type Loose = any;
type Rest = (route: string, parameters?: Parameters) => Promise<Loose>;

interface Effect {
  name: string;
  route: string;
  /** What is sent; `word` was never used before. */
  parameters(played: Played, word: string, rest: Rest): Promise<Parameters>;
  /** How often it is there. */
  count(rest: Rest, parameters: Loose): Promise<number>;
}

const matching = (list: Loose[], key: string, value: unknown): number =>
  list.filter((one) => one[key] === value).length;
const all = { per_page: 100 };

const effects: readonly Effect[] = [
  {
    name: 'a comment',
    route: `POST ${REPO}/issues/{issue_number}/comments`,
    parameters: async (played, word) => ({ issue_number: await played.newIssue(), body: word }),
    count: async (rest, { issue_number, body }) =>
      matching(await rest(`GET ${REPO}/issues/{issue_number}/comments`, { issue_number }), 'body', body),
  },
  {
    name: 'an edited comment',
    route: `PATCH ${REPO}/issues/comments/{comment_id}`,
    async parameters(played, word, rest) {
      const issue_number = await played.newIssue();
      const { id } = await rest(`POST ${REPO}/issues/{issue_number}/comments`, { issue_number, body: 'Before' });
      return { comment_id: id, body: word };
    },
    count: async (rest, { comment_id, body }) =>
      Number((await rest(`GET ${REPO}/issues/comments/{comment_id}`, { comment_id })).body === body),
  },
  {
    name: 'a status',
    route: `POST ${REPO}/statuses/{sha}`,
    parameters: async ({ sha }, context) => ({ sha, state: 'success', context, description: 'fine' }),
    count: async (rest, { sha, context }) =>
      matching(await rest(`GET ${REPO}/commits/{ref}/statuses`, { ref: sha, ...all }), 'context', context),
  },
  {
    name: 'a check run',
    route: `POST ${REPO}/check-runs`,
    parameters: async ({ sha }, name) => ({ name, head_sha: sha, status: 'completed', conclusion: 'success' }),
    count: async (rest, { name, head_sha }) =>
      (await rest(`GET ${REPO}/commits/{ref}/check-runs`, { ref: head_sha, check_name: name, filter: 'all' }))
        .check_runs.length,
  },
  {
    name: 'a label',
    route: `POST ${REPO}/issues/{issue_number}/labels`,
    parameters: async (played, word) => ({
      issue_number: await played.newIssue(),
      labels: [await played.newLabel(word)],
    }),
    count: async (rest, { issue_number, labels }) =>
      matching((await rest(`GET ${REPO}/issues/{issue_number}`, { issue_number })).labels, 'name', labels[0]),
  },
  {
    name: 'an assignee',
    route: `POST ${REPO}/issues/{issue_number}/assignees`,
    parameters: async (played) => ({ issue_number: await played.newIssue(), assignees: ['alice'] }),
    count: async (rest, { issue_number }) =>
      (await rest(`GET ${REPO}/issues/{issue_number}`, { issue_number })).assignees.length,
  },
  {
    name: 'a review',
    route: `POST ${REPO}/pulls/{pull_number}/reviews`,
    parameters: async ({ pull }, body) => ({ pull_number: pull, body, event: 'COMMENT' }),
    count: async (rest, { pull_number, body }) =>
      matching(await rest(`GET ${REPO}/pulls/{pull_number}/reviews`, { pull_number, ...all }), 'body', body),
  },
  {
    name: 'a merge',
    route: `PUT ${REPO}/pulls/{pull_number}/merge`,
    parameters: async (played) => ({ pull_number: await played.mergeable() }),
    count: async (rest, { pull_number }) =>
      Number((await rest(`GET ${REPO}/pulls/{pull_number}`, { pull_number })).merged === true),
  },
  {
    name: 'a file',
    route: `PUT ${REPO}/contents/{path}`,
    parameters: async (_played, word) => ({ path: word, message: word, content: Buffer.from(word).toString('base64') }),
    // A second commit of it would be a second effect.
    count: async (rest, { path }) => (await rest(`GET ${REPO}/commits`, { path, ...all })).length,
  },
  {
    name: 'a release',
    route: `POST ${REPO}/releases`,
    parameters: async (_played, word) => ({ tag_name: word, name: word, body: 'Notes' }),
    count: async (rest, { tag_name }) => matching(await rest(`GET ${REPO}/releases`, all), 'tag_name', tag_name),
  },
];

/** What meets the requests of one run. */
interface Weather {
  /** Of the next write. */
  fault?: string | undefined;
  /** The forge does it all the same. */
  done: boolean;
  reauthorized: boolean;
  /** Every list has another page, which is the same. */
  endless: boolean;
  requests: number;
  /** Writes that the forge did, as they were sent. */
  did: string[];
}

const calm = (): Weather => ({ done: false, reauthorized: false, endless: false, requests: 0, did: [] });

/** Effects that take no git, and those that do, which take long where a fake has real repositories. */
const OF_GIT: ReadonlySet<string> = new Set(['a merge', 'a file', 'a release']);

export interface FaultOptions {
  /** Absent: all of them. */
  effects?: 'without git' | 'of git';
  /** Where a route says something else of an answer than all others do. */
  otherwise?: Readonly<Record<string, Class>>;
}

/** Declares the tests of one forge. */
export function testFaults(
  id: string,
  play: (descriptor: ForgeDescriptor, rest: Rest) => Promise<Played>,
  { effects: part, otherwise = {} }: FaultOptions = {},
): void {
  const chosen = effects.filter(({ name }) => part === undefined || OF_GIT.has(name) === (part === 'of git'));
  const descriptor = forges.get(id) as ForgeDescriptor;
  const safetyOf = (route: string) =>
    descriptor.routes === undefined ? writeRoutes[route] : descriptor.routes[route]?.retry;

  describe(descriptor.label, () => {
    let played: Played;
    let server: FaultServer;
    let database: JournalDatabase;
    let folder: string;
    const bridges: { patient?: Bridge; impatient?: Bridge } = {};
    let weather = calm();
    const clock = { at: Date.now(), now: () => new Date(clock.at) };
    const circuits: { of: Circuits } = { of: createCircuits({ log, metrics: createMetrics() }) };
    const told = { count: 0 };
    const now: { step(request: Rest): Promise<void> } = { step: async () => undefined };
    const cells = new Set<string>();

    const send: Fetch = async (url, init) => {
      weather.requests += 1;
      const { fault, done } = weather;
      const method = init?.method ?? 'GET';
      // So that only what hangs is waited for, and given up.
      const { signal, ...rest } = init ?? {};
      const ask = async () => {
        const response = await played.request(url, rest);
        if (method !== 'GET' && response.ok) weather.did.push(`${method} ${url} ${String(rest.body)}`);
        return response;
      };
      if (method === 'GET' && weather.endless) return withNextPage(url, await played.request(firstPage(url), rest));
      if (fault === undefined || method === 'GET') return ask();
      weather.fault = undefined;
      if (done) await (await ask()).arrayBuffer();
      if (fault !== 'hang') return fetch(server.urlOf(fault), rest);
      return new Promise((_resolve, reject) => {
        const giveUp = () => reject(signal?.reason as Error);
        if (signal?.aborted) giveUp();
        else signal?.addEventListener('abort', giveUp, { once: true });
      });
    };

    const event = (attempt?: DispatchAttempt): DeliveredEvent => {
      told.count += 1;
      const { host } = descriptor.endpoint(played.url);
      const installationId = played.bot.id;
      return {
        // Attempts of one dispatch are of one delivery; what only looks is of none of them.
        deliveryId: attempt?.dispatchId ?? -BigInt(told.count),
        deliveryKey: `key-${attempt?.dispatchId ?? told.count}`,
        hookId: 'journal',
        forge: id,
        host,
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
            installation: { id: Number(virtualInstallationId({ forge: id, host, appId: 'faults', installationId })) },
            repository: { id: Number(played.repository.id), name: shop.name, owner: { login: shop.owner } },
          }),
        ),
        ...(attempt && { attempt }),
      };
    };
    const run = async (
      bridge: Bridge | undefined,
      route: string,
      parameters: Parameters,
      attempt?: DispatchAttempt,
    ) => {
      const answer: { data?: Loose } = {};
      now.step = async (request) => {
        answer.data = (await request(route, { owner: shop.owner, repo: shop.name, ...parameters })).data;
      };
      await bridge?.run(event(attempt), new AbortController().signal);
      return answer.data;
    };
    /** Not journaled. */
    const rest: Rest = (route, parameters = {}) => run(bridges.patient, route, parameters);

    function remember() {
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
            weather.reauthorized = true;
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
      return state;
    }

    /** Bridges share what they remember, such as where a comment stands. */
    async function open(state: ReturnType<typeof remember>, requestTimeoutMs: number): Promise<Bridge> {
      return createBridge({
        apps: [
          {
            name: 'app',
            load: (probot) =>
              void probot.on('issues', (context) =>
                now.step((route, parameters) => context.octokit.request(route, parameters as never)),
              ),
          },
        ],
        forges: new Map([[id, descriptor]]),
        state: { ...state, journal: createWriteJournal({ store: database.test.store('worker'), log, settleMs: 0 }) },
        gitFor: gitObjectsFor({ dataDir: folder }, loopback),
        log,
        metrics: createMetrics(),
        clock,
        circuits: { enter: (forge, host) => circuits.of.enter(forge, host) },
        requestTimeoutMs,
        fetch: send,
      });
    }

    beforeAll(async () => {
      nock.restore();
      folder = await mkdtemp(join(tmpdir(), 'forgeway-faults-'));
      [server, database, played] = await Promise.all([
        startFaultServer(),
        createJournalDatabase(),
        play(descriptor, rest),
      ]);
      const state = remember();
      [bridges.patient, bridges.impatient] = await Promise.all([open(state, 30_000), open(state, HANG_MS)]);
    });
    afterAll(async () => {
      await Promise.all([played.close(), server.close(), database.test.drop()]);
      await rm(folder, { recursive: true, force: true });
      nock.activate();
    });

    /** As when everything before is long ago. */
    const laterOn = () => {
      clock.at += 2 * HOUR_MS;
      circuits.of = createCircuits({ log, metrics: createMetrics() });
      weather = calm();
    };
    const failureOf = (ran: Promise<unknown>): Promise<unknown> =>
      ran.then(
        () => undefined,
        (error: unknown) => error,
      );
    const codeOf = (error: unknown) => ((error as Error).cause as { code?: string } | undefined)?.code;

    it('has an expectation for every fault', () => expect(Object.keys(expected).sort()).toEqual([...faults].sort()));

    describe.each(chosen)('$name', ({ name, route, parameters, count }) => {
      const safety = safetyOf(route);
      const begin = async () => {
        laterOn();
        told.count += 1;
        return { sent: await parameters(played, `word-${told.count}`, rest), dispatch: await database.dispatch() };
      };

      it.each(faults)('%s', async (fault) => {
        const { is: usual, lost } = expected[fault] ?? { is: 'dead', lost: false };
        const is = otherwise[`${name}: ${fault}`] ?? usual;
        const bridge = fault === 'hang' ? bridges.impatient : bridges.patient;
        for (const done of lost ? [false, true] : [false]) {
          const { sent, dispatch } = await begin();
          weather = { ...calm(), fault, done };
          const error = await failureOf(run(bridge, route, sent, await dispatch.attempt()));
          const { reauthorized, did } = weather;
          const permanent = bridge?.isPermanent(error) === true;
          const failure = {
            error,
            permanent,
            timedOut: false,
            attempts: 2,
            begun: 2,
            lane: 'lane',
            since: clock.now(),
          };
          const outcome = outcomeOf(failure, {
            backoff: deliveryBackoff,
            inPlaceMs: 1,
            now: clock.now,
            random: () => 0,
          });
          const [row] = await dispatch.rows();
          expect({ error: error === undefined, permanent, reauthorized, status: row?.status, did: did.length }).toEqual(
            {
              error: false,
              permanent: is === 'dead',
              reauthorized: usual === 're-auth',
              status: lost ? 'unknown' : 'refused',
              did: done ? 1 : 0,
            },
          );
          if (is === 'wait') {
            const { waitMs } = outcome as { waitMs: number };
            expect(waitMs).toBeGreaterThan(60_000);
            expect(waitMs).toBeLessThanOrEqual(HOUR_MS + 21_000);
          } else expect(outcome.status).toBe(is === 'dead' ? 'dead' : 'parked');

          // The next attempt, of a worker that knows nothing of the first but what the journal says.
          laterOn();
          const again = await failureOf(run(bridges.patient, route, sent, await dispatch.attempt()));
          const resent = weather.did.length;
          const isUnknown = safety === 'unsafe' && lost;
          expect([done, again && codeOf(again)]).toEqual([
            done,
            isUnknown ? 'FORGEWAY_WRITE_OUTCOME_UNKNOWN' : undefined,
          ]);
          const [after] = await dispatch.rows();
          expect([after?.status, after?.found]).toEqual([
            isUnknown ? 'unknown' : 'answered',
            safety === 'findable' && done,
          ]);
          if (done && safety !== 'idempotent') expect([again, resent]).toEqual([again, 0]);
          // What the forge did is all that can be said of it.
          if (isUnknown) expect(did.length + resent).toBe(done ? 1 : 0);
          else expect([done, await count(rest, sent)]).toEqual([done, 1]);
        }
        cells.add(`${name} ${fault}`);
      });

      it(ENDLESS, async () => {
        const { sent, dispatch } = await begin();
        weather = { ...calm(), fault: 'reset', done: true };
        expect(await failureOf(run(bridges.patient, route, sent, await dispatch.attempt()))).toBeDefined();
        laterOn();
        weather.endless = true;
        const again = await failureOf(run(bridges.patient, route, sent, await dispatch.attempt()));
        expect(weather.requests).toBeLessThanOrEqual(MOST_REQUESTS);
        // Whatever it says then, what was done is not done once more.
        if (safety !== 'idempotent') expect([again, weather.did]).toEqual([again, []]);
        laterOn();
        if (safety !== 'unsafe') expect(await count(rest, sent)).toBe(1);
        cells.add(`${name} ${ENDLESS}`);
      }, 180_000);
    });

    it('were eighteen faults by every effect', () => expect(cells.size).toBe(18 * chosen.length));

    it.each(faults.filter((fault) => expected[fault]?.is === 'retry'))(
      '%s opens the circuit of that host alone, and one request tries it again',
      async (fault) => {
        laterOn();
        const [effect] = effects;
        if (effect === undefined) throw new Error('there is no effect');
        const times = { now: 0 };
        circuits.of = createCircuits({ log, metrics: createMetrics(), now: () => times.now });
        const sent = await effect.parameters(played, `circuit ${fault}`, rest);
        const bridge = fault === 'hang' ? bridges.impatient : bridges.patient;
        const fail = async () => {
          const dispatch = await database.dispatch();
          weather = { ...calm(), fault };
          const error = await failureOf(run(bridge, effect.route, sent, await dispatch.attempt()));
          return { error, asked: weather.requests };
        };
        for (let failures = 1; failures <= 5; failures += 1) expect((await fail()).asked).toBe(1);
        const refused = await fail();
        expect([refused.asked, (refused.error as { code?: string }).code]).toEqual([0, 'FORGEWAY_FORGE_DOWN']);
        expect(() => circuits.of.enter(id, 'elsewhere.example').succeeded()).not.toThrow();
        times.now += 30_001;
        const dispatch = await database.dispatch();
        weather = calm();
        await run(bridges.patient, effect.route, sent, await dispatch.attempt());
        expect(weather.did).toHaveLength(1);
      },
    );
  });
}

function firstPage(url: string): string {
  const first = new URL(url);
  if (first.searchParams.has('page')) first.searchParams.set('page', '1');
  return first.href;
}

async function withNextPage(url: string, response: Response): Promise<Response> {
  const next = new URL(url);
  const page = Number(next.searchParams.get('page') ?? '1') + 1;
  next.searchParams.set('page', String(page));
  const headers = new Headers(response.headers);
  headers.set('link', `<${next.href}>; rel="next"`);
  headers.set('x-next-page', String(page));
  headers.set('x-total-count', '100000');
  return new Response(await response.arrayBuffer(), { status: response.status, headers });
}

/** The forge's own fake, with everything that is slow to make made once. */
export async function playFake(descriptor: ForgeDescriptor, rest: Rest): Promise<Played> {
  const folder = await mkdtemp(join(tmpdir(), 'forgeway-played-'));
  const fake = await descriptor.startFake?.({ folder, sendWebhook: async () => new Response(null, { status: 202 }) });
  if (fake === undefined) throw new Error('it cannot be played');
  for (const login of ['alice', 'bob']) await fake.addPerson(login);
  const repository = await fake.addRepository({ ...shop, people: { alice: 'write', bob: 'write' } });
  const alice = fake.as('alice', shop);
  const sha = await alice.push({ branch: 'topic', files: { 'topic.txt': 'one\n' }, message: 'topic' });
  const pull = await alice.openPullRequest({ head: 'topic', title: 'Topic' });
  const made: { bases: number; start?: string } = { bases: 0 };
  return {
    url: fake.url,
    request: (url, init) => fetch(url, init),
    bot: fake.bot,
    token: fake.token,
    repository,
    sha,
    pull,
    newIssue: () => alice.openIssue({ title: 'Prices' }),
    async newLabel(name) {
      await rest(`POST ${REPO}/labels`, { name, color: '00ff00' });
      return name;
    },
    async mergeable() {
      // One branch into many: to push is slow.
      made.bases += 1;
      const base = `base-${made.bases}`;
      made.start ??= await startOf(rest);
      await rest(`POST ${REPO}/git/refs`, { ref: `refs/heads/${base}`, sha: made.start });
      return (await rest(`POST ${REPO}/pulls`, { head: 'topic', base, title: base })).number as number;
    },
    async close() {
      await fake.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The first commit of all. */
const startOf = async (rest: Rest): Promise<string> => {
  const commits = await rest(`GET ${REPO}/commits`, { sha: 'main', ...all });
  return commits.at(-1).sha as string;
};
