/**
 * A forge's double, connected; the inbox, the mirror and an app that notes what it is told; and a poller that looks when the
 * test says so. Webhooks can be kept back, and handed over later or never.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import type { Probot } from 'probot';
import { connectForge } from '../../src/accounts/connecting/connect.js';
import { type SyncMode, setSyncMode } from '../../src/accounts/connection-rows.js';
import { createVault } from '../../src/accounts/vault.js';
import { secretsOf } from '../../src/entry/default-app.js';
import type { ForgeDescriptor } from '../../src/forges/forge.js';
import type { FakePerson, ForgeFake } from '../../src/forges/kit/fake/forge-fake.js';
import { forges } from '../../src/forges/registry.js';
import { createApps, MIRROR } from '../../src/handlers/apps.js';
import { liftHolds, placeHold } from '../../src/inbox/hold-changes.js';
import { type CycleOptions, type CycleSummary, runCycle } from '../../src/inbox/poll/cycle.js';
import { replayDelivery } from '../../src/inbox/replay.js';
import { startInbox } from '../../src/inbox/start-inbox.js';
import { connectionNews } from '../../src/inbox/tell-apps.js';
import { createMetrics } from '../../src/lib/metrics.js';
import { createBridge } from '../../src/translate/bridge.js';
import { openNativeAccess } from '../../src/translate/native-access.js';
import { createIngress, ingressServerOptions } from '../../src/webhook/ingress.js';
import { createTestDatabase, TEST_KEYS } from '../support/database.js';
import { loopback } from '../support/loopback.js';
import { PATIENCE_MS } from '../support/patience.js';

/** `pull_request.opened 12`; without a number what is the repository's. */
export type Heard = string;

export interface PollRig {
  fake: ForgeFake;
  /** What the app was told so far, in its order. */
  heard: Heard[];
  /** Requests of the bridge to the forge, as `GET /path?query`. */
  asked: string[];
  metrics: ReturnType<typeof createMetrics>;
  as(login: string): FakePerson;
  /**
   * Keeps webhooks back from now on; `release` hands them over, in reverse when it says so; `lose` loses those of this event, and
   * hands over the others; `keep` lets those pass that come from now on, and answers what hands over the others.
   */
  hold(): {
    release(order?: 'reversed'): Promise<void>;
    lose(event: string): Promise<void>;
    keep(): () => Promise<void>;
    drop(): void;
    readonly count: number;
  };
  /** One cycle, and what the app was told by it. */
  poll(options?: Partial<CycleOptions>): Promise<{ summary: CycleSummary; heard: Heard[] }>;
  /** Cycles until one finds nothing and leaves nothing; all that the app was told meanwhile. */
  pollUntilCalm(): Promise<Heard[]>;
  /** Runs the app on every event of this name once more, as `deliveries replay` does. Answers how many. */
  replay(eventName: string): Promise<number>;
  /** Until nothing is to be done but what is paused. */
  quiet(): Promise<void>;
  /** Pauses everything; the answer lets it go on. */
  pause(): Promise<() => Promise<void>>;
  /** False when there is no such connection any more. */
  setMode(mode: SyncMode): Promise<boolean>;
  rows<T extends object>(statement: string, values?: unknown[]): Promise<T[]>;
  close(): Promise<void>;
}

const timing = {
  pollMs: 50,
  leaseMs: 5_000,
  tickMs: 200,
  inPlaceMs: 20,
  backoff: { baseMs: 10, capMs: 50, attempts: 3 },
};
const queue = (name: string) => ({ name, poke: async () => undefined });
const PLACE = { owner: 'acme', name: 'web' };
type Turns = NonNullable<CycleOptions['turns']>;
const TURNS: Turns = ['objects', 'branches'];
const SILENT: ReadonlySet<string> = new Set(['ping', 'installation', 'installation_repositories']);

function heardOf(name: string, payload: Record<string, unknown>): Heard {
  const object = (payload.pull_request ?? payload.issue) as { number?: number } | undefined;
  const { action, ref } = payload;
  const label = (payload.label as { name?: string } | undefined)?.name;
  return [typeof action === 'string' ? `${name}.${action}` : name, object?.number ?? ref ?? '', label ?? '']
    .join(' ')
    .trim();
}

export async function startPollRig(
  descriptor: ForgeDescriptor,
  o: {
    mode?: SyncMode;
    turns?: Turns;
    confidential?: boolean;
    /** The forge's. */
    clock?(): Date;
    before?(fake: ForgeFake): Promise<void>;
    app?(app: Probot): void;
  } = {},
): Promise<PollRig> {
  const { turns = TURNS } = o;
  const folder = await mkdtemp(join(tmpdir(), 'forgeway-poll-'));
  const held: { event: string; send(): Promise<unknown> }[] = [];
  const state = { holding: false };
  const fake = await descriptor.startFake?.({
    folder: join(folder, 'forge'),
    ...(o.clock && { clock: o.clock }),
    sendWebhook: async (url, init) => {
      if (!state.holding) return loopback.fetch(url, init);
      const headers = new Headers(init.headers);
      const event =
        headers.get('x-gitea-event') ?? headers.get('x-github-event') ?? headers.get('x-gitlab-event') ?? '';
      held.push({ event, send: () => fetch(url, init) });
      return new Response(null, { status: 202 });
    },
  });
  if (fake === undefined) throw new Error(`${descriptor.label} has no fake.`);
  for (const login of ['alice', 'bob']) await fake.addPerson(login);
  await fake.addRepository({ ...PLACE, people: { alice: 'write', bob: 'write' } });
  await o.before?.(fake);

  const test = await createTestDatabase();
  const { organizationId } = test;
  const store = test.store('worker');
  const log = pino({ level: 'silent' });
  const metrics = createMetrics();
  const ingress = createIngress({
    pool: test.store('ingress').pool,
    forges,
    secretsOf: secretsOf({ webhookSecret: undefined }, TEST_KEYS),
    log,
    metrics,
  });
  const server = createServer(ingressServerOptions, (request, response) => {
    if (!ingress.handle(request, response)) response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const publicUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  const heard: Heard[] = [];
  const asked: string[] = [];
  const notes = (app: Probot) => {
    app.onAny(async ({ name, payload }) => {
      if (!SILENT.has(name)) heard.push(heardOf(name, payload as unknown as Record<string, unknown>));
    });
    o.app?.(app);
  };
  const pokes = {
    preview: queue('preview'),
    sync: queue('sync'),
    report: queue('report'),
    run: queue('run'),
    watch: queue('watch'),
    agent: queue('agent'),
  };
  const bridge = await createBridge({
    apps: [...createApps({ store, log, pokes }), { name: 'notes', load: notes }],
    store,
    keys: TEST_KEYS,
    fetch: (url, init) => {
      const { pathname, search } = new URL(url);
      asked.push(`${init?.method ?? 'GET'} ${pathname}${search}`);
      return loopback.fetch(url, init);
    },
    log,
    metrics,
  });
  const inbox = startInbox({
    store,
    dispatcher: bridge,
    forges,
    log,
    metrics,
    ownerId: 'test',
    concurrency: 4,
    handlerTimeoutMs: 30_000,
    timing,
  });
  const quiet = async () => {
    for (const end = performance.now() + PATIENCE_MS; ; await sleep(20)) {
      await fake.settled();
      const { rows } = await store.pool.query<{ n: number }>(
        `SELECT count(*)::int4 AS n FROM webhook_delivery w WHERE w.status = 'received' OR (w.status = 'assigned'
           AND EXISTS (SELECT FROM dispatch d WHERE d.delivery_id = w.id AND d.status IN ('pending', 'parked')))`,
      );
      if (rows[0]?.n === 0) return;
      if (performance.now() > end) throw new Error('not quiet');
    }
  };
  const connected = await connectForge(
    {
      store,
      vault: createVault(TEST_KEYS.versions),
      news: connectionNews(store),
      organizationId,
      publicUrl: o.mode === 'poll' ? undefined : publicUrl,
      nativeOf: openNativeAccess({ log, fetch: loopback.fetch }),
      progress: (line) => log.info(line),
    },
    {
      forge: descriptor,
      url: fake.url,
      token: fake.token,
      name: 'fake',
      repositories: [`${PLACE.owner}/${PLACE.name}`],
      all: false,
      level: 'repository',
      organization: undefined,
      confidential: o.confidential,
      ...(o.mode && { mode: o.mode }),
    },
  );
  if (connected.problems.length > 0) throw new Error(connected.problems.join('\n'));
  await quiet();
  heard.length = 0;

  const rig: PollRig = {
    fake,
    heard,
    asked,
    metrics,
    as: (login) => fake.as(login, PLACE),
    hold() {
      state.holding = true;
      const handOver = async (late: readonly (typeof held)[number][]) => {
        for (const { send } of late) await send();
        await quiet();
      };
      return {
        get count() {
          return held.length;
        },
        drop() {
          held.length = 0;
          state.holding = false;
        },
        async release(order) {
          state.holding = false;
          const late = held.splice(0);
          await handOver(order === 'reversed' ? late.reverse() : late);
        },
        keep() {
          state.holding = false;
          const late = held.splice(0);
          return () => handOver(late);
        },
        async lose(event) {
          state.holding = false;
          await handOver(held.splice(0).filter((one) => one.event !== event));
        },
      };
    },
    async poll(options = {}) {
      await fake.settled();
      const from = heard.length;
      const ports = { store, access: bridge.askAs, recorder: MIRROR, log, metrics };
      const summary = await runCycle(ports, {
        intervalMs: 60_000,
        all: true,
        patienceMs: 5_000,
        turns,
        settleMs: 1_000,
        ...options,
      });
      await quiet();
      return { summary, heard: heard.slice(from) };
    },
    async pollUntilCalm() {
      const from = heard.length;
      // As many as bring everything's turn, and until what is too fresh has settled.
      for (let cycle = 0, calm = 0; calm < turns.length; cycle += 1) {
        const { summary } = await rig.poll();
        if (summary.failed > 0 || cycle > 60) throw new Error(`not calm: ${JSON.stringify(summary)}`);
        calm = summary.events.length === 0 && summary.pending === 0 ? calm + 1 : 0;
        if (summary.pending > 0) await sleep(200);
      }
      return heard.slice(from);
    },
    async replay(eventName) {
      const { rows } = await store.tenant(organizationId, (tx) =>
        tx.query<{ id: bigint }>(
          `SELECT DISTINCT delivery_id AS id FROM dispatch WHERE app = 'notes' AND event_name = $1`,
          [eventName],
        ),
      );
      for (const { id } of rows) await replayDelivery(store, id, { actor: 'cli:ada', app: 'notes' });
      await quiet();
      return rows.length;
    },
    quiet,
    async pause() {
      const { id } = await placeHold(store, organizationId, { mode: 'pause', scope: {}, actor: 'cli:ada' });
      return async () => {
        await liftHolds(store, organizationId, [id], 'cli:ada');
        await quiet();
      };
    },
    setMode: (mode) => setSyncMode(store, organizationId, connected.id, mode),
    rows: async <T extends object>(statement: string, values: unknown[] = []) =>
      (await store.tenant(organizationId, (tx) => tx.query(statement, values))).rows as T[],
    async close() {
      await inbox.drain(5_000);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await ingress.close();
      await fake.close();
      await test.drop();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return rig;
}
