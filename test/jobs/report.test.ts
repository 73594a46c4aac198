import { type ChildProcess, spawn } from 'node:child_process';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createKeyLocks, type KeyLocks } from '../../src/jobs/reconcile-locks.js';
import { createCommentReconciler } from '../../src/jobs/report/comment.js';
import { type ReportRow, wantCommitStatus, wantReport } from '../../src/jobs/report/desired.js';
import { markerFor, markerKey } from '../../src/jobs/report/marker.js';
import { createStatusReconciler } from '../../src/jobs/report/status.js';
import { createLogger } from '../../src/lib/logger.js';
import { createMetrics } from '../../src/lib/metrics.js';
import { openStore, type Store } from '../../src/store/database.js';
import { createTestDatabase, TEST_MASTER_KEY, type TestDatabase } from '../support/database.js';
import { eventually } from './eventually.js';
import { startFakeConversation } from './fake-conversation.js';
import { insertPullRequests, recordingQueue, type TestPullRequest } from './rows.js';

const log = createLogger({ level: 'silent', format: 'json' });
const forever = new AbortController().signal;
const key = markerKey(TEST_MASTER_KEY);

let database: TestDatabase;
let store: Store;
let locks: KeyLocks;
let forge: Awaited<ReturnType<typeof startFakeConversation>>;
let pullRequest: TestPullRequest;
const opened: KeyLocks[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  store = openStore(database.database, 'worker', { max: 60 });
  locks = createKeyLocks({ store, log });
});
afterAll(async () => {
  await Promise.all([locks, ...opened].map((each) => each.close()));
  await store.close();
  await database.drop();
});
beforeEach(async () => {
  forge = await startFakeConversation();
  const [made] = await insertPullRequests(store, database.organizationId, 1);
  if (made === undefined) throw new Error('no pull request');
  pullRequest = made;
});
afterEach(() => forge.stop());

const line = (status: string, more: Partial<ReportRow> = {}): ReportRow => ({
  component: 'preview/web',
  icon: '✅',
  status,
  links: [{ label: 'Visit', url: 'https://pr-1.preview.example/' }],
  sha: 'a1b2c3d4e5f60718293a4b5c6d7e8f9001122334',
  updatedAt: new Date('2026-11-22T02:40:00Z'),
  ...more,
});

const want = (row: ReportRow | null, topic = 'preview') =>
  store.tenant(database.organizationId, (tx) =>
    wantReport(tx, { organizationId: database.organizationId, pullRequestId: pullRequest.id, topic, row }),
  );

async function wanted(row: ReportRow | null) {
  const result = await want(row);
  if (result === undefined) throw new Error('nothing was wanted');
  return result;
}

function commenter(own: KeyLocks = locks, debounceMs = 0) {
  const queue = recordingQueue();
  const made = createCommentReconciler({
    store,
    locks: own,
    queue,
    log,
    metrics: createMetrics(),
    octokitFor: forge.octokitFor,
    markerKey: key,
    debounceMs,
    backoff: { baseMs: 1, capMs: 1 },
  });
  return { ...made, queue };
}

const marker = () =>
  markerFor(key, {
    forge: 'github',
    host: 'github.com',
    remoteRepositoryId: BigInt(pullRequest.remoteRepositoryId),
    number: pullRequest.number,
  });

const ours = () => forge.comments.filter((comment) => comment.user.login === 'fw[bot]');
const stickyRow = async () =>
  (
    await store.tenant(database.organizationId, (tx) =>
      tx.query<{ error: string | null; settled: boolean; wait: number | null }>(
        `SELECT error, observed_version = desired_version AS settled,
           extract(epoch FROM next_attempt_at - now())::float8 AS wait FROM sticky_comment WHERE pull_request_id = $1`,
        [pullRequest.id],
      ),
    )
  ).rows[0];

describe('the sticky comment', () => {
  it('is made once, in the agreed form, and edited in place only when it differs', async () => {
    const job = await wanted(line('Building', { icon: '🟡' }));
    await commenter().run(job, forever);
    expect(ours()).toHaveLength(1);
    expect(ours()[0]?.body.split('\n')[0]).toBe(marker());
    expect(ours()[0]?.body).toContain(
      '| preview/web | 🟡 Building | [Visit](https://pr-1.preview.example/) | `a1b2c3d` | Nov 22, 02:40 |',
    );

    await commenter().run(await wanted(line('Ready')), forever);
    expect(ours()).toHaveLength(1);
    expect(ours()[0]?.body).toContain('✅ Ready');
    const before = forge.writes.length;
    expect(await want(line('Ready', { updatedAt: new Date() }))).toBeUndefined();
    await want(line('Ready'), 'other');
    await want(null, 'other');
    await commenter().run(job, forever);
    expect(forge.writes.length).toBe(before);
  });

  it('is not made for nothing', async () => {
    await want(line('Ready'));
    const gone = await wanted(null);
    await commenter().run(gone, forever);
    expect(forge.writes).toEqual([]);
    expect(await stickyRow()).toMatchObject({ settled: true });
  });

  it('is one under 20 reconcilers at once', async () => {
    const job = await wanted(line('Ready'));
    const loops = Array.from({ length: 20 }, () => {
      const own = createKeyLocks({ store, log });
      opened.push(own);
      return commenter(own);
    });
    await Promise.all(loops.map((loop) => loop.run(job, forever)));
    expect(ours()).toHaveLength(1);
    expect(forge.writes.filter((write) => write.startsWith('POST'))).toHaveLength(1);
    expect(await stickyRow()).toMatchObject({ settled: true });
  });

  it('is found again when the answer to its creation was lost', async () => {
    forge.faults.push({ match: /^POST .*comments$/, after: true, times: 1 });
    const job = await wanted(line('Ready'));
    const loop = commenter();
    await eventually(async () => {
      await loop.run(job, forever);
      return (await stickyRow())?.settled === true;
    }, 'it settles');
    expect(ours()).toHaveLength(1);
  });

  it('is found again behind hundreds of others, and a marker that somebody copied is not ours', async () => {
    forge.say(`${marker()}\nI am the bot`);
    for (let count = 0; count < 230; count += 1) forge.say(`comment ${count}`);
    forge.say(`${marker()}\nme too`, 'fw');
    const job = await wanted(line('Ready'));
    await commenter().run(job, forever);
    expect(ours()).toHaveLength(1);
    await store.tenant(database.organizationId, (tx) =>
      tx.query('UPDATE sticky_comment SET remote_comment_id = NULL WHERE id = $1', [job.id]),
    );
    await commenter().run(await wanted(line('Failed')), forever);
    expect(ours()).toHaveLength(1);
    expect(ours()[0]?.body).toContain('Failed');
    expect(
      forge.comments.filter((comment) => comment.body.includes('bot') && comment.user.type === 'User'),
    ).toHaveLength(1);
  });

  it('is made again when somebody deleted it', async () => {
    await commenter().run(await wanted(line('Building')), forever);
    forge.comments.length = 0;
    await commenter().run(await wanted(line('Ready')), forever);
    expect(ours()).toHaveLength(1);
    expect(ours()[0]?.body).toContain('Ready');
  });

  it('is edited seldom, and always says the last state', async () => {
    const seldom = commenter(locks, 600_000);
    const job = await wanted(line('0'));
    await seldom.run(job, forever);
    const before = forge.writes.length;
    for (let count = 1; count <= 10; count += 1) await seldom.run(await wanted(line(`${count}`)), forever);
    expect(forge.writes.length).toBe(before);
    expect(seldom.queue.poked.at(-1)?.delayMs).toBeGreaterThan(0);
    await store.tenant(job.organizationId, (tx) => tx.query('UPDATE sticky_comment SET next_attempt_at = NULL'));
    await commenter().run(job, forever);
    expect((await stickyRow())?.settled).toBe(true);
    expect(ours()[0]?.body).toContain('✅ 10');
  });

  it('says what to do when it may not be written, and asks seldom', async () => {
    forge.faults.push({ match: /comments$/, status: 403, times: 100 });
    const job = await wanted(line('Ready'));
    await commenter().run(job, forever);
    const row = await stickyRow();
    expect(row?.error).toContain('Issues: read and write');
    expect(row?.wait).toBeGreaterThan(3_000);
    const asked = 100 - (forge.faults[0]?.times ?? 0);
    await commenter().run(await wanted(line('Failed')), forever);
    expect(100 - (forge.faults[0]?.times ?? 0)).toBe(asked);
  });

  it('waits as long as a rate limit says', async () => {
    forge.faults.push({ match: /comments$/, status: 403, headers: { 'retry-after': '120' }, times: 1 });
    await commenter().run(await wanted(line('Ready')), forever);
    const row = await stickyRow();
    expect(row?.wait).toBeGreaterThan(100);
    expect(row?.wait).toBeLessThan(130);
  });

  it('is one when two processes compete and one is killed between making and storing it', async () => {
    const job = await wanted(line('Ready'));
    const children: ChildProcess[] = [1, 2].map(() =>
      spawn(process.execPath, ['--import', 'tsx', 'test/jobs/comment-worker.ts'], {
        env: {
          ...process.env,
          COMMENT_WORKER: JSON.stringify({
            config: database.database.poolConfig('worker'),
            key: { organizationId: job.organizationId, id: job.id },
            url: forge.url,
            markerKey: key.toString('hex'),
          }),
        },
        stdio: ['ignore', 'pipe', 'inherit'],
      }),
    );
    // Whichever writes first dies on the answer.
    await Promise.race(
      children.map(
        (child) =>
          new Promise((resolve) =>
            child.stdout?.on('data', (data) => String(data).includes('made') && resolve(child.kill('SIGKILL'))),
          ),
      ),
    );
    await eventually(async () => (await stickyRow())?.settled === true, 'the other one settles it');
    for (const child of children) child.kill('SIGKILL');
    expect(ours()).toHaveLength(1);
  });
});

describe('a commit status', () => {
  const status = (state: 'pending' | 'success', description = 'Preview is ready') =>
    store.tenant(database.organizationId, (tx) =>
      wantCommitStatus(tx, {
        organizationId: database.organizationId,
        repositoryId: pullRequest.repositoryId,
        pullRequestId: pullRequest.id,
        sha: pullRequest.sha,
        context: 'forgeway/preview',
        state,
        description,
        targetUrl: 'https://pr-1.preview.example/',
      }),
    );
  const loop = () =>
    createStatusReconciler({
      store,
      locks,
      queue: recordingQueue(),
      log,
      metrics: createMetrics(),
      octokitFor: forge.octokitFor,
      backoff: { baseMs: 1, capMs: 1 },
    });

  it('is set, changed, and not set twice', async () => {
    const job = await status('pending', 'x'.repeat(300));
    if (job === undefined) throw new Error('nothing was wanted');
    await loop().run(job, forever);
    expect(forge.statuses).toHaveLength(1);
    expect(forge.statuses[0]?.description).toHaveLength(140);
    await status('success');
    await loop().run(job, forever);
    expect(forge.statuses.map(({ state }) => state)).toEqual(['pending', 'success']);
    expect(await status('success')).toBeUndefined();
  });

  it('is not set again when the answer was lost', async () => {
    forge.faults.push({ match: /^POST .*statuses/, after: true, times: 1 });
    const job = await status('success');
    if (job === undefined) throw new Error('nothing was wanted');
    const reconciler = loop();
    await eventually(async () => {
      await reconciler.run(job, forever);
      const { rows } = await store.tenant(database.organizationId, (tx) =>
        tx.query('SELECT FROM commit_status WHERE id = $1 AND observed_version = desired_version', [job.id]),
      );
      return rows.length === 1;
    }, 'it settles');
    expect(forge.statuses).toHaveLength(1);
  });
});
