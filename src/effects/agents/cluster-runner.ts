/**
 * Runs agents on a cluster (ADR 37): each turn is a job in a namespace of its own, with the repository, the task and the keys of
 * its model, and without a credential of the forge or of the cluster. What it changed comes back as files, and is looked at here
 * as what an agent on this machine changed.
 */
import { lstat, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { pause } from '../../lib/clock.js';
import { ForgewayError } from '../../lib/errors.js';
import { keepSecret } from '../../lib/known-secrets.js';
import type { Outbound } from '../../lib/outbound/outbound.js';
import { type ArchiveLimits, unpackArchive } from '../archive/archive.js';
import type { GitMirrors } from '../git/mirror.js';
import { createMirrorLocks, type MirrorLock } from '../git/mirror-lock.js';
import type { ClusterJobs } from '../kubernetes/job/cluster-jobs.js';
import type { JobLook } from '../kubernetes/job/look.js';
import { type JobClusterSettings, type JobWork, WORKSPACE } from '../kubernetes/job/manifests.js';
import type { JobRecord } from '../kubernetes/job/records.js';
import { collectResult } from './collect.js';
import { type AgentDefinition, agentDefinition } from './definition.js';
import { agentEnvironment, agentSecrets, argumentsOf, TASK_FILE, TASK_FOLDER } from './environment.js';
import { formats } from './formats/registry.js';
import { packTree } from './pack-tree.js';
import type { AgentInput } from './protocol.js';
import { pushCommit } from './push.js';
import { readReview } from './review.js';
import type { AgentObservation, AgentRef, AgentRunner, AgentStart } from './runner.js';
import { readPrinted } from './spool.js';
import { visibleText } from './visible-text.js';
import { openWorkTree } from './work-tree.js';

export interface ClusterRunnerOptions {
  jobs: ClusterJobs;
  /** Private to us and the other processes of this installation: work trees as they were given, and as they came back. */
  directory: string;
  mirrors: GitMirrors;
  outbound: Pick<Outbound, 'pin'>;
}

const stateSchema = z.object({
  agent: agentDefinition,
  branch: z.string(),
  base: z.object({ repositoryId: z.string(), sha: z.string(), start: z.string() }),
  /** What had been printed when the turn began. */
  from: z.number(),
  /** Of the reply that the turn began with. */
  began: z.string().default(''),
});
type State = z.output<typeof stateSchema>;

const MB = 1024 * 1024;
/** A question may wait over a weekend; a job that nobody ends is over then. */
const LONGEST_SECONDS = 7 * 86_400;
const SLACK_SECONDS = 7_200;
const MOST_INPUT = 4 * 1024 * MB;
const ENTRIES = 300_000;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const MOST_LOOKS = 1_000;
/** So long what it has left is waited for at a time. */
const KEEP_MS = 120_000;
const KEEP_POLL_MS = 250;
/** Longest argument that Linux takes is 128 KiB. */
const MOST_PROMPT_ARGUMENT = 100 * 1024;
const PLAIN_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
const TASK_PATH = `${WORKSPACE}/${TASK_FOLDER}/${TASK_FILE}`;
const WHAT = 'The agent';

const unusable = (problem: string) => new ForgewayError('FORGEWAY_SANDBOX_UNAVAILABLE', problem);
const missing = (error: NodeJS.ErrnoException): undefined => {
  if (error.code !== 'ENOENT') throw error;
};
/** Programs look for either spelling. */
const proxyVariables = (address: string): Record<string, string> =>
  Object.fromEntries(['HTTP_PROXY', 'HTTPS_PROXY', 'http_proxy', 'https_proxy'].map((name) => [name, address]));
const jobIdOf = ({ id, turn }: JobRecord): string => `${id} ${turn}`;
const stillRunning = ({ sessionId }: AgentRef) =>
  new ForgewayError('FORGEWAY_AGENT_RUNNING', `The agent of session ${sessionId} still runs.`);
const stateOf = (record: JobRecord): State => stateSchema.parse(record.state);

/** Opens the runner. Which sessions there are is in the records of the jobs; any process goes on with any of them. */
export async function openClusterRunner(o: ClusterRunnerOptions): Promise<AgentRunner> {
  const { jobs, mirrors, outbound } = o;
  await mkdir(o.directory, { recursive: true, mode: 0o700 });
  const locks = createMirrorLocks();
  const placeOf = (sessionId: string) => join(o.directory, sessionId);
  const treeOf = (sessionId: string) => join(placeOf(sessionId), 'source');
  const locked = <T>(sessionId: string, work: (lock: MirrorLock) => Promise<T>, signal?: AbortSignal): Promise<T> =>
    locks(join(o.directory, `${sessionId}.session`), work, signal);

  /** The newest turn of this start. @throws ForgewayError FORGEWAY_AGENT_FENCED */
  async function recordFor(ref: AgentRef): Promise<JobRecord | undefined> {
    const found = await jobs.records.newest('agent', ref.sessionId);
    if (found !== undefined && found.fence > ref.fence)
      throw new ForgewayError('FORGEWAY_AGENT_FENCED', `Session ${ref.sessionId} was started again since.`);
    return found?.fence === ref.fence ? found : undefined;
  }

  async function needed(ref: AgentRef): Promise<JobRecord> {
    const found = await recordFor(ref);
    if (found === undefined) throw unusable(`Session ${ref.sessionId} is not on a cluster.`);
    return found;
  }

  function workOf(
    { jobs: own }: JobClusterSettings,
    given: {
      sessionId: string;
      agent: AgentDefinition;
      turn: number;
      input: AgentInput;
      prompt: string;
      secrets: Readonly<Record<string, string>>;
    },
  ): JobWork {
    const { agent, turn, sessionId } = given;
    const { proxy, egress } = own.agents;
    if (agent.hosts.length + agent.privateHosts.length > 0 && proxy === undefined && egress.length === 0)
      throw unusable(
        `The agent ${agent.name} needs hosts, and agents on this cluster reach nothing: name networks or a proxy in the cluster’s settings (jobs.agents).`,
      );
    const {
      PATH: _,
      SHELL: __,
      ...env
    } = agentEnvironment({ workspace: WORKSPACE, agent, sessionId, hasEgress: false });
    const format = formats[agent.format];
    const prompt =
      Buffer.byteLength(given.prompt) <= MOST_PROMPT_ARGUMENT ? given.prompt : `Your task is in the file ${TASK_PATH}.`;
    const { seconds, memoryMb, diskMb } = agent.limits;
    return {
      ...{ trusted: true, image: agent.image ?? '', directory: 'source' },
      command: argumentsOf(turn === 1 ? agent.command : (agent.resume ?? agent.command), {
        ...{ prompt: prompt.replaceAll('\0', ''), promptFile: TASK_PATH, session: sessionId },
      }),
      env: {
        ...env,
        ...(proxy === undefined ? {} : proxyVariables(proxy.address)),
      },
      secrets: agentSecrets(given.secrets),
      ...{ cpu: own.agents.cpu, memoryMb, diskMb, seconds },
      deadlineSeconds: format.input === 'follow' ? LONGEST_SECONDS : seconds + SLACK_SECONDS,
      ...{ egress, proxy, listens: format.input, first: format.encode(given.input) },
      ...{ interrupts: [], errors: 'apart' },
      brings: { tree: true, resumes: agent.resume !== undefined },
    };
  }

  /** What the cluster said a moment ago: reading, observing and answering ask for the same. */
  const looks = new Map<string, { at: number; look: Promise<JobLook> }>();
  function look(record: JobRecord): Promise<JobLook> {
    const known = looks.get(record.id);
    if (known !== undefined && performance.now() - known.at < 500) return known.look;
    const fresh = jobs.look(record, WHAT);
    if (looks.size > MOST_LOOKS) looks.clear();
    looks.set(record.id, { at: performance.now(), look: fresh });
    fresh.catch(() => looks.delete(record.id));
    return fresh;
  }

  async function observed(record: JobRecord): Promise<AgentObservation> {
    const { turn } = record;
    const { agent } = stateOf(record);
    if (record.namespaceUid === null) return { state: 'preparing' };
    if (record.removedAt !== null) return { state: 'vanished', turn };
    const now = await look(record);
    switch (now.state) {
      case 'waiting':
        return { state: 'preparing' };
      case 'running': {
        const since = record.printedAt ?? record.createdAt;
        return { state: 'running', turn, quietMs: Math.max(0, Date.now() - since.getTime()) };
      }
      case 'ended': {
        const { code, reason, why } = now;
        if (why !== undefined) return { state: 'vanished', turn, why: `${why}.` };
        const canResume = agent.resume !== undefined && record.parts.includes('rest');
        return { state: 'exited', turn, code, reason, canResume };
      }
      case 'failed':
        return { state: 'vanished', turn, why: `${now.why}.` };
    }
  }

  /** The files that came back, in the place of those that were given; once for each turn. */
  async function bringHome(record: JobRecord): Promise<boolean> {
    const { agent } = stateOf(record);
    const place = placeOf(record.subject);
    const marker = join(place, 'came-home');
    if ((await readFile(marker, 'utf8').catch(missing)) === jobIdOf(record)) return true;
    if (record.removedAt !== null || !record.parts.includes('result')) return false;
    const next = join(place, `turn-${record.turn}`);
    await rm(next, { recursive: true, force: true });
    const bytes = agent.limits.diskMb * MB;
    const limits: ArchiveLimits = { compressedBytes: bytes, bytes: 2 * bytes, entries: ENTRIES };
    await unpackArchive(jobs.part(record, 'result'), next, { limits, stripRoot: false });
    for (const name of ['source', TASK_FOLDER]) {
      await rm(join(place, name), { recursive: true, force: true });
      // It may have put something else there, which is refused by whoever reads it.
      if ((await lstat(join(next, name)).catch(missing)) === undefined)
        await mkdir(join(next, name), { recursive: true, mode: 0o700 });
      await rename(join(next, name), join(place, name));
    }
    await rm(next, { recursive: true, force: true });
    await writeFile(marker, jobIdOf(record));
    return true;
  }

  /** Ends everything of a session that may run, and is sure of it. What came back of it, and what it printed, is kept with `keeps`. */
  async function quiet(sessionId: string, keeps: boolean): Promise<void> {
    for (const record of await jobs.records.all('agent', sessionId)) {
      if (!keeps) await jobs.records.forgetPrinted(record);
      if (record.removedAt !== null) continue;
      if (keeps && record.namespaceUid !== null)
        await bringHome(record).catch((error: unknown) => {
          // What is refused as an archive is refused again by whoever asks for it; ending it does not depend on that.
          if (!(error instanceof ForgewayError) || error.code !== 'FORGEWAY_ARCHIVE_REFUSED') throw error;
        });
      await jobs.remove(record);
    }
  }

  /** Ends the command, and waits for what it has left by then; its pod is over, and its log is still there. */
  async function ended(ref: AgentRef): Promise<void> {
    const until = performance.now() + KEEP_MS;
    for (;;) {
      const record = await recordFor(ref);
      if (record === undefined || record.removedAt !== null) return;
      const { state } = await observed(record);
      if (state !== 'running' && state !== 'preparing') return;
      await jobs.tell(record, { kind: 'end' });
      if (performance.now() > until) throw stillRunning(ref);
      await pause(KEEP_POLL_MS);
    }
  }

  async function prepare(
    { sessionId, repository, task }: AgentStart,
    signal: AbortSignal | undefined,
  ): Promise<State['base']> {
    const place = placeOf(sessionId);
    await rm(place, { recursive: true, force: true });
    await mirrors.prune(repository.id, treeOf(sessionId), signal);
    for (const name of [TASK_FOLDER, 'tmp', 'home']) await mkdir(join(place, name), { recursive: true, mode: 0o700 });
    const copies = join(place, TASK_FOLDER, 'from-the-branch');
    const base = await openWorkTree(mirrors, { repository, target: treeOf(sessionId), copies, signal });
    await writeFile(join(place, TASK_FOLDER, TASK_FILE), task.prompt);
    for (const [name, text] of Object.entries(task.files ?? {})) {
      if (!PLAIN_NAME.test(name) || name === TASK_FILE || name === 'from-the-branch')
        throw unusable('A file beside the task has no plain name.');
      await writeFile(join(place, TASK_FOLDER, name), text);
    }
    return base;
  }

  const taskOf = (state: Pick<State, 'branch' | 'base'>, text: string): AgentInput => ({
    ...{ type: 'task', text, branch: state.branch, sha: state.base.sha },
    ...{ taskFile: TASK_PATH, repository: `${WORKSPACE}/source` },
  });

  return {
    kind: 'kubernetes',

    start: (spec, signal) =>
      locked(spec.sessionId, async () => {
        const { sessionId, fence, agent, repository, task, secrets } = spec;
        const newest = await recordFor(spec);
        if (newest !== undefined && (newest.turn > 1 || newest.namespaceUid !== null)) return;
        if (newest === undefined) await quiet(sessionId, false);
        for (const value of Object.values(secrets)) keepSecret(value);
        const base = await prepare(spec, signal);
        const state = { agent, branch: repository.branch, base, from: 0 };
        const bytes = agent.limits.diskMb * MB;
        await jobs.begin(
          { kind: 'agent', subject: sessionId, fence, turn: 1 },
          {
            state,
            input: () => packTree(placeOf(sessionId), ['source', TASK_FOLDER, 'home', 'tmp']),
            ...{ mostInputBytes: MOST_INPUT, mostOutputBytes: bytes, mostPrintedBytes: agent.limits.outputMb * MB },
            work: (settings) =>
              workOf(settings, {
                ...{ sessionId, agent, turn: 1, secrets, prompt: task.prompt },
                input: taskOf(state, task.prompt),
              }),
          },
        );
      }),

    async observe(ref) {
      const found = await recordFor(ref);
      return found === undefined ? { state: 'absent' } : observed(found);
    },

    async read(ref, cursor, limit) {
      const nothing = { events: [], next: cursor, more: false };
      const newest = await recordFor(ref);
      if (newest === undefined) return nothing;
      const turns = (await jobs.records.all('agent', ref.sessionId)).filter(({ fence }) => fence === ref.fence);
      // The end of a turn is where the next one begins, so what is there belongs to that.
      const record = turns.findLast((one) => stateOf(one).from <= cursor) ?? newest;
      if (record.namespaceUid === null) return nothing;
      // Asked first: what was printed before the end has been brought when it is read.
      const now = record.removedAt === null ? await look(record) : undefined;
      const isWhole = now === undefined || now.state === 'ended' || now.state === 'failed';
      const { agent, from } = stateOf(record);
      const { printed: bytes = 0 } = (await jobs.records.find(record)) ?? {};
      const page = await readPrinted(
        { size: from + bytes, read: (at, most) => jobs.records.printed(record, at - from, most) },
        {
          ...{ format: formats[agent.format], cursor, lines: limit, isWhole },
          mostBytes: agent.limits.outputMb * MB,
        },
      );
      // Its time stands still between a question and what comes after it.
      const last = page.events.findLast(({ event }) => event.type !== 'cost')?.event.type;
      if (now?.state === 'running' && last !== undefined)
        await jobs.tell(record, { kind: last === 'question' ? 'pause' : 'go' });
      return page;
    },

    reply: (ref, { text: written, clientInputId, secrets, kind = 'reply' }) =>
      locked(ref.sessionId, async () => {
        // Of a reply, too, an agent is told no more than whoever reads it on the forge.
        const text = visibleText(written);
        const found = await needed(ref);
        const state = stateOf(found);
        const { agent } = state;
        const format = formats[agent.format];
        const input: AgentInput =
          kind === 'preview' ? { type: 'preview', url: text } : { type: 'reply', id: clientInputId, text };
        const turns = (await jobs.records.all('agent', ref.sessionId)).filter(({ fence }) => fence === ref.fence);
        const began = turns.find((one) => stateOf(one).began === clientInputId);
        const told = turns.some(({ words }) => words.some((word) => 'id' in word && word.id === clientInputId));
        if (told || (began !== undefined && began.namespaceUid !== null)) return 'known';
        const now = began === undefined ? await observed(found) : undefined;
        if (now?.state === 'running' || now?.state === 'preparing') {
          if (format.input !== 'follow' || now.state === 'preparing') return 'later';
          const word = kind === 'preview' ? ('note' as const) : ('say' as const);
          const isNew = await jobs.tell(found, { kind: word, id: clientInputId, text: format.encode(input) });
          return isNew ? 'accepted' : 'known';
        }
        if (kind === 'preview') return 'later';
        // A turn that was written down and not begun goes on from the one before it.
        const before = began === undefined ? found : turns.find(({ turn }) => turn === began.turn - 1);
        if (agent.resume === undefined || before === undefined || !before.parts.includes('rest')) return 'ended';
        for (const value of Object.values(secrets)) keepSecret(value);
        const turn = before.turn + 1;
        const from = stateOf(before).from + before.printed;
        await jobs.begin(
          { kind: 'agent', subject: ref.sessionId, fence: ref.fence, turn },
          {
            state: { agent, branch: state.branch, base: state.base, from, began: clientInputId },
            input: () => jobs.part(before, 'rest'),
            ...{ mostInputBytes: MOST_INPUT, mostOutputBytes: agent.limits.diskMb * MB },
            mostPrintedBytes: Math.max(0, agent.limits.outputMb * MB - from),
            work: (settings) =>
              workOf(settings, { ...{ sessionId: ref.sessionId, agent, turn, input, secrets }, prompt: text }),
          },
        );
        return 'accepted';
      }),

    async stop(ref, { keeps = false, signal } = {}) {
      // Not under the lock: it is read from meanwhile.
      if (keeps) return ended(ref);
      const end = async () => {
        if ((await recordFor(ref)) !== undefined) await quiet(ref.sessionId, true);
      };
      await locked(ref.sessionId, end, signal);
    },

    result: (ref, request, signal) =>
      locked(ref.sessionId, async () => {
        const record = await needed(ref);
        const { base } = stateOf(record);
        const { state } = await observed(record);
        if (state === 'running' || state === 'preparing') throw stillRunning(ref);
        try {
          if (!(await bringHome(record)))
            throw unusable('What the agent has changed did not come back from its cluster.');
        } catch (error) {
          if (!(error instanceof ForgewayError) || error.code !== 'FORGEWAY_ARCHIVE_REFUSED') throw error;
          return { kind: 'refused', problems: [{ rule: 'special-file', message: error.message }] };
        }
        return collectResult(mirrors, { base, target: treeOf(ref.sessionId) }, request, signal);
      }),

    review: (ref) =>
      locked(ref.sessionId, async () => {
        const record = await needed(ref);
        if (!(await bringHome(record)))
          throw unusable('What the agent has written did not come back from its cluster.');
        return readReview(join(placeOf(ref.sessionId), TASK_FOLDER), `${WORKSPACE}/source`);
      }),

    push: (ref, push, signal) =>
      locked(ref.sessionId, async () => {
        const { base } = stateOf(await needed(ref));
        return pushCommit(mirrors, outbound, { base, sessionId: ref.sessionId }, push, signal);
      }),

    remove(ref, signal) {
      const clear = async (lock: MirrorLock) => {
        const record = await recordFor(ref);
        if (record === undefined && (await jobs.records.newest('agent', ref.sessionId)) !== undefined) return;
        await quiet(ref.sessionId, false);
        await rm(placeOf(ref.sessionId), { recursive: true, force: true });
        if (record !== undefined) await mirrors.prune(stateOf(record).base.repositoryId, treeOf(ref.sessionId), signal);
        await lock.removeFile();
      };
      return locked(ref.sessionId, clear, signal);
    },

    async list() {
      const live = (await jobs.records.live('agent')).map(({ subject }) => subject);
      // What came home of a session is here when nothing of it is on a cluster any more.
      const home = (await readdir(o.directory)).filter((name) => UUID.test(name));
      const refs: AgentRef[] = [];
      for (const sessionId of new Set([...live, ...home]))
        refs.push({ sessionId, fence: (await jobs.records.newest('agent', sessionId))?.fence ?? 0 });
      return refs;
    },
  };
}
