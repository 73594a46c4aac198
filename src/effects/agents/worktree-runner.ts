/**
 * Runs agents on this machine: each in a sandbox with a git worktree, a user and a network of its own. Everything that a
 * session needs goes on without us: the sandbox's supervisor keeps its limits, adds what it prints to a file and hands it
 * what is added to another; a process of its own is its way out. Any process of this installation can go on with any session.
 */
import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ForgewayError } from '../../lib/errors.js';
import { keepSecret } from '../../lib/known-secrets.js';
import type { Outbound } from '../../lib/outbound/outbound.js';
import type { GitMirrors } from '../git/mirror.js';
import { createMirrorLocks, type MirrorLock } from '../git/mirror-lock.js';
import type { Sandbox, Sandboxes } from '../process/sandbox.js';
import { collectResult } from './collect.js';
import type { AgentDefinition } from './definition.js';
import { endEgress, ensureEgress, runningEgress } from './egress-process.js';
import { agentEnvironment, agentSecrets, argumentsOf, TASK_FILE, TASK_FOLDER } from './environment.js';
import { formats } from './formats/registry.js';
import type { AgentInput } from './protocol.js';
import { pushCommit } from './push.js';
import { readReview } from './review.js';
import type { AgentObservation, AgentRef, AgentRunner, AgentStart } from './runner.js';
import { openSessionRecords, putAt, type SessionRecord } from './session-record.js';
import { readSpool } from './spool.js';
import { visibleText } from './visible-text.js';
import { openWorkTree } from './work-tree.js';

export interface WorktreeRunnerOptions {
  /** Private to us and the other processes of this installation. */
  directory: string;
  /** A place of their own: nobody else's sandboxes are in it. */
  sandboxes: Sandboxes;
  /** The directory that it was opened with. */
  sandboxesDirectory: string;
  mirrors: GitMirrors;
  outbound: Pick<Outbound, 'pin'>;
  /** The words that start a process which runs {@link runEgressProcess} with its last argument. */
  egressCommand: readonly string[];
  /** The operator insists, although agents share this machine's user or network. */
  unsafeSameUser?: boolean;
}

const MB = 1024 * 1024;
/** Longest argument that Linux takes is 128 KiB. */
const MOST_PROMPT_ARGUMENT = 100 * 1024;
const PLAIN_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
const needsEgress = ({ hosts, privateHosts }: AgentDefinition): boolean => hosts.length + privateHosts.length > 0;
const sandboxIdOf = (sessionId: string): string => `agent-${sessionId}`;

const missing = (error: NodeJS.ErrnoException): undefined => {
  if (error.code === 'ENOENT') return undefined;
  throw error;
};
const sizeOf = async (path: string): Promise<number> => (await stat(path).catch(missing))?.size ?? 0;

/**
 * Opens the runner.
 * @throws ForgewayError FORGEWAY_SANDBOX_UNAVAILABLE when nothing here keeps an agent from this machine's files or network
 */
export async function openWorktreeRunner(o: WorktreeRunnerOptions): Promise<AgentRunner> {
  const { sandboxes, mirrors, outbound } = o;
  const isApart = sandboxes.probe.mode !== 'same-user' && sandboxes.probe.network;
  if (!isApart && !o.unsafeSameUser)
    throw new ForgewayError(
      'FORGEWAY_SANDBOX_UNAVAILABLE',
      'Agents need a user and a network of their own, which this machine does not give. Run Forgeway as root outside of a ' +
        'restricted container, or install bubblewrap, or use a cluster; `--unsafe-same-user` runs them unprotected.',
    );
  const records = await openSessionRecords(o.directory);
  const locks = createMirrorLocks();
  const locked = <T>(sessionId: string, work: (lock: MirrorLock) => Promise<T>, signal?: AbortSignal): Promise<T> =>
    locks(records.pathOf(sessionId, 'session'), work, signal);

  const treeOf = (sessionId: string) => dirname(sandboxes.sourceDirectory(sandboxIdOf(sessionId)));
  const repositoryInside = (sessionId: string) => join(sandboxes.workspaceInside(sandboxIdOf(sessionId)), 'source');
  const egressFile = (sessionId: string) => records.pathOf(sessionId, 'egress');
  const sandboxFile = (sessionId: string) =>
    join(o.sandboxesDirectory, 'sandboxes', sandboxIdOf(sessionId), 'sandbox.json');

  async function sandboxOf(sessionId: string): Promise<Sandbox | undefined> {
    return (await sandboxes.list()).find(({ id }) => id === sandboxIdOf(sessionId));
  }

  /** The session's record, for a caller whose start it is. */
  async function recordFor(ref: AgentRef): Promise<SessionRecord | undefined> {
    if ((await records.fence(ref.sessionId)) > ref.fence)
      throw new ForgewayError('FORGEWAY_AGENT_FENCED', `Session ${ref.sessionId} was started again since.`);
    const found = await records.read(ref.sessionId);
    return found?.fence === ref.fence ? found : undefined;
  }

  async function needed(ref: AgentRef): Promise<SessionRecord> {
    const found = await recordFor(ref);
    if (found === undefined)
      throw new ForgewayError('FORGEWAY_SANDBOX_UNAVAILABLE', `Session ${ref.sessionId} is not on this machine.`);
    return found;
  }

  /** Ends what runs, and is sure of it. */
  async function quiet(sessionId: string): Promise<Sandbox | undefined> {
    const sandbox = await sandboxOf(sessionId);
    if (sandbox !== undefined) await sandboxes.stop(sandbox);
    await endEgress(egressFile(sessionId));
    return sandbox;
  }

  async function removeAll(sessionId: string, found: SessionRecord | undefined, signal?: AbortSignal): Promise<void> {
    const sandbox = await quiet(sessionId);
    if (sandbox !== undefined) await sandboxes.destroy(sandbox);
    const target = sandboxes.sourceDirectory(sandboxIdOf(sessionId));
    if (found !== undefined) await mirrors.prune(found.base.repositoryId, target, signal);
    // Last: until here it says what there was.
    await records.remove(sessionId);
  }

  async function prepare(spec: AgentStart, signal: AbortSignal | undefined): Promise<SessionRecord> {
    const { sessionId, fence, agent, repository, task } = spec;
    const first: SessionRecord = {
      ...{ sessionId, fence, phase: 'preparing', turn: 0, agent, branch: repository.branch, inputs: [] },
      base: { repositoryId: repository.id, sha: repository.sha, start: repository.sha },
    };
    await records.write(first);
    const sandbox = await sandboxes.create(sandboxIdOf(sessionId));
    const tree = treeOf(sessionId);
    const taskFolder = join(tree, TASK_FOLDER);
    for (const name of [TASK_FOLDER, 'tmp']) await mkdir(join(tree, name), { mode: 0o700 });
    const base = await openWorkTree(mirrors, {
      ...{ repository, target: sandboxes.sourceDirectory(sandbox.id), copies: join(taskFolder, 'from-the-branch') },
      signal,
    });
    await writeFile(join(taskFolder, TASK_FILE), task.prompt);
    for (const [name, text] of Object.entries(task.files ?? {})) {
      if (!PLAIN_NAME.test(name) || name === TASK_FILE || name === 'from-the-branch')
        throw new ForgewayError('FORGEWAY_SANDBOX_UNAVAILABLE', 'A file beside the task has no plain name.');
      await writeFile(join(taskFolder, name), text);
    }
    await sandboxes.handOver(sandbox);
    const ready: SessionRecord = { ...first, base };
    await records.write(ready);
    return ready;
  }

  /** Begins a turn that is written down as `starting`; ends whatever a killed process began of it. */
  async function begin(
    found: SessionRecord,
    told: { input: AgentInput; prompt: string; secrets: Readonly<Record<string, string>> },
  ): Promise<void> {
    const { sessionId, agent, turn } = found;
    const format = formats[agent.format];
    const sandbox = await quiet(sessionId);
    if (sandbox === undefined) throw new ForgewayError('FORGEWAY_SANDBOX_UNAVAILABLE', 'The session’s place is gone.');
    const { inbox, spool } = sandboxes.linesOf(sandbox.id);
    await writeFile(inbox, format.encode(told.input), { mode: 0o600 });
    const printed = await sizeOf(spool);
    const workspace = sandboxes.workspaceInside(sandbox.id);
    const egress = needsEgress(agent) ? sandboxes.egressOf(sandbox.id) : null;
    if (egress !== null) await startEgress(found);
    const promptFile = join(workspace, TASK_FOLDER, TASK_FILE);
    const prompt =
      Buffer.byteLength(told.prompt) <= MOST_PROMPT_ARGUMENT ? told.prompt : `Your task is in the file ${promptFile}.`;
    for (const value of Object.values(told.secrets)) keepSecret(value);
    const { seconds, memoryMb, processes, diskMb, outputMb } = agent.limits;
    await sandboxes.start(sandbox, {
      argv: argumentsOf(turn === 1 ? agent.command : (agent.resume ?? agent.command), {
        ...{ prompt: prompt.replaceAll('\0', ''), promptFile, session: sessionId },
      }),
      env: agentEnvironment({
        ...{ workspace, programs: sandboxes.programs, agent, sessionId, hasEgress: egress !== null },
      }),
      secrets: agentSecrets(told.secrets),
      cwd: 'source',
      seconds,
      limits: { memoryMb, processes, diskMb },
      network: isApart ? { kind: egress === null ? 'none' : 'egress' } : { kind: 'shared' },
      lines: { input: format.input, bytes: Math.max(0, outputMb * MB - printed) },
    });
    await records.write({ ...found, phase: 'begun' });
  }

  async function startEgress({ sessionId, agent }: SessionRecord): Promise<void> {
    const path = sandboxes.egressOf(sandboxIdOf(sessionId));
    if (path === null || !needsEgress(agent)) return;
    const { hosts, privateHosts } = agent;
    await ensureEgress(o.egressCommand, egressFile(sessionId), {
      ...{ path, hosts, privateHosts, sandbox: sandboxFile(sessionId) },
    });
  }

  async function observed(found: SessionRecord): Promise<AgentObservation> {
    if (found.phase === 'preparing') return { state: 'preparing' };
    const { turn, sessionId } = found;
    const sandbox = await sandboxOf(sessionId);
    if (sandbox === undefined) return { state: 'vanished', turn };
    const exit = found.phase === 'starting' ? null : await sandboxes.exitOf(sandbox);
    if (exit === null) return turn === 1 ? { state: 'preparing' } : { state: 'vanished', turn };
    if (exit === undefined) {
      const { inbox, spool } = sandboxes.linesOf(sandbox.id);
      const times = await Promise.all(
        [inbox, spool].map(async (path) => (await stat(path).catch(missing))?.mtimeMs ?? 0),
      );
      return { state: 'running', turn, quietMs: Math.max(0, Math.round(Date.now() - Math.max(...times))) };
    }
    if (exit.reason === 'killed' || exit.code === null) return { state: 'vanished', turn };
    const { code, reason } = exit;
    return { state: 'exited', turn, code, reason, canResume: found.agent.resume !== undefined };
  }

  /** The session's record once nothing of it runs: what it left behind must not change files while they are read. */
  async function ended(ref: AgentRef): Promise<SessionRecord> {
    const found = await needed(ref);
    if ((await observed(found)).state === 'running')
      throw new ForgewayError('FORGEWAY_AGENT_RUNNING', `The agent of session ${ref.sessionId} still runs.`);
    await quiet(ref.sessionId);
    return found;
  }

  /** A turn's last line may have no end; the next turn's first must not become a part of it. */
  async function endLine(found: SessionRecord): Promise<void> {
    const { spool } = sandboxes.linesOf(sandboxIdOf(found.sessionId));
    const size = await sizeOf(spool);
    if (size > 0 && size < found.agent.limits.outputMb * MB) await putAt(spool, size, '\n');
  }

  const told = ({ id, text, kind }: Pick<SessionRecord['inputs'][number], 'id' | 'text' | 'kind'>): AgentInput =>
    kind === 'preview' ? { type: 'preview', url: text } : { type: 'reply', id, text };
  const taskOf = (record: SessionRecord, text: string): AgentInput => ({
    ...{ type: 'task', text, branch: record.branch, sha: record.base.sha },
    taskFile: join(sandboxes.workspaceInside(sandboxIdOf(record.sessionId)), TASK_FOLDER, TASK_FILE),
    repository: repositoryInside(record.sessionId),
  });

  return {
    kind: 'worktree',

    start: (spec, signal) =>
      locked(spec.sessionId, async () => {
        const { sessionId, fence, task, secrets } = spec;
        if ((await records.fence(sessionId)) > fence)
          throw new ForgewayError('FORGEWAY_AGENT_FENCED', `Session ${sessionId} was started again since.`);
        const found = await records.read(sessionId);
        if (found?.fence === fence && (found.phase === 'begun' || found.turn > 1)) return;
        await records.raiseFence(sessionId, fence);
        await removeAll(sessionId, found, signal);
        const ready = await prepare(spec, signal);
        const starting: SessionRecord = { ...ready, phase: 'starting', turn: 1 };
        await records.write(starting);
        await begin(starting, { input: taskOf(starting, task.prompt), prompt: task.prompt, secrets });
      }),

    async observe(ref) {
      const found = await recordFor(ref);
      if (found === undefined) return { state: 'absent' };
      const now = await observed(found);
      // Its way out may have ended while it lives: it gets another, from one of those who look.
      if (now.state === 'running' && needsEgress(found.agent) && !(await runningEgress(egressFile(ref.sessionId))))
        await locked(ref.sessionId, async () => {
          const still = await recordFor(ref);
          if (still !== undefined && (await observed(still)).state === 'running') await startEgress(still);
        });
      return now;
    },

    async read(ref, cursor, limit) {
      const found = await recordFor(ref);
      // A first turn that was not begun for certain may be begun anew, with nothing printed.
      const isCertain = found !== undefined && (found.phase === 'begun' || found.turn > 1);
      if (!isCertain) return { events: [], next: cursor, more: false };
      // Asked first: what was printed before the end is there when it is read.
      const { state } = await observed(found);
      const { spool, waiting } = sandboxes.linesOf(sandboxIdOf(ref.sessionId));
      const page = await readSpool({
        path: spool,
        format: formats[found.agent.format],
        ...{ cursor, lines: limit, isWhole: state === 'exited' || state === 'vanished' },
        mostBytes: found.agent.limits.outputMb * MB,
      });
      // Its time stands still between a question and what comes after it.
      const last = page.events.findLast(({ event }) => event.type !== 'cost')?.event.type;
      if (state === 'running' && last === 'question') await writeFile(waiting, '', { mode: 0o600 });
      else if (last !== undefined) await rm(waiting, { force: true });
      return page;
    },

    reply: (ref, { text: written, clientInputId, secrets, kind = 'reply' }) =>
      locked(ref.sessionId, async () => {
        // Of a reply, too, an agent is told no more than whoever reads it on the forge.
        const text = visibleText(written);
        const found = await needed(ref);
        const format = formats[found.agent.format];
        const { inbox, waiting } = sandboxes.linesOf(sandboxIdOf(ref.sessionId));
        const known = found.inputs.find(({ id }) => id === clientInputId);
        const now = await observed(found);
        if (known !== undefined && (known.turn < found.turn || found.phase === 'begun')) {
          // It may have been written down and not handed over.
          if (known.at > 0 && known.turn === found.turn && now.state === 'running')
            await putAt(inbox, known.at, format.encode(told(known)));
          return 'known';
        }
        if (now.state === 'running') {
          if (format.input !== 'follow') return 'later';
          // Where a preview is answers no question: a turn that waits goes on waiting.
          if (kind === 'reply') await rm(waiting, { force: true });
          const input = { id: clientInputId, turn: found.turn, at: await sizeOf(inbox), text, kind };
          await records.write({ ...found, inputs: [...found.inputs, input] });
          await putAt(inbox, input.at, format.encode(told(input)));
          return 'accepted';
        }
        if (now.state === 'preparing' || kind === 'preview') return 'later';
        if (found.agent.resume === undefined) return 'ended';
        const turn = known === undefined ? found.turn + 1 : found.turn;
        const input = { id: clientInputId, turn, at: 0, text, kind };
        const inputs = known === undefined ? [...found.inputs, input] : found.inputs;
        await endLine(found);
        const starting: SessionRecord = { ...found, phase: 'starting', turn, inputs };
        await records.write(starting);
        await begin(starting, { input: told(input), prompt: text, secrets });
        return 'accepted';
      }),

    async stop(ref, { signal } = {}) {
      const end = async () => {
        if ((await recordFor(ref)) !== undefined) await quiet(ref.sessionId);
      };
      try {
        await locked(ref.sessionId, end, signal);
      } catch (error) {
        // Whoever has the lock may be frozen for good. What runs is ended; what they may still begin is not known to be.
        if (signal?.aborted) await end();
        throw error;
      }
    },

    result: (ref, request, signal) =>
      locked(ref.sessionId, async () => {
        const { base } = await ended(ref);
        const target = sandboxes.sourceDirectory(sandboxIdOf(ref.sessionId));
        return collectResult(mirrors, { base, target }, request, signal);
      }),

    review: (ref) =>
      locked(ref.sessionId, async () => {
        await ended(ref);
        return readReview(join(treeOf(ref.sessionId), TASK_FOLDER), repositoryInside(ref.sessionId));
      }),

    push: (ref, push, signal) =>
      locked(ref.sessionId, async () => {
        const found = await needed(ref);
        return pushCommit(mirrors, outbound, { base: found.base, sessionId: ref.sessionId }, push, signal);
      }),

    remove(ref, signal) {
      const clear = async (lock: MirrorLock) => {
        const found = await recordFor(ref);
        const sandbox = await sandboxOf(ref.sessionId);
        if (found !== undefined || sandbox !== undefined) await removeAll(ref.sessionId, found, signal);
        await lock.removeFile();
      };
      return locked(ref.sessionId, clear, signal);
    },

    async list() {
      return (await records.list()).map(({ sessionId, fence }) => ({ sessionId, fence }));
    },
  };
}
