/**
 * A runner whose agents are functions of a test: they edit a real clone, ask, and finish. It keeps to the port: what was
 * started runs on whatever becomes of those who look at it, lines stay where they are, and fences only grow.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AgentEvent, parseLine } from '../../src/effects/agents/protocol.js';
import type { AgentRef, AgentRunner, AgentStart } from '../../src/effects/agents/runner.js';
import { ForgewayError } from '../../src/lib/errors.js';
import { git } from '../support/git-repository.js';

export interface ScriptedAgent {
  readonly spec: AgentStart;
  say(event: AgentEvent): void;
  /** Waits for what a person says. */
  ask(text: string, options?: string[]): Promise<string>;
  /** The next thing that a person says, asked for or not. */
  hear(): Promise<string>;
  edit(path: string, content: string): Promise<void>;
  /** Leaves remarks for a review. */
  remark(...comments: { path: string; line: number; body: string }[]): void;
  /** Rejects when the agent is stopped. */
  readonly stopped: Promise<never>;
}

export type Script = (agent: ScriptedAgent) => Promise<void>;

interface Running {
  spec: AgentStart;
  folder: string;
  lines: AgentEvent[];
  inbox: string[];
  remarks: { path: string; line: number; body: string }[];
  known: Set<string>;
  hearing: ((text: string) => void) | undefined;
  state: 'running' | 'exited' | 'vanished';
  code: number;
  stop(): void;
}

export interface ScriptedRunner extends AgentRunner {
  /** Every start, in order. */
  readonly starts: AgentStart[];
  /** What was handed over, each time. */
  readonly replies: { clientInputId: string; text: string }[];
  /** Addresses of previews that agents were told of while they worked. */
  readonly previews: string[];
  /** As if somebody had killed all of an agent just after it has said something. */
  die(sessionId: string, ...words: AgentEvent[]): void;
  /** How many agents run now, by session. */
  running(): string[];
  /** Fails the named verb until it is taken away. */
  broken: Partial<Record<'observe' | 'read' | 'stop' | 'start' | 'result' | 'push' | 'pushed', Error>>;
  /** Waited for before the named verb does anything; `pushed`: before a push that has arrived says so. */
  before: Partial<
    Record<'start' | 'observe' | 'result' | 'push' | 'pushed' | 'remove', (signal?: AbortSignal) => Promise<void>>
  >;
  close(): Promise<void>;
}

const inside = (cwd: string, ...args: string[]) => git(args, { cwd });

const withPassword = ({ url, username, password }: AgentStart['repository']['source']) =>
  url.replace('://', `://${encodeURIComponent(username)}:${encodeURIComponent(password)}@`);

export function createScriptedRunner(script: () => Script): ScriptedRunner {
  const sessions = new Map<string, Running>();
  const fences = new Map<string, number>();
  const folders: string[] = [];
  const starts: AgentStart[] = [];
  const replies: { clientInputId: string; text: string }[] = [];
  const previews: string[] = [];
  const broken: ScriptedRunner['broken'] = {};
  const before: ScriptedRunner['before'] = {};

  const check = (verb: keyof typeof broken) => {
    const error = broken[verb];
    if (error !== undefined) throw error;
  };
  function of({ sessionId, fence }: AgentRef): Running | undefined {
    if (fence < (fences.get(sessionId) ?? 0)) throw new ForgewayError('FORGEWAY_AGENT_FENCED', 'It went to another.');
    const found = sessions.get(sessionId);
    return found?.spec.fence === fence ? found : undefined;
  }

  function begin(spec: AgentStart, folder: string): Running {
    let stop = (): void => undefined;
    const stopped = new Promise<never>((_resolve, reject) => {
      stop = () => reject(new Error('stopped'));
    });
    stopped.catch(() => undefined);
    const running: Running = {
      ...{
        spec,
        folder,
        lines: [],
        inbox: [],
        remarks: [],
        known: new Set(),
        hearing: undefined,
        state: 'running',
        code: 0,
      },
      stop: () => stop(),
    };
    const hear = async (): Promise<string> => {
      const waiting = running.inbox.shift();
      if (waiting !== undefined) return waiting;
      const told = new Promise<string>((resolve) => {
        running.hearing = resolve;
      });
      return Promise.race([told, stopped]);
    };
    const agent: ScriptedAgent = {
      spec,
      stopped,
      hear,
      say: (event) => void (running.state === 'running' && running.lines.push(event)),
      ask: (text, options = []) => {
        running.lines.push({ type: 'question', text, options });
        return hear();
      },
      remark: (...comments) => void running.remarks.push(...comments),
      edit: (path, content) => writeFile(join(folder, path), content),
    };
    const end = (code: number) => {
      if (running.state !== 'running') return;
      running.state = 'exited';
      running.code = code;
    };
    Promise.race([script()(agent), stopped]).then(
      () => end(0),
      () => end(137),
    );
    return running;
  }

  return {
    kind: 'worktree',
    starts,
    replies,
    previews,
    broken,
    before,
    die(sessionId, ...words) {
      const found = sessions.get(sessionId);
      if (found === undefined) throw new Error('there is no such agent');
      found.lines.push(...words);
      found.state = 'vanished';
      found.stop();
    },
    running: () => [...sessions].filter(([, { state }]) => state === 'running').map(([id]) => id),

    async start(spec) {
      check('start');
      await before.start?.();
      const { sessionId, fence } = spec;
      if (of(spec) !== undefined) return;
      await stopOf(sessionId);
      fences.set(sessionId, fence);
      const folder = await mkdtemp(join(tmpdir(), 'forgeway-agent-'));
      folders.push(folder);
      await inside(folder, 'clone', '--quiet', '--no-checkout', withPassword(spec.repository.source), '.');
      await inside(folder, 'fetch', '--quiet', 'origin', spec.repository.sha);
      await inside(folder, 'checkout', '--quiet', '-B', 'work', spec.repository.sha);
      starts.push(spec);
      sessions.set(sessionId, begin(spec, folder));
    },

    async observe(ref) {
      check('observe');
      await before.observe?.();
      const found = of(ref);
      if (found === undefined) return { state: 'absent' };
      if (found.state === 'running') return { state: 'running', turn: 1, quietMs: 0 };
      if (found.state === 'vanished') return { state: 'vanished', turn: 1 };
      return { state: 'exited', turn: 1, code: found.code, reason: 'exit', canResume: false };
    },

    async read(ref, cursor, limit = 1_000) {
      check('read');
      const lines = of(ref)?.lines ?? [];
      const page = lines.slice(cursor, cursor + limit);
      return {
        // As every runner reads them: what is known to be secret is hidden.
        events: page.map((event, index) => ({
          at: cursor + index,
          ordinal: 0,
          event: parseLine(JSON.stringify(event)),
        })),
        next: cursor + page.length,
        more: cursor + page.length < lines.length,
      };
    },

    async reply(ref, { text, clientInputId, kind = 'reply' }) {
      const found = of(ref);
      if (found === undefined || found.state !== 'running') return 'ended';
      if (kind === 'reply') replies.push({ clientInputId, text });
      if (found.known.has(clientInputId)) return 'known';
      found.known.add(clientInputId);
      if (kind === 'preview') {
        previews.push(text);
        return 'accepted';
      }
      const { hearing } = found;
      found.hearing = undefined;
      if (hearing === undefined) found.inbox.push(text);
      else hearing(text);
      return 'accepted';
    },

    async stop(ref) {
      check('stop');
      if (of(ref) !== undefined) await stopOf(ref.sessionId);
    },

    async result(ref, { message }) {
      check('result');
      await before.result?.();
      const found = of(ref);
      if (found === undefined) throw new Error('nothing of it is here');
      if (found.state === 'running') throw new ForgewayError('FORGEWAY_AGENT_RUNNING', 'It still runs.');
      const { folder } = found;
      await inside(folder, 'add', '--all');
      const isClean = (await inside(folder, 'status', '--porcelain')) === '';
      if (!isClean) await inside(folder, 'commit', '--quiet', '--message', message);
      const commit = await inside(folder, 'rev-parse', 'HEAD');
      if (commit === found.spec.repository.sha) return { kind: 'unchanged' };
      return { kind: 'changed', commit, files: [], added: 1, removed: 0, diff: '' };
    },

    async review(ref) {
      const comments = of(ref)?.remarks ?? [];
      return comments.length === 0
        ? { kind: 'none' }
        : { kind: 'review', summary: '', comments, omitted: 0, unreadable: 0 };
    },

    async push(ref, { source, branch, commit, expected }, signal) {
      check('push');
      await before.push?.();
      const found = of(ref);
      if (found === undefined) throw new Error('nothing of it is here');
      const ours = `refs/heads/${branch}`;
      const listed = await inside(found.folder, 'ls-remote', withPassword(source), ours);
      const there = listed.split('\t', 1)[0] || null;
      if (there === commit) return 'pushed';
      if (there !== expected) return 'changed-meanwhile';
      await inside(found.folder, 'push', '--quiet', withPassword(source), `${commit}:${ours}`);
      await before.pushed?.(signal);
      check('pushed');
      return 'pushed';
    },

    async remove(ref, signal) {
      await before.remove?.(signal);
      if (of(ref) === undefined) return;
      await stopOf(ref.sessionId);
      sessions.delete(ref.sessionId);
    },

    list: async () => [...sessions].map(([sessionId, { spec }]) => ({ sessionId, fence: spec.fence })),

    async close() {
      for (const id of sessions.keys()) await stopOf(id);
      for (const folder of folders) await rm(folder, { recursive: true, force: true });
    },
  };

  async function stopOf(sessionId: string): Promise<void> {
    const found = sessions.get(sessionId);
    if (found === undefined || found.state !== 'running') return;
    found.stop();
    while (found.state === 'running') await new Promise((resolve) => setImmediate(resolve));
  }
}
