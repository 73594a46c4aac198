/** A worktree runner over real sandboxes and a real git server, for tests. */

import { randomUUID } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { agentBranch } from '../../src/effects/agents/branch.js';
import { type AgentDefinition, agentDefinition } from '../../src/effects/agents/definition.js';
import type {
  AgentObservation,
  AgentPage,
  AgentRef,
  AgentResultRequest,
  AgentRunner,
  AgentStart,
} from '../../src/effects/agents/runner.js';
import { openWorktreeRunner } from '../../src/effects/agents/worktree-runner.js';
import { createGitMirrors } from '../../src/effects/git/mirror.js';
import { openSandboxes, type SandboxProbe } from '../../src/effects/process/sandbox.js';
import { commitFiles } from './git-repository.js';
import { type GitServer, startGitServer } from './git-server.js';
import { loopback } from './loopback.js';
import { PATIENCE_MS } from './patience.js';

export const CREDENTIAL = { username: 'forgeway', password: 'a-token-that-no-agent-sees-1234' };

export const RESULT_REQUEST: AgentResultRequest = {
  message: 'Mend the shop\n\nAsked for by octocat.',
  author: { name: 'scripted (agent)', email: 'agent@forgeway.invalid' },
  date: new Date('2026-01-02T03:04:05Z'),
  limits: { files: 20, lines: 500, bytes: 1_000_000 },
  secrets: [],
  mayChangeWorkflows: false,
};

/** Everything two processes that share a machine must agree on. */
export async function runnerAt(directory: string, probe: SandboxProbe, unsafeSameUser = false): Promise<AgentRunner> {
  const sandboxesDirectory = join(directory, 'agents');
  const limits = { memoryMb: 300, processes: 100, diskMb: 100 };
  return openWorktreeRunner({
    directory: join(directory, 'records'),
    sandboxesDirectory,
    sandboxes: await openSandboxes({
      ...{ directory: sandboxesDirectory, probe, limits, usersDirectory: join(directory, 'users') },
    }),
    mirrors: createGitMirrors({ directory: join(directory, 'git'), outbound: loopback }),
    outbound: loopback,
    unsafeSameUser,
    egressCommand: [
      process.execPath,
      ...[
        '--import',
        import.meta.resolve('tsx'),
        fileURLToPath(new URL('../../src/entry/agent-egress.ts', import.meta.url)),
      ],
    ],
  });
}

export interface AgentRig {
  directory: string;
  git: GitServer;
  runner: AgentRunner;
  /** Of the repository `acme/shop` with these files, whose head it answers. */
  commit(files: Parameters<typeof commitFiles>[1]['files'], parents?: string[], branch?: string): Promise<string>;
  bare(): string;
  /** A start of the scripted agent; with `steps` in its prompt's place nothing else is needed. */
  spec(o: { sha: string; agent?: Partial<AgentDefinition>; more?: Partial<AgentStart> }): Promise<AgentStart>;
  source(): { url: string; origin: string; username: string; password: string };
  until(ref: AgentRef, state: AgentObservation['state']): Promise<AgentObservation>;
  /** Until it has printed a message, question or plain line that is this text. */
  said(ref: AgentRef, text: string): Promise<void>;
  /** Everything that was printed, from the beginning. */
  all(ref: AgentRef): Promise<AgentPage['events']>;
  result: AgentResultRequest;
  close(): Promise<void>;
}

export async function openAgentRig(probe: SandboxProbe, unsafeSameUser = false): Promise<AgentRig> {
  const directory = await mkdtemp(join(tmpdir(), 'forgeway-agents-'));
  await chmod(directory, 0o711);
  const git = await startGitServer({
    directory: join(directory, 'served'),
    authorize: (credential) => credential?.password === CREDENTIAL.password,
  });
  const bare = await git.create('acme/shop');
  const repositoryId = randomUUID();
  const runner = await runnerAt(directory, probe, unsafeSameUser);
  const script = await readFile(fileURLToPath(new URL('scripted-agent.mjs', import.meta.url)), 'utf8');
  const rig: AgentRig = {
    directory,
    git,
    runner,
    bare: () => bare,
    commit: (files, parents = [], branch = 'main') =>
      commitFiles(bare, { ref: `refs/heads/${branch}`, message: 'Begin', files, parents }),
    source: () => ({ url: `${git.url}/acme/shop.git`, origin: git.url, ...CREDENTIAL }),
    async spec({ sha, agent = {}, more = {} }) {
      const sessionId = randomUUID();
      return {
        ...{ sessionId, fence: 1, secrets: {}, task: { prompt: 'Mend the shop.' } },
        agent: agentDefinition.parse({
          ...{ name: 'scripted', command: ['node', '--input-type=module', '-e', script], ...agent },
        }),
        repository: {
          ...{ id: repositoryId, source: rig.source(), sha, fallbackRefs: [], trustedSha: sha },
          branch: agentBranch({ sessionId, title: 'Mend the shop' }),
        },
        ...more,
      };
    },
    async until(ref, state) {
      for (const end = Date.now() + PATIENCE_MS; Date.now() < end; ) {
        const now = await runner.observe(ref);
        if (now.state === state) return now;
        await sleep(50);
      }
      const said = JSON.stringify((await rig.all(ref)).slice(-5));
      throw new Error(`did not become ${state}: ${JSON.stringify(await runner.observe(ref))} ${said}`);
    },
    async said(ref, text) {
      for (const end = Date.now() + PATIENCE_MS; Date.now() < end; ) {
        if ((await rig.all(ref)).some(({ event }) => 'text' in event && event.text === text)) return;
        await sleep(50);
      }
      throw new Error(`was not said: ${text}; ${JSON.stringify((await rig.all(ref)).slice(-5))}`);
    },
    async all(ref) {
      const events: AgentPage['events'] = [];
      for (let cursor = 0; ; ) {
        const page = await runner.read(ref, cursor);
        events.push(...page.events);
        cursor = page.next;
        if (!page.more) return events;
      }
    },
    result: RESULT_REQUEST,
    async close() {
      for (const ref of await runner.list()) await runner.remove(ref);
      await git.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
  return rig;
}
