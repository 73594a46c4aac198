/** A fake forge, all of Forgeway, and agents that are functions of the test: what is commented there is done. */
import { pino } from 'pino';
import type { AgentRunner } from '../../src/effects/agents/runner.js';
import type { NotifyHook } from '../../src/effects/notify/notify-hook.js';
import { handOffsOf } from '../../src/entry/hand-offs.js';
import type { ForgeDescriptor } from '../../src/forges/forge.js';
import type { FakePerson, FakePlace } from '../../src/forges/kit/fake/forge-fake.js';
import { createApps } from '../../src/handlers/apps.js';
import type { Rights } from '../../src/handlers/commands/commands.js';
import type { PlannedAgents } from '../../src/jobs/agent/agents.js';
import type { TaskFacts } from '../../src/jobs/agent/context.js';
import { sessionsFollowForge } from '../../src/jobs/agent/follow-forge.js';
import { createAgentReconciler } from '../../src/jobs/agent/reconciler.js';
import { taskFor } from '../../src/jobs/agent/task.js';
import type { Pokes } from '../../src/jobs/poke.js';
import type { JobKey, JobQueue } from '../../src/jobs/queue/queue.js';
import type { Reconciler } from '../../src/jobs/reconcile.js';
import { createKeyLocks } from '../../src/jobs/reconcile-locks.js';
import { createCommentReconciler } from '../../src/jobs/report/comment.js';
import { createSyncReconciler } from '../../src/jobs/sync/pull-request.js';
import { createMetrics } from '../../src/lib/metrics.js';
import { openStore } from '../../src/store/database.js';
import { eventually } from '../jobs/eventually.js';
import { type ConnectedForge, startConnectedForge } from '../support/connected-forge.js';
import { plannedFor } from '../support/planned-agents.js';
import { rightsFor } from '../support/rights.js';
import { createScriptedRunner, type Script, type ScriptedRunner } from './scripted-runner.js';

export const place: FakePlace = { owner: 'acme', name: 'shop' };
export const people = { bob: 'admin', dave: 'write', carol: 'read' } as const;
export type Login = keyof typeof people;

export interface SessionRow {
  id: string;
  status: string;
  stop: string | null;
  agent: string;
  fence: string | null;
  lease_held: boolean;
  branch: string | null;
  failure: string | null;
  pull_request_number: number | null;
  round: number;
  kind: string;
  tokens: string;
}

const SESSIONS = `SELECT id, status, stop_wanted AS stop, agent, fence::text, lease_held, branch, failure, pull_request_number,
    round, kind, tokens::text FROM agent_session`;

export interface AgentRig extends ConnectedForge {
  runner: ScriptedRunner;
  /** What agents were told, in order. */
  facts: TaskFacts[];
  planned: PlannedAgents;
  /** What the next agent does. */
  plays(script: Script): void;
  as(login: Login): FakePerson;
  rows<Row extends object>(sql: string, values?: unknown[]): Promise<Row[]>;
  /** Answers its number, once everything has heard of it. */
  openIssue(title: string, by?: Login): Promise<number>;
  /** Sessions, oldest first. */
  sessions(): Promise<SessionRow[]>;
  /** Of one issue or pull request. */
  sessionsOf(number: number): Promise<SessionRow[]>;
  /** The kinds of a session's record, with its changes of state as `>status`. */
  record(sessionId: string): Promise<string[]>;
  until(what: string, holds: () => Promise<boolean>): Promise<void>;
  /** What stands in the conversation: the comments of others than people. */
  said(number: number): Promise<string[]>;
  /** Of the worker that is alive. */
  pokes: Pokes;
  /** Another worker dies, and another takes over. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

interface LocalQueue extends JobQueue {
  stop(): Promise<void>;
}

/** Runs what is poked in this process, as a queue with one worker process would. */
function localQueue(name: string, run: (key: JobKey, signal: AbortSignal) => Promise<void>): LocalQueue {
  const over = new AbortController();
  let waiting: { key: JobKey; at: number }[] = [];
  const running = new Set<Promise<void>>();
  // Begun here and not by whoever pokes: a job belongs to no delivery.
  const clock = setInterval(() => {
    const due = waiting.filter(({ at }) => at <= performance.now());
    waiting = waiting.filter((one) => !due.includes(one));
    for (const { key } of due) {
      const work = run(key, over.signal).catch(() => undefined);
      running.add(work);
      void work.finally(() => running.delete(work));
    }
  }, 5);
  return {
    name,
    async poke(key, { delayMs = 0 } = {}) {
      if (!over.signal.aborted) waiting.push({ key, at: performance.now() + delayMs });
    },
    async stop() {
      over.abort();
      clearInterval(clock);
      await Promise.all(running);
    },
  };
}

export interface AgentRigOptions {
  planned?: PlannedAgents;
  /** In place of the one that plays scripts. */
  runner?: AgentRunner;
  /** Further accounts that may write. */
  others?: readonly string[];
  /** Keys of agents, as the vault gives them. */
  secretsOf?: () => Promise<Record<string, string>>;
  notify?: NotifyHook;
  /** Of the repository, at its beginning. */
  files?: Readonly<Record<string, string>>;
  /** So many, each with its own connections and locks; everything that is poked is taken up by all of them at once. Default: one. */
  workers?: number;
  /** Connections of the first. */
  connections?: number;
  /** Waited for before and after each thing that the sessions' reconciler asks of forge and runner, such as `after start`. */
  step?: Step;
}

type Step = (name: string) => Promise<void>;

function withSteps<T extends object>(
  thing: T,
  step: Step | undefined,
  nameOf: (verb: string, args: readonly unknown[]) => string,
): T {
  if (step === undefined) return thing;
  return new Proxy(thing, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key);
      if (typeof value !== 'function' || typeof key !== 'string') return value;
      return async (...args: unknown[]) => {
        const name = nameOf(key, args);
        await step(`before ${name}`);
        const answer: unknown = await Reflect.apply(value, target, args);
        await step(`after ${name}`);
        return answer;
      };
    },
  });
}

export async function startAgentRig(
  forge: ForgeDescriptor,
  {
    planned = plannedFor('scripted'),
    runner: real,
    files,
    others = [],
    secretsOf,
    notify,
    workers = 1,
    connections,
    step,
  }: AgentRigOptions = {},
): Promise<AgentRig> {
  let script: Script = async () => undefined;
  let rights: Rights | undefined;
  const runner = createScriptedRunner(() => script);
  const facts: TaskFacts[] = [];
  const log = pino({ level: process.env.RIG_LOG ?? 'silent' });
  let working: Partial<Record<keyof Pokes, Reconciler>>[] = [];
  const queueOf = (name: keyof Pokes) =>
    localQueue(name, async (key, signal) => {
      await Promise.allSettled(working.map((worker) => worker[name]?.run(key, signal)));
    });
  const queues = {
    preview: queueOf('preview'),
    sync: queueOf('sync'),
    report: queueOf('report'),
    agent: queueOf('agent'),
  };
  const nowhere = (name: string) => ({ name, poke: async () => undefined });
  // Handlers keep what they were given; behind it stands the queue of the worker that is alive now.
  const pokes: Pokes = {
    preview: { name: 'preview', poke: (key, o) => queues.preview.poke(key, o) },
    sync: { name: 'sync', poke: (key, o) => queues.sync.poke(key, o) },
    report: { name: 'report', poke: (key, o) => queues.report.poke(key, o) },
    agent: { name: 'agent', poke: (key, o) => queues.agent.poke(key, o) },
    run: nowhere('run'),
    watch: nowhere('watch'),
  };
  const connected = await startConnectedForge(forge, {
    people: [...Object.keys(people), ...others],
    ...(connections !== undefined && { connections }),
    repository: {
      ...{ ...place, people: { ...people, ...Object.fromEntries(others.map((login) => [login, 'write' as const])) } },
      ...(files && { files }),
    },
    apps: (store, organizationId) => {
      rights = rightsFor(store, organizationId);
      return createApps({ store, pokes, log, rights, agents: planned });
    },
  });
  const { store, organizationId, bridge } = connected;
  if (rights === undefined) throw new Error('no apps were made');
  const { permissions, access } = rights;
  const metrics = createMetrics();

  // As processes of their own have them.
  const stores = Array.from({ length: workers - 1 }, () => openStore(connected.database, 'worker', { max: 4 }));
  const newLocks = () =>
    [connected.store, ...stores].map((own) => ({ own, locks: createKeyLocks({ store: own, log }) }));
  let locksOf = newLocks();
  function work(): void {
    working = locksOf.map(worker);
  }
  function worker({ own: store, locks }: (typeof locksOf)[number]): (typeof working)[number] {
    const reconcilers: (typeof working)[number] = {};
    const common = { store, locks, log, metrics, octokitFor: bridge.octokitFor };
    reconcilers.agent = createAgentReconciler({
      ...common,
      octokitFor: async (...whose) =>
        withSteps(await bridge.octokitFor(...whose), step, (_verb, [route]) => String(route)),
      runner: withSteps(real ?? runner, step, (verb) => verb),
      ...{ pokes, agents: planned, permissions, access, gitAccess: bridge.gitAccess },
      secretsOf: secretsOf ?? (async () => ({})),
      notify,
      everySecretOf: async () => Object.values((await secretsOf?.().catch(() => ({}))) ?? {}),
      handOffs: handOffsOf({ store, bridge, publicUrl: 'https://forgeway.example' }),
      taskOf: (told, agent) => {
        facts.push(told);
        return taskFor(told, agent);
      },
      backoff: { baseMs: 10, capMs: 50 },
      supersededPollMs: 200,
      lastWordsMs: 10_000,
    });
    reconcilers.report = createCommentReconciler({
      ...{ ...common, queue: pokes.report, markerKey: Buffer.alloc(32, 1), debounceMs: 20 },
    });
    reconcilers.sync = createSyncReconciler({
      ...{ ...common, queue: pokes.sync, onState: sessionsFollowForge({ pokes }) },
    });
    return reconcilers;
  }
  work();

  const rows = async <Row extends object>(sql: string, values: unknown[] = []): Promise<Row[]> =>
    (await store.tenant(organizationId, (tx) => tx.query<Row>(sql, values))).rows;

  // As in the program: a hint that was lost costs a second and nothing else.
  let sweeping: Promise<unknown> = Promise.resolve();
  const sweeper = setInterval(() => {
    sweeping = rows<{ id: string }>('SELECT id FROM agent_session WHERE observed_version <> desired_version').then(
      (found) => Promise.all(found.map(({ id }) => pokes.agent.poke({ organizationId, id }))),
      (error: unknown) => log.warn({ err: String(error) }, 'not swept'),
    );
  }, 2_000);

  async function stopWork(): Promise<void> {
    await Promise.all(Object.values(queues).map((queue) => queue.stop()));
    await Promise.all(locksOf.map(({ locks }) => locks.close()));
  }

  return {
    ...connected,
    runner,
    facts,
    planned,
    pokes,
    plays: (next) => {
      script = next;
    },
    as: (login) => connected.fake.as(login, place),
    rows,
    async openIssue(title, by = 'bob') {
      const number = await connected.fake.as(by, place).openIssue({ title });
      await connected.quiet();
      return number;
    },
    sessions: () => rows<SessionRow>(`${SESSIONS} ORDER BY created_at, id`),
    sessionsOf: (number) => rows<SessionRow>(`${SESSIONS} WHERE number = $1 ORDER BY created_at, id`, [number]),
    async record(sessionId) {
      const found = await rows<{ kind: string; data: { to?: string } }>(
        'SELECT kind, data FROM session_event WHERE session_id = $1 ORDER BY sequence',
        [sessionId],
      );
      return found.map(({ kind, data }) => (kind === 'status' ? `>${data.to}` : kind));
    },
    until: (what, holds) => eventually(holds, what),
    async said(number) {
      const state = await connected.fake.state(place);
      const thread = [...state.pullRequests, ...state.issues].find((one) => one.number === number);
      return (thread?.comments ?? []).filter(({ author }) => !(author in people)).map(({ body }) => body);
    },
    async restart() {
      await stopWork();
      Object.assign(queues, {
        preview: queueOf('preview'),
        sync: queueOf('sync'),
        report: queueOf('report'),
        agent: queueOf('agent'),
      });
      locksOf = newLocks();
      work();
      // What a sweeper does.
      for (const { id } of await rows<{ id: string }>('SELECT id FROM agent_session'))
        await pokes.agent.poke({ organizationId, id });
    },
    async close() {
      clearInterval(sweeper);
      await sweeping;
      await stopWork();
      await runner.close();
      await access.close();
      await Promise.all(stores.map((own) => own.close()));
      await connected.close();
    },
  };
}
