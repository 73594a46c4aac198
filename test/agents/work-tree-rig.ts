/** Work trees of sessions over a real git server, without a sandbox: a test does to them what an agent would. */
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { collectResult } from '../../src/effects/agents/collect.js';
import type { AgentResult, AgentResultRequest } from '../../src/effects/agents/runner.js';
import { openWorkTree, type WorkTreeBase } from '../../src/effects/agents/work-tree.js';
import { createGitMirrors } from '../../src/effects/git/mirror.js';
import { commitFiles, git } from '../support/git-repository.js';
import { startGitServer } from '../support/git-server.js';
import { loopback } from '../support/loopback.js';

const REQUEST: AgentResultRequest = {
  message: 'Mend it',
  author: { name: 'robot (agent)', email: 'agent@forgeway.invalid' },
  date: new Date('2026-01-02T03:04:05Z'),
  limits: { files: 40, lines: 5_000, bytes: 1_000_000 },
  secrets: [],
  mayChangeWorkflows: false,
};

export interface WorkTree {
  target: string;
  /** Where the branch's own copies are of what was replaced. */
  copies: string;
  base: WorkTreeBase;
  write(path: string, text: string | Buffer): Promise<void>;
  result(more?: Partial<AgentResultRequest>): Promise<AgentResult>;
  remove(): Promise<void>;
}

export interface WorkTreeRig {
  directory: string;
  /** The repository on the server. */
  bare: string;
  /** Ours of it. */
  mirror: string;
  /** The work tree of a session that begins with a commit of the server's. */
  workTree(sha: string, trustedSha?: string): Promise<WorkTree>;
  show(commit: string, path: string): Promise<string>;
  commit(files: Parameters<typeof commitFiles>[1]['files'], branch?: string, parents?: string[]): Promise<string>;
  close(): Promise<void>;
}

/** The rules by which a result is refused, or what kind it is. */
export const rules = (result: AgentResult): string | string[] =>
  result.kind === 'refused' ? result.problems.map(({ rule }) => rule) : result.kind;

export async function openWorkTreeRig(): Promise<WorkTreeRig> {
  const directory = await mkdtemp(join(tmpdir(), 'forgeway-collect-'));
  const server = await startGitServer({ directory: join(directory, 'served') });
  const bare = await server.create('acme/shop');
  const mirrors = createGitMirrors({ directory: join(directory, 'git'), outbound: loopback });
  const repositoryId = randomUUID();
  const mirror = join(directory, 'git', repositoryId);
  const source = { url: `${server.url}/acme/shop.git`, origin: server.url, username: 'x', password: 'y' };
  return {
    ...{ directory, bare, mirror },
    async workTree(sha, trustedSha = sha) {
      const target = join(directory, randomUUID());
      const copies = `${target}-copies`;
      const repository = { id: repositoryId, source, sha, trustedSha, fallbackRefs: [], branch: 'work' };
      const base = await openWorkTree(mirrors, { repository, target, copies });
      return {
        ...{ target, copies, base },
        async write(path, text) {
          await mkdir(dirname(join(target, path)), { recursive: true });
          await writeFile(join(target, path), text);
        },
        result: (more = {}) => collectResult(mirrors, { base, target }, { ...REQUEST, ...more }),
        remove: async () => {
          await rm(target, { recursive: true, force: true });
          await rm(copies, { recursive: true, force: true });
        },
      };
    },
    show: (commit, path) => git(['--git-dir', mirror, 'show', `${commit}:${path}`]),
    commit: (files, branch = 'main', parents = []) =>
      commitFiles(bare, { ref: `refs/heads/${branch}`, message: 'Begin', files, parents }),
    async close() {
      await server.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
