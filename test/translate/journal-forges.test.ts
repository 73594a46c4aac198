/**
 * Every write row of every forge that can be played: its answer is lost after the forge did it, at each of its requests in
 * turn, and the handler runs again. What was done is there once, or is known to be unknown; never twice.
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
import type { ForgeFake } from '../../src/forges/kit/fake/forge-fake.js';
import type { DispatchAttempt } from '../../src/lib/delivery-scope.js';
import { createMetrics } from '../../src/lib/metrics.js';
import { type Bridge, createBridge, type DeliveredEvent } from '../../src/translate/bridge.js';
import type { Fetch } from '../../src/translate/forge-fetch.js';
import { finders } from '../../src/translate/journal/find.js';
import { createWriteJournal } from '../../src/translate/journal/journal.js';
import { memoryState } from '../../src/translate/memory-state.js';
import { fakedForges } from '../support/connected-forge.js';
import { loopback } from '../support/loopback.js';
import { type Parameters, shop, type Writer, writes } from './forge-writes.js';
import { createJournalDatabase, type JournalDatabase } from './journal-rig.js';

const clock = { now: () => new Date() };
const log = pino({ level: 'silent' });
const MOST_REQUESTS = 6;

/** Rows whose preparation a forge's fake does not offer, with the reason. */
const NOT_PLAYED: ReadonlySet<string> = new Set([
  // A fork is another repository, which the state of this one does not show; find.ts has it in journal.test.ts.
  'POST /repos/{owner}/{repo}/forks',
  // Its body is a file, and the state of a double does not show those.
  'POST /repos/{owner}/{repo}/releases/{release_id}/assets',
  // What a webhook was sent is no state of a double; the row is at most once.
  'POST /repos/{owner}/{repo}/hooks/{hook_id}/pings',
  // It asks the forge for nothing, and tells apps; the row is at most once.
  'POST /repos/{owner}/{repo}/dispatches',
  // Pipelines are not played; the row is at most once.
  'POST /repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches',
  'POST /repos/{owner}/{repo}/actions/runs/{run_id}/cancel',
  'POST /repos/{owner}/{repo}/actions/runs/{run_id}/rerun',
  'POST /repos/{owner}/{repo}/actions/runs/{run_id}/rerun-failed-jobs',
  'POST /repos/{owner}/{repo}/actions/jobs/{job_id}/rerun',
]);

const writeRows = ({ routes }: ForgeDescriptor): [string, string][] =>
  Object.entries(routes ?? {}).flatMap(([key, { retry }]) => (retry === 'read' ? [] : [[key, retry]]));

/** What this version, or this forge, does not have. */
const unlessNotThere = (error: unknown): undefined => {
  if ((error as { status?: unknown }).status !== 501) throw error;
};
const MOST_UNPLAYED = 4;

const failureOf = (error: unknown): { code?: string; status?: number } => {
  const cause = error instanceof Error ? (error.cause as { code?: string } | undefined) : undefined;
  const { status } = (error ?? {}) as { status?: number };
  return { code: cause?.code, status };
};

describe.each(fakedForges.map((descriptor) => ({ descriptor, label: descriptor.label })))(
  'writes to $label',
  ({ descriptor }) => {
    let folder: string;
    let fake: ForgeFake;
    let database: JournalDatabase;
    let bridge: Bridge;
    const told = { count: 0 };
    const unplayed: string[] = [];
    /** The answer of the how-manyth native write is lost; what was lost in the end. */
    const loss = { at: 0, seen: 0, lost: 0 };
    type Step = (request: (route: string, parameters: object) => Promise<{ data: unknown }>) => Promise<void>;
    const now: { step: Step } = { step: async () => undefined };

    const send: Fetch = async (url, init) => {
      const response = await fetch(url, init);
      const method = init?.method ?? 'GET';
      if (method === 'GET' || !response.ok) return response;
      loss.seen += 1;
      if (loss.seen !== loss.at) return response;
      loss.lost += 1;
      await response.arrayBuffer();
      throw new TypeError('fetch failed', { cause: Object.assign(new Error('reset'), { code: 'ECONNRESET' }) });
    };

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'forgeway-journal-'));
      if (descriptor.startFake === undefined) throw new Error('it cannot be played');
      fake = await descriptor.startFake({
        folder: join(folder, 'forge'),
        sendWebhook: async () => new Response(null, { status: 202 }),
      });
      for (const login of ['alice', 'bob']) await fake.addPerson(login);
      const repository = await fake.addRepository({ ...shop, people: { alice: 'write', bob: 'write' } });
      database = await createJournalDatabase();
      const { organizationId } = database.test;
      const { host } = descriptor.endpoint(fake.url);
      const place = { forge: descriptor.id, host };
      const state = memoryState(
        {
          id: 'journal',
          organizationId,
          forge: descriptor,
          host,
          baseUrl: fake.url,
          account: fake.bot,
          ...fixedToken(fake.token),
          virtualId: virtualInstallationId({ ...place, appId: 'journal', installationId: fake.bot.id }),
        },
        clock,
      );
      state.add({
        ...shop,
        remoteId: repository.id,
        url: repository.url,
        private: false,
        archived: false,
        defaultBranch: repository.defaultBranch,
      });
      bridge = await createBridge({
        apps: [
          {
            name: 'app',
            load: (probot) => {
              probot.on('issues', (context) =>
                now.step((route, parameters) => context.octokit.request(route, parameters as never)),
              );
            },
          },
        ],
        forges: new Map([[descriptor.id, descriptor]]),
        state: { ...state, journal: createWriteJournal({ store: database.test.store('worker'), log, settleMs: 0 }) },
        gitFor: gitObjectsFor({ dataDir: folder }, loopback),
        log,
        metrics: createMetrics(),
        fetch: send,
      });
    });
    afterAll(async () => {
      expect(fake.violations()).toEqual([]);
      expect(unplayed.length).toBeLessThanOrEqual(MOST_UNPLAYED);
      await fake.close();
      await database.test.drop();
      await rm(folder, { recursive: true, force: true });
    });

    const event = (attempt?: DispatchAttempt): DeliveredEvent => {
      const { host } = descriptor.endpoint(fake.url);
      const payload = { action: 'opened', repository: { name: shop.name, owner: { login: shop.owner } } };
      told.count += 1;
      return {
        deliveryId: BigInt(told.count),
        deliveryKey: `key-${told.count}`,
        hookId: 'journal',
        forge: descriptor.id,
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
        body: Buffer.from(JSON.stringify(payload)),
        ...(attempt && { attempt }),
      };
    };
    const placed = (route: string, parameters: Parameters) => ({
      ...(route.includes('{owner}') && { owner: shop.owner }),
      ...(route.includes('{repo}') && { repo: shop.name }),
      ...parameters,
    });
    const ask = async (route: string, parameters: Parameters, attempt?: DispatchAttempt): Promise<unknown> => {
      const answer: { data?: unknown } = {};
      now.step = async (request) => {
        answer.data = (await request(route, placed(route, parameters))).data;
      };
      await bridge.run(event(attempt), new AbortController().signal);
      return answer.data;
    };
    const writer: Writer = {
      get fake() {
        return fake;
      },
      rest: (route, parameters = {}) => ask(route, parameters),
      next: () => {
        told.count += 1;
        return told.count;
      },
    };
    /** What is there, as far as it can be counted. */
    const observe = async () => ({
      ...(await fake.state(shop)),
      milestones: await writer.rest('GET /repos/{owner}/{repo}/milestones', { state: 'all', per_page: 100 }),
    });
    const timeless = (value: unknown): unknown =>
      JSON.parse(JSON.stringify(value, (key, inner: unknown) => (key.endsWith('_at') ? undefined : inner)));

    it('have a case for each row, and a finder for each that says it can be found', () => {
      const keys = writeRows(descriptor);
      expect(keys.map(([key]) => key).filter((key) => writes[key] === undefined && !NOT_PLAYED.has(key))).toEqual([]);
      expect(keys.filter(([key, safety]) => safety === 'findable' && finders[key] === undefined)).toEqual([]);
    });

    it.each(writeRows(descriptor).filter(([key]) => !NOT_PLAYED.has(key)))('%s (%s)', async (route, safety) => {
      for (let at = 1; at <= MOST_REQUESTS; at += 1) {
        Object.assign(loss, { at: 0 });
        const parameters = await writes[route]?.(writer).catch(unlessNotThere);
        if (parameters === undefined) return void unplayed.push(route);
        const dispatch = await database.dispatch();
        Object.assign(loss, { at, seen: 0, lost: 0 });
        const first = await ask(route, parameters, await dispatch.attempt()).then(
          () => undefined,
          (error: unknown) => failureOf(error),
        );
        const { lost } = loss;
        Object.assign(loss, { at: 0 });
        if (first?.status === 501) return void unplayed.push(route);
        if (lost === 0) {
          expect([at, first]).toEqual([at, undefined]);
          // Answered: a second run is answered from the journal, and nothing is sent.
          const before = loss.seen;
          await ask(route, parameters, await dispatch.attempt());
          expect(loss.seen).toBe(before);
          return;
        }
        const effect = safety === 'findable' ? timeless(await observe()) : undefined;
        const sent = loss.seen;
        const second = await ask(route, parameters, await dispatch.attempt()).then(
          () => undefined,
          (error: unknown) => failureOf(error),
        );
        const [row] = await dispatch.rows();
        if (safety === 'unsafe') {
          expect([at, second?.code, row?.status]).toEqual([at, 'FORGEWAY_WRITE_OUTCOME_UNKNOWN', 'unknown']);
          expect(loss.seen).toBe(sent);
          continue;
        }
        expect([at, second, row?.status]).toEqual([at, undefined, 'answered']);
        if (row?.found) expect(loss.seen).toBe(sent);
        // A write of several requests goes on where it broke off.
        if (at === 1 && row?.found !== true && row?.sends === 2 && safety === 'findable')
          expect([route, 'was sent again']).toEqual([route, 'never']);
        if (effect !== undefined) expect(timeless(await observe())).toEqual(effect);
      }
    });
  },
);
