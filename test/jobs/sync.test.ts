import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ProbotOctokit } from 'probot';
import { createKeyLocks, type KeyLocks } from '../../src/jobs/reconcile-locks.js';
import { wantPullRequestSync } from '../../src/jobs/sync/desired.js';
import { createSyncReconciler, type PullRequestSeen } from '../../src/jobs/sync/pull-request.js';
import { createLogger } from '../../src/lib/logger.js';
import { createMetrics } from '../../src/lib/metrics.js';
import { openStore, type Store } from '../../src/store/database.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { nock } from '../support/nock.js';
import { insertPullRequests, recordingQueue, type TestPullRequest } from './rows.js';

const log = createLogger({ level: 'silent', format: 'json' });
const forever = new AbortController().signal;
const NEW_HEAD = 'b'.repeat(40);

let database: TestDatabase;
let store: Store;
let locks: KeyLocks;
let pullRequest: TestPullRequest;

beforeAll(async () => {
  database = await createTestDatabase();
  store = openStore(database.database, 'worker', { max: 8 });
  locks = createKeyLocks({ store, log });
});
afterAll(async () => {
  await locks.close();
  await store.close();
  await database.drop();
});
beforeEach(async () => {
  const [made] = await insertPullRequests(store, database.organizationId, 1);
  if (made === undefined) throw new Error('no pull request');
  pullRequest = made;
});

const forge = () => nock('https://api.github.com');
const octokit = new ProbotOctokit({ retry: { enabled: false }, throttle: { enabled: false } });

/** What the forge says about the pull request. */
const said = (more: Record<string, unknown> = {}) => ({
  id: pullRequest.remoteRepositoryId * 1000 + 1,
  number: 1,
  title: 'A better change',
  body: 'Why',
  state: 'open',
  draft: false,
  merged: false,
  user: { id: 5, login: 'alice' },
  head: { ref: 'topic', sha: NEW_HEAD, repo: { id: pullRequest.remoteRepositoryId } },
  base: { ref: 'main', sha: pullRequest.sha },
  labels: [{ name: 'bug', color: 'f00' }],
  assignees: [],
  requested_reviewers: [{ id: 6, login: 'bob' }],
  requested_teams: [{ slug: 'core' }],
  additions: 3,
  deletions: 1,
  changed_files: 2,
  html_url: 'https://github.com/acme/web/pull/1',
  created_at: '2026-01-01T00:00:00Z',
  updated_at: '2026-01-02T00:00:00Z',
  ...more,
});

const commit = (index: number) => ({
  sha: index.toString(16).padStart(40, '0'),
  commit: { message: `commit ${index}`, author: { name: 'A', email: 'a@example.com', date: '2026-01-01T00:00:00Z' } },
});

async function sync(onState: (seen: PullRequestSeen) => void = () => undefined) {
  const queue = recordingQueue();
  const reconciler = createSyncReconciler({
    store,
    locks,
    queue,
    log,
    metrics: createMetrics(),
    octokitFor: async () => octokit,
    onState: async (_tx, seen) => onState(seen),
    backoff: { baseMs: 1, capMs: 1 },
  });
  const wanted = await store.tenant(database.organizationId, (tx) =>
    wantPullRequestSync(tx, { organizationId: database.organizationId, pullRequestId: pullRequest.id }),
  );
  await reconciler.run(wanted, forever);
  const { rows } = await store.tenant(database.organizationId, (tx) =>
    tx.query<{
      state: string;
      head_sha: string;
      title: string;
      reviewers: unknown;
      commits: number;
      settled: boolean;
      error: string | null;
    }>(
      `SELECT p.state, p.head_sha, p.title, p.reviewers, s.error, s.observed_version = s.desired_version AS settled,
         (SELECT count(*)::int FROM git_commit c WHERE c.pull_request_id = p.id) AS commits
       FROM pull_request p JOIN pull_request_sync s ON s.pull_request_id = p.id WHERE p.id = $1`,
      [pullRequest.id],
    ),
  );
  return rows[0];
}

describe('reading a pull request again', () => {
  it('mirrors what the forge says now, with every page of commits', async () => {
    forge().get('/repos/acme/web/pulls/1').reply(200, said());
    const commits = Array.from({ length: 130 }, (_, index) => commit(index));
    forge().get('/repos/acme/web/pulls/1/commits').query({ per_page: 100, page: 1 }).reply(200, commits.slice(0, 100));
    forge().get('/repos/acme/web/pulls/1/commits').query({ per_page: 100, page: 2 }).reply(200, commits.slice(100));
    const seen: PullRequestSeen[] = [];
    const row = await sync((state) => seen.push(state));
    expect(row).toMatchObject({
      state: 'open',
      head_sha: NEW_HEAD,
      title: 'A better change',
      commits: 130,
      settled: true,
      reviewers: [{ id: 6, login: 'bob' }, { team: 'core' }],
    });
    expect(seen).toHaveLength(1);
    expect(seen[0]?.before.headSha).toBe(pullRequest.sha);
    expect(seen[0]?.now.headSha).toBe(NEW_HEAD);
  });

  it('closes what is closed, also when the event said it was open', async () => {
    forge()
      .get('/repos/acme/web/pulls/1')
      .reply(200, said({ state: 'closed', closed_at: '2026-01-02T00:00:00Z' }));
    forge().get('/repos/acme/web/pulls/1/commits').query(true).reply(200, []);
    const seen: PullRequestSeen[] = [];
    expect(await sync((state) => seen.push(state))).toMatchObject({ state: 'closed', settled: true });
    expect(seen[0]?.now.state).toBe('closed');
  });

  it('takes what the forge no longer shows as closed, and takes it back when it shows it again', async () => {
    forge().get('/repos/acme/web/pulls/1').reply(404, {});
    const gone = await sync();
    expect(gone).toMatchObject({ state: 'closed', settled: true });
    expect(gone?.error).toContain('no longer on the forge');
    forge()
      .get('/repos/acme/web/pulls/1')
      .reply(200, said({ updated_at: '2026-01-01T00:00:00Z' }));
    forge().get('/repos/acme/web/pulls/1/commits').query(true).reply(200, []);
    expect(await sync()).toMatchObject({ state: 'open', error: null });
  });

  it('does not let an answer older than the mirror move it back', async () => {
    forge()
      .get('/repos/acme/web/pulls/1')
      .reply(200, said({ updated_at: '2025-12-31T00:00:00Z' }));
    forge().get('/repos/acme/web/pulls/1/commits').query(true).reply(200, []);
    expect(await sync()).toMatchObject({ head_sha: pullRequest.sha, title: 'A change', settled: true });
  });

  it('keeps asking after a failure, and says what is missing after a refusal', async () => {
    forge().get('/repos/acme/web/pulls/1').times(1).reply(403, {});
    const row = await sync();
    expect(row).toMatchObject({ settled: false, state: 'open' });
    expect(row?.error).toContain('Pull requests: read');
  });

  it('rolls the mirror back with what its caller could not decide, and tries again', async () => {
    forge().get('/repos/acme/web/pulls/1').reply(200, said());
    forge().get('/repos/acme/web/pulls/1/commits').query(true).reply(200, []);
    const row = await sync(() => {
      nock('https://api.github.com').get('/repos/acme/web/pulls/1').optionally().times(9).reply(403, {});
      throw new Error('not now');
    });
    expect(row).toMatchObject({ settled: false, head_sha: pullRequest.sha });
    nock.cleanAll();
  });
});
