import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { PoolClient } from 'pg';
import { createTestDatabase, type TestDatabase } from '../../../test/support/database.js';
import { type CommentData, upsertComments } from './comment.js';
import { upsertCommits } from './commit.js';
import { type IssueData, upsertIssues } from './issue.js';
import type { MirrorOrigin } from './origin.js';
import {
  type PullRequestData,
  pullRequestById,
  pullRequestByNumber,
  type StoredPullRequest,
  upsertPullRequest,
  upsertPullRequests,
} from './pull-request.js';
import { type RepositoryData, repositoryById, type StoredRepository, upsertRepository } from './repository.js';
import { upsertReviews } from './review.js';
import type { Tie } from './versioned-upsert.js';

const LARGEST_ID = 9_223_372_036_854_775_807n;
const SHA = 'a'.repeat(40);
const second = (n: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, n));

const pullRequest = (changes: Partial<PullRequestData> = {}): PullRequestData => ({
  remoteId: 9_007_199_254_740_993n,
  number: 1,
  title: 'Add a page',
  body: 'Why: it was missing.',
  state: 'open',
  draft: false,
  author: { id: LARGEST_ID, login: 'ann' },
  headBranch: 'page',
  baseBranch: 'main',
  headSha: SHA,
  baseSha: 'b'.repeat(40),
  headRepositoryId: 9_007_199_254_740_995n,
  mergeCommitSha: null,
  labels: [{ name: 'bug', color: 'ff0000' }],
  assignees: [{ id: 9_007_199_254_740_997n, login: 'bob' }],
  reviewers: [{ id: 3n, login: 'cat' }, { team: 'web' }],
  additions: 10,
  deletions: 2,
  changedFiles: 3,
  url: 'https://forge.example/acme/web/pull/1',
  createdAt: second(0),
  updatedAt: second(1),
  closedAt: null,
  mergedAt: null,
  ...changes,
});

const repositoryData = (changes: Partial<RepositoryData> = {}): RepositoryData => ({
  remoteId: 100n,
  owner: 'acme',
  name: 'web',
  url: 'https://forge.example/acme/web',
  defaultBranch: 'main',
  private: true,
  archived: false,
  updatedAt: second(0),
  ...changes,
});

describe('the mirror', () => {
  let db: TestDatabase;
  let origin: MirrorOrigin;
  let nextId = 1_000n;
  const write = <T>(run: (tx: PoolClient) => Promise<T>) => db.store('worker').tenant(db.organizationId, run);
  const options = { watermarkAt: second(0) };
  /** A repository of its own for each test. */
  const newRepository = (changes: Partial<RepositoryData> = {}): Promise<StoredRepository> => {
    nextId += 1n;
    return write((tx) => upsertRepository(tx, origin, repositoryData({ remoteId: nextId, ...changes }), options));
  };

  beforeAll(async () => {
    db = await createTestDatabase();
    origin = {
      organizationId: db.organizationId,
      forge: 'some-forge',
      host: 'forge.example',
      instanceUrl: 'https://forge.example',
    };
  });
  afterAll(() => db.drop());

  it('keeps every field of a pull request, and 64-bit ids exactly', async () => {
    const repository = await newRepository();
    const data = pullRequest();
    const { id, changed } = await write((tx) => upsertPullRequest(tx, origin, repository, data));
    expect(changed).toBe(true);
    const stored = await write((tx) => pullRequestById(tx, id));
    expect(stored).toEqual({
      ...data,
      id,
      organizationId: db.organizationId,
      repositoryId: repository.id,
      remoteRepositoryId: repository.remoteId,
      forge: 'some-forge',
      host: 'forge.example',
      owner: 'acme',
      name: 'web',
      status: 'open',
    });
    expect(await write((tx) => pullRequestByNumber(tx, repository.id, 1))).toEqual(stored);
    const { rows } = await write((tx) =>
      tx.query('SELECT assignees, instance_url FROM pull_request WHERE id = $1', [id]),
    );
    expect(rows).toEqual([
      { assignees: [{ id: '9007199254740997', login: 'bob' }], instance_url: 'https://forge.example' },
    ]);
  });

  it('derives the single status from state and draft', async () => {
    const repository = await newRepository();
    const statusOf = async (changes: Partial<PullRequestData>) => {
      const { id } = await write((tx) => upsertPullRequest(tx, origin, repository, pullRequest(changes)));
      return (await write((tx) => pullRequestById(tx, id)))?.status;
    };
    expect(await statusOf({ draft: true, updatedAt: second(1) })).toBe('draft');
    expect(await statusOf({ draft: false, updatedAt: second(2) })).toBe('open');
    expect(await statusOf({ draft: true, state: 'closed', updatedAt: second(3) })).toBe('closed');
    expect(await statusOf({ state: 'merged', updatedAt: second(4) })).toBe('merged');
  });

  it('never lets older data overwrite newer, and says so', async () => {
    const repository = await newRepository();
    const put = (changes: Partial<PullRequestData>) =>
      write((tx) => upsertPullRequest(tx, origin, repository, pullRequest(changes)));
    const { id } = await put({ title: 'new', updatedAt: second(9) });
    expect(await put({ title: 'old', updatedAt: second(8) })).toEqual({ id, changed: false });
    expect((await write((tx) => pullRequestById(tx, id)))?.title).toBe('new');
    expect(await put({ title: 'new', updatedAt: second(9) })).toEqual({ id, changed: false });
    expect(await put({ title: 'newer', updatedAt: second(9) })).toEqual({ id, changed: true });
  });

  it('settles two changes of one second by their nature', async () => {
    const end = async (tie: Tie, stored: Partial<PullRequestData>, incoming: Partial<PullRequestData>) => {
      const repository = await newRepository();
      const put = (changes: Partial<PullRequestData>, rule?: Tie) =>
        write((tx) => upsertPullRequest(tx, origin, repository, pullRequest(changes), rule));
      const { id } = await put(stored);
      await put(incoming, tie);
      const row = await write((tx) => pullRequestById(tx, id));
      return `${row?.state} ${row?.title}`;
    };
    expect(await end('loses', { title: 'synchronized' }, { title: 'opened' })).toBe('open synchronized');
    expect(await end('keeps-closed', { title: 'a' }, { title: 'b' })).toBe('open b');
    expect(await end('keeps-closed', { state: 'closed', title: 'a' }, { title: 'b' })).toBe('closed a');
    expect(await end('keeps-closed', { state: 'closed', title: 'a' }, { state: 'merged', title: 'b' })).toBe(
      'merged b',
    );
    expect(await end('wins', { state: 'closed', title: 'a' }, { title: 'b' })).toBe('open b');
    const later = { title: 'b', updatedAt: second(2) };
    expect(await end('loses', { state: 'closed', title: 'a' }, later)).toBe('open b');
    expect(await end('keeps-closed', { state: 'closed', title: 'a' }, later)).toBe('open b');
  });

  it('keeps file counts that a source does not tell, and forgets the repository of a deleted fork', async () => {
    const repository = await newRepository();
    const { id } = await write((tx) => upsertPullRequest(tx, origin, repository, pullRequest()));
    const thin = pullRequest({ additions: null, changedFiles: null, headRepositoryId: null, updatedAt: second(2) });
    await write((tx) => upsertPullRequest(tx, origin, repository, thin));
    const row = await write((tx) => pullRequestById(tx, id));
    expect(row).toMatchObject({ additions: 10, deletions: 2, changedFiles: 3, headRepositoryId: null });
  });

  it('answers a batch in its order, and takes the newest of one key', async () => {
    const repository = await newRepository();
    const batch = [
      pullRequest({ number: 7, title: 'seven, newer', updatedAt: second(5) }),
      pullRequest({ number: 3 }),
      pullRequest({ number: 7, title: 'seven, older', updatedAt: second(4) }),
      pullRequest({ number: 11 }),
    ];
    const result = await write((tx) => upsertPullRequests(tx, origin, repository, batch));
    const rows: (StoredPullRequest | undefined)[] = [];
    for (const { id } of result) rows.push(await write((tx) => pullRequestById(tx, id)));
    expect(rows.map((row) => row?.number)).toEqual([7, 3, 7, 11]);
    expect(rows[0]?.title).toBe('seven, newer');
    expect(result[2]).toEqual(result[0]);
    expect(await write((tx) => upsertPullRequests(tx, origin, repository, []))).toEqual([]);
  });

  it('gives one row to transactions that meet a new pull request at the same time', async () => {
    const repository = await newRepository();
    const results = await Promise.all(
      Array.from({ length: 12 }, (_, n) =>
        write((tx) =>
          upsertPullRequest(tx, origin, repository, pullRequest({ title: `${n}`, updatedAt: second(n % 4) })),
        ),
      ),
    );
    expect(new Set(results.map(({ id }) => id)).size).toBe(1);
    const row = await write((tx) => pullRequestById(tx, results[0]?.id ?? ''));
    expect(row?.updatedAt).toEqual(second(3));
  });

  it('keeps hostile branch names as they are', async () => {
    const repository = await newRepository();
    const names = [
      '$(id)',
      '--upload-pack=x',
      'a;id',
      `a'id"`,
      `\${{github.token}}`,
      '\u202Eevil',
      'x'.repeat(255),
      "';--",
    ];
    const batch = names.map((headBranch, n) => pullRequest({ number: n + 1, headBranch }));
    const result = await write((tx) => upsertPullRequests(tx, origin, repository, batch));
    const stored: (string | undefined)[] = [];
    for (const { id } of result) stored.push((await write((tx) => pullRequestById(tx, id)))?.headBranch);
    expect(stored).toEqual(names);
  });

  it('keeps the identity of a repository through rename and transfer, and its children follow', async () => {
    const before = await newRepository({ owner: 'acme', name: 'old' });
    const { id } = await write((tx) => upsertPullRequest(tx, origin, before, pullRequest()));
    await write((tx) =>
      upsertCommits(tx, origin, before, [
        { sha: SHA, message: 'm', authorName: null, authorEmail: null, committedAt: second(0) },
      ]),
    );
    const moved = repositoryData({ remoteId: before.remoteId, owner: 'beta', name: 'new', updatedAt: second(5) });
    const after = await write((tx) => upsertRepository(tx, origin, moved, options));
    expect(after).toMatchObject({ id: before.id, owner: 'beta', name: 'new', changed: true });
    expect(await write((tx) => pullRequestById(tx, id))).toMatchObject({ owner: 'beta', name: 'new' });
    const commits = await write((tx) =>
      tx.query('SELECT remote_owner, remote_name FROM git_commit WHERE repository_id = $1', [before.id]),
    );
    expect(commits.rows).toEqual([{ remote_owner: 'beta', remote_name: 'new' }]);
    const late = repositoryData({ remoteId: before.remoteId, name: 'old', updatedAt: second(4) });
    expect(await write((tx) => upsertRepository(tx, origin, late, options))).toMatchObject({
      name: 'new',
      changed: false,
    });
  });

  it('lets data without a version fill in, but not overwrite', async () => {
    const listed = await newRepository({ defaultBranch: null, updatedAt: null });
    expect(listed.defaultBranch).toBe('HEAD');
    const full = repositoryData({ remoteId: listed.remoteId, defaultBranch: 'trunk', updatedAt: second(1) });
    expect(await write((tx) => upsertRepository(tx, origin, full, options))).toMatchObject({ defaultBranch: 'trunk' });
    const again = repositoryData({ remoteId: listed.remoteId, defaultBranch: null, updatedAt: null });
    const after = await write((tx) => upsertRepository(tx, origin, again, { watermarkAt: second(50) }));
    expect(after).toMatchObject({ defaultBranch: 'trunk', watermarkAt: second(0), changed: false });
  });

  it('links a repository with its installation, and not with a deleted one', async () => {
    const installation = async (virtualId: bigint, status: string) =>
      write((tx) =>
        tx.query(
          `INSERT INTO installation (organization_id, forge, host, app_id, installation_id, virtual_id, status)
           VALUES ($1, $2, $3, '1', $4, $4, $5)`,
          [db.organizationId, origin.forge, origin.host, virtualId, status],
        ),
      );
    await installation(71n, 'active');
    await installation(72n, 'deleted');
    await installation(73n, 'suspended');
    const link = (virtualInstallationId: bigint) => {
      nextId += 1n;
      const data = repositoryData({ remoteId: nextId });
      return write((tx) => upsertRepository(tx, origin, data, { ...options, virtualInstallationId }));
    };
    expect((await link(71n)).installation).toMatchObject({ virtualId: 71n, appId: '1', status: 'active' });
    expect((await link(72n)).installation).toBeNull();
    expect(await link(73n)).toMatchObject({ status: 'paused', installation: { status: 'suspended' } });
  });

  it('refuses a repository that another organization has claimed', async () => {
    const mine = await newRepository();
    const other = await db.store('migrate').tenant('00000000-0000-4000-8000-000000000001', async (tx) => {
      const { rows } = await tx.query<{ id: string }>(
        `INSERT INTO organization (id, slug, name) VALUES ('00000000-0000-4000-8000-000000000001', 'o', 'O') RETURNING id`,
      );
      return rows[0]?.id ?? '';
    });
    const theirs = { ...origin, organizationId: other };
    const data = repositoryData({ remoteId: mine.remoteId, name: 'stolen', updatedAt: second(59) });
    await expect(
      db.store('worker').tenant(other, (tx) => upsertRepository(tx, theirs, data, options)),
    ).rejects.toMatchObject({ code: 'FORGEWAY_REPOSITORY_CLAIMED' });
    expect(await write((tx) => repositoryById(tx, mine.id))).toMatchObject({ name: 'web' });
    expect(await db.store('worker').tenant(other, (tx) => repositoryById(tx, mine.id))).toBeUndefined();
  });

  it('does not take a commit twice, and learns its pull request later', async () => {
    const repository = await newRepository();
    const commit = { sha: SHA, message: 'first', authorName: 'A', authorEmail: 'a@x', committedAt: second(1) };
    const [pushed] = await write((tx) => upsertCommits(tx, origin, repository, [commit], { branch: 'page' }));
    const { id } = await write((tx) => upsertPullRequest(tx, origin, repository, pullRequest()));
    const again = { ...commit, message: 'changed' };
    const [listed] = await write((tx) => upsertCommits(tx, origin, repository, [again], { pullRequestId: id }));
    expect(listed?.id).toBe(pushed?.id);
    const { rows } = await write((tx) =>
      tx.query('SELECT message, branch, pull_request_id, is_forgeway_commit FROM git_commit WHERE id = $1', [
        listed?.id,
      ]),
    );
    expect(rows).toEqual([{ message: 'first', branch: 'page', pull_request_id: id, is_forgeway_commit: false }]);
  });

  it('keeps deleted comments and issues deleted, without their text', async () => {
    const repository = await newRepository();
    const comment: CommentData = {
      kind: 'issue',
      remoteId: LARGEST_ID,
      number: 4,
      onPullRequest: true,
      author: { id: 1n, login: 'ann' },
      body: 'my password is hunter2',
      path: null,
      line: null,
      commitSha: null,
      inReplyTo: null,
      url: 'https://forge.example/c/1',
      deletedAt: null,
      createdAt: second(1),
      updatedAt: second(1),
    };
    const issue: IssueData = {
      remoteId: 5n,
      number: 5,
      title: 'Broken',
      body: 'text',
      state: 'open',
      stateReason: null,
      author: null,
      labels: [],
      assignees: [],
      milestone: 'v1',
      url: 'https://forge.example/i/5',
      createdAt: second(1),
      updatedAt: second(1),
      closedAt: null,
      deletedAt: null,
    };
    const gone = { deletedAt: second(3) };
    const later = { updatedAt: second(9) };
    for (const changes of [{}, gone, later]) {
      await write((tx) => upsertComments(tx, origin, repository, [{ ...comment, ...changes }]));
      await write((tx) => upsertIssues(tx, origin, repository, [{ ...issue, ...changes }]));
    }
    const { rows } = await write((tx) =>
      tx.query(
        `SELECT body, deleted_at FROM comment WHERE repository_id = $1
         UNION ALL SELECT body, deleted_at FROM issue WHERE repository_id = $1`,
        [repository.id],
      ),
    );
    expect(rows).toEqual([
      { body: '', deleted_at: second(3) },
      { body: null, deleted_at: second(3) },
    ]);
  });

  it('keeps a dismissed review dismissed when its submission comes late', async () => {
    const repository = await newRepository();
    const put = (state: string, tie: Tie) =>
      write((tx) =>
        upsertReviews(
          tx,
          origin,
          repository,
          [
            {
              remoteId: nextId,
              number: 1,
              author: null,
              state,
              body: null,
              commitSha: SHA,
              url: 'https://forge.example/r',
              submittedAt: second(1),
              updatedAt: second(1),
            },
          ],
          tie,
        ),
      );
    await put('approved', 'loses');
    await put('dismissed', 'keeps-closed');
    const [late] = await put('approved', 'keeps-closed');
    expect(late?.changed).toBe(false);
    const { rows } = await write((tx) => tx.query('SELECT state FROM review WHERE id = $1', [late?.id]));
    expect(rows).toEqual([{ state: 'dismissed' }]);
  });
});
