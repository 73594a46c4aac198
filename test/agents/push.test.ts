/** What keeps a push to the one branch, at the one place, where it is expected: each guard alone, against a real git server. */
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { agentBranch } from '../../src/effects/agents/branch.js';
import { pushCommit } from '../../src/effects/agents/push.js';
import type { AgentPush } from '../../src/effects/agents/runner.js';
import { createGitMirrors, type GitMirrors } from '../../src/effects/git/mirror.js';
import { CREDENTIAL } from '../support/agent-rig.js';
import { commitFiles, git } from '../support/git-repository.js';
import { type GitServer, startGitServer } from '../support/git-server.js';
import { loopback } from '../support/loopback.js';

const repositoryId = randomUUID();
let directory: string;
let server: GitServer;
let elsewhere: GitServer;
let bare: string;
let mirrors: GitMirrors;
/** Of the default branch, of the agent's work on it, and of somebody else's work between the two. */
let base: string;
let between: string;
let work: string;
/** Each is run at one request of a push, after the branch was looked at and before anything is moved. */
let meanwhile: (() => Promise<unknown>)[] = [];
/** Requests with which something is to be moved, or could be. */
let writes = 0;

const branchOf = (sessionId: string) => agentBranch({ sessionId, title: 'Mend the shop' });
const source = (): AgentPush['source'] => ({ url: `${server.url}/acme/shop.git`, origin: server.url, ...CREDENTIAL });
const at = (branch: string) =>
  git(['--git-dir', bare, 'for-each-ref', '--format=%(objectname)', `refs/heads/${branch}`]);
const put = (branch: string, sha: string) => git(['--git-dir', bare, 'update-ref', `refs/heads/${branch}`, sha]);

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'forgeway-push-'));
  const authorize = (credential: { password: string } | undefined) => credential?.password === CREDENTIAL.password;
  server = await startGitServer({
    directory: join(directory, 'served'),
    authorize,
    before: async (service) => {
      if (service === 'read') return;
      writes += 1;
      await meanwhile.shift()?.();
    },
  });
  elsewhere = await startGitServer({ directory: join(directory, 'elsewhere'), authorize });
  bare = await server.create('acme/shop');
  base = await commitFiles(bare, { ref: 'refs/heads/main', message: 'Begin', files: { 'a.txt': '1\n' } });
  const on = { ref: 'refs/heads/main', files: { 'a.txt': '2\n' } };
  between = await commitFiles(bare, { ...on, message: 'Between', parents: [base] });
  mirrors = createGitMirrors({ directory: join(directory, 'git'), outbound: loopback });
  // As after a session's work: what it began with was fetched, and its own commit is in the mirror alone.
  work = await mirrors.use({ repositoryId, source: source(), shas: [base, between], fallbackRefs: [] }, ({ gitDir }) =>
    git(['--git-dir', gitDir, 'commit-tree', '-p', between, '-m', 'Work', `${between}^{tree}`]),
  );
  await put('main', base);
});
afterAll(async () => {
  await server.close();
  await elsewhere.close();
  await rm(directory, { recursive: true, force: true });
});
beforeEach(() => {
  meanwhile = [];
});

const push = (sessionId: string, more: Partial<AgentPush> = {}) =>
  pushCommit(
    mirrors,
    loopback,
    { base: { repositoryId, sha: base, start: base }, sessionId },
    { source: source(), branch: branchOf(sessionId), commit: work, expected: null, ...more },
  );

describe('a push of an agent’s work', () => {
  // A fast-forward: git itself would see nothing wrong in it.
  it('leaves a branch alone that somebody made after it was looked at', async () => {
    const sessionId = randomUUID();
    meanwhile = [() => put(branchOf(sessionId), between)];
    expect(await push(sessionId)).toBe('changed-meanwhile');
    expect(await at(branchOf(sessionId))).toBe(between);
  });

  it('leaves a branch alone that somebody moved after it was looked at', async () => {
    const sessionId = randomUUID();
    await put(branchOf(sessionId), base);
    meanwhile = [() => put(branchOf(sessionId), between)];
    expect(await push(sessionId, { expected: base })).toBe('changed-meanwhile');
    expect(await at(branchOf(sessionId))).toBe(between);
  });

  it('leaves a branch alone that is moved while its own commit is on its way', async () => {
    const sessionId = randomUUID();
    await put(branchOf(sessionId), base);
    // git asks once for the refs, and sends its commit with the next request.
    meanwhile = [async () => undefined, () => put(branchOf(sessionId), between)];
    expect(await push(sessionId, { expected: base })).toBe('changed-meanwhile');
    expect(await at(branchOf(sessionId))).toBe(between);
  });

  it('leaves a branch alone that is not where it is expected, and sends it nothing', async () => {
    const sessionId = randomUUID();
    await put(branchOf(sessionId), between);
    const before = writes;
    for (const expected of [null, base]) expect(await push(sessionId, { expected })).toBe('changed-meanwhile');
    expect([await at(branchOf(sessionId)), writes]).toEqual([between, before]);
  });

  it('moves it from where it is expected, forwards or not, and once', async () => {
    const sessionId = randomUUID();
    await put(branchOf(sessionId), between);
    expect(await push(sessionId, { expected: between })).toBe('pushed');
    expect(await push(sessionId, { expected: between })).toBe('pushed');
    expect(await at(branchOf(sessionId))).toBe(work);
    expect(await push(sessionId, { expected: work, commit: base })).toBe('pushed');
    expect(await at(branchOf(sessionId))).toBe(base);
    expect(await at('main')).toBe(base);
  });

  it('has arrived when only its answer was lost', async () => {
    expect(await push(randomUUID())).toBe('pushed');
    const sessionId = randomUUID();
    meanwhile = [
      async () => undefined,
      async () => {
        await put(branchOf(sessionId), work);
        throw new Error('the connection is cut');
      },
    ];
    expect(await push(sessionId)).toBe('pushed');
    expect(await at(branchOf(sessionId))).toBe(work);
  });

  it('is refused by a hook of the forge, in the hook’s own words, and leaves nothing there', async () => {
    const id = randomUUID();
    const hook = join(bare, 'hooks/pre-receive');
    await mkdir(join(bare, 'hooks'), { recursive: true });
    await writeFile(hook, '#!/bin/sh\necho "Only signed commits, please." >&2\nexit 1\n', { mode: 0o755 });
    try {
      await expect(push(id)).rejects.toMatchObject({
        code: 'FORGEWAY_PUSH_REFUSED',
        message: expect.stringContaining('Only signed commits, please.'),
      });
      // A hook that could not ask says nothing about the commit: it is tried again.
      await writeFile(hook, '#!/bin/sh\necho "GitLab: Internal API error (502)" >&2\nexit 1\n', { mode: 0o755 });
      await expect(push(id)).rejects.toMatchObject({ code: 'FORGEWAY_GIT_FAILED' });
    } finally {
      await rm(hook);
    }
    expect(await at(branchOf(id))).toBe('');
  });

  it('arrives although what it is based on is on no branch any more', async () => {
    const all = await git(['--git-dir', bare, 'for-each-ref', '--format=%(refname)']);
    for (const ref of all.split('\n')) await git(['--git-dir', bare, 'update-ref', '-d', ref]);
    const files = { 'b.txt': 'begun anew\n' };
    const anew = await commitFiles(bare, { ref: 'refs/heads/main', message: 'Anew', files, parents: [] });
    try {
      const id = randomUUID();
      expect(await push(id)).toBe('pushed');
      expect(await at(branchOf(id))).toBe(work);
      expect(await git(['--git-dir', bare, 'rev-list', '--count', branchOf(id)])).toBe('3');
      expect(await at('main')).toBe(anew);
    } finally {
      await put('main', base);
    }
  });

  it('takes its credential to the place that it belongs to alone, and no branch but the session’s', async () => {
    const sessionId = randomUUID();
    const astray = { ...source(), url: `${elsewhere.url}/acme/shop.git` };
    await elsewhere.create('acme/shop');
    await expect(push(sessionId, { source: astray })).rejects.toThrow('not under its credential’s origin');
    expect(elsewhere.requests).toEqual([]);
    for (const branch of ['main', branchOf(randomUUID()), `${branchOf(sessionId)}/x`, `../${branchOf(sessionId)}`])
      await expect(push(sessionId, { branch })).rejects.toThrow('Only the branch of the session');
    expect(await at(branchOf(sessionId))).toBe('');
  });
});
