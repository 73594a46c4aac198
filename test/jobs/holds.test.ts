/** Pause and shadow for our own reconcilers: what a hold covers stays unsettled, and converges when it is lifted. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { liftHolds, placeHold } from '../../src/inbox/hold-changes.js';
import type { HoldMode } from '../../src/inbox/holds.js';
import { createPreviewReconciler } from '../../src/jobs/preview/reconciler.js';
import { createReconciler } from '../../src/jobs/reconcile.js';
import { createKeyLocks, type KeyLocks } from '../../src/jobs/reconcile-locks.js';
import { createCommentReconciler } from '../../src/jobs/report/comment.js';
import { wantCommitStatus, wantReport } from '../../src/jobs/report/desired.js';
import { createStatusReconciler } from '../../src/jobs/report/status.js';
import { startSweeper } from '../../src/jobs/sweeper.js';
import { wantPullRequestSync } from '../../src/jobs/sync/desired.js';
import { createSyncReconciler } from '../../src/jobs/sync/pull-request.js';
import { createLogger } from '../../src/lib/logger.js';
import { createMetrics } from '../../src/lib/metrics.js';
import { openStore, type Store } from '../../src/store/database.js';
import { createTestDatabase, TEST_MASTER_KEY, type TestDatabase } from '../support/database.js';
import { eventually } from './eventually.js';
import { insertPullRequests, recordingQueue, type TestPullRequest } from './rows.js';

const log = createLogger({ level: 'silent', format: 'json' });

let database: TestDatabase;
let store: Store;
let locks: KeyLocks;
let connectionId: string;
let installationId: string;
let pull: TestPullRequest;
let other: TestPullRequest;

/** Every reconciler's own table, with the id of the row that it has about a pull request. */
const tables: { name: string; want(of: TestPullRequest): Promise<string | undefined> }[] = [
  {
    name: 'pull_request_sync',
    want: async ({ id: pullRequestId }) =>
      (await tenant((tx, o) => wantPullRequestSync(tx, { ...o, pullRequestId }))).id,
  },
  {
    name: 'sticky_comment',
    want: async ({ id: pullRequestId }) => {
      const row = { component: 'x', icon: 'i', status: 's', links: [], updatedAt: new Date() };
      return (await tenant((tx, o) => wantReport(tx, { ...o, pullRequestId, topic: 'x', row })))?.id;
    },
  },
  {
    name: 'commit_status',
    want: async ({ id: pullRequestId, repositoryId, sha }) => {
      const what = {
        repositoryId,
        pullRequestId,
        sha,
        context: 'forgeway/x',
        state: 'pending',
        description: 'd',
      } as const;
      return (await tenant((tx, o) => wantCommitStatus(tx, { ...o, ...what })))?.id;
    },
  },
  {
    name: 'preview',
    want: ({ id: pullRequestId, repositoryId, number, remoteRepositoryId }) =>
      tenant(async (tx, { organizationId }) => {
        const { rows } = await tx.query<{ id: string }>(
          `INSERT INTO preview (organization_id, repository_id, pull_request_id, name, driver, desired_state)
           VALUES ($1, $2, $3, $4, 'process', 'running') RETURNING id`,
          [organizationId, repositoryId, pullRequestId, `p-${remoteRepositoryId}-${number}`],
        );
        return rows[0]?.id;
      }),
  },
];
type Tx = Parameters<Parameters<Store['tenant']>[1]>[0];
const tenant = <T>(run: (tx: Tx, o: { organizationId: string }) => Promise<T>): Promise<T> =>
  store.tenant(database.organizationId, (tx) => run(tx, { organizationId: database.organizationId }));

beforeAll(async () => {
  database = await createTestDatabase();
  store = openStore(database.database, 'worker', { max: 20 });
  locks = createKeyLocks({ store, log });
  const [[one], [two]] = await Promise.all([
    insertPullRequests(store, database.organizationId, 1),
    insertPullRequests(store, database.organizationId, 1),
  ]);
  if (one === undefined || two === undefined) throw new Error('no pull requests');
  [pull, other] = [one, two];
  ({ connectionId, installationId } = await tenant(async (tx, { organizationId }) => {
    const { rows } = await tx.query<{ connectionId: string; installationId: string }>(
      `WITH made AS (
         INSERT INTO connection (organization_id, name, kind, forge, host, provider_account_id)
         VALUES ($1, 'c', 'pat', 'github', 'github.com', '1') RETURNING id
       ), installed AS (
         INSERT INTO installation (organization_id, forge, host, app_id, installation_id, virtual_id, connection_id)
         SELECT $1, 'github', 'github.com', '', 1, 1, id FROM made RETURNING id, connection_id
       ), linked AS (UPDATE repository SET installation_id = installed.id FROM installed WHERE repository.id = $2)
       SELECT connection_id AS "connectionId", id AS "installationId" FROM installed`,
      [organizationId, pull.repositoryId],
    );
    const [made] = rows;
    if (made === undefined) throw new Error('no installation');
    return made;
  }));
});
afterAll(async () => {
  await locks.close();
  await store.close();
  await database.drop();
});

function tableOf(name: string) {
  const common = { store, locks, queue: recordingQueue(), log, metrics: createMetrics() };
  const octokitFor = () => Promise.reject(new Error('nobody is asked'));
  const reports = { ...common, octokitFor };
  const previewParts = { ...common, octokitFor, pokes: {} } as unknown as Parameters<typeof createPreviewReconciler>[0];
  const all = [
    createSyncReconciler({ ...reports, onState: async () => undefined }),
    createCommentReconciler({ ...reports, markerKey: TEST_MASTER_KEY }),
    createStatusReconciler(reports),
    createPreviewReconciler(previewParts),
  ];
  const found = all.find(({ table }) => table.name === name);
  if (found === undefined) throw new Error(`no reconciler has ${name}`);
  return found.table;
}

describe.each(tables)('the reconciler of $name', ({ name, want }) => {
  it('leaves what a hold covers unsettled, works on the rest, and takes it up again', async () => {
    const table = tableOf(name);
    const settled: string[] = [];
    const queue = recordingQueue();
    const reconciler = createReconciler({
      ...{ store, locks, queue, log, metrics: createMetrics(), table },
      settle: async ({ id }) => {
        settled.push(id);
        return 'settled';
      },
    });
    const [held, free] = [await want(pull), await want(other)];
    if (held === undefined || free === undefined) throw new Error('nothing was wanted');
    const wantAgain = (id: string) =>
      tenant((tx) =>
        tx.query(`UPDATE "${name}" SET "desired_version" = "desired_version" + 1 WHERE "${table.key}" = $1`, [id]),
      );
    const { organizationId } = database;
    const repository = { forge: 'github', host: 'github.com', remoteId: BigInt(pull.remoteRepositoryId) };
    for (const mode of ['pause', 'shadow'] satisfies HoldMode[])
      for (const scope of [
        { repository },
        { connectionId },
        { installationId },
        {},
        ...(name === 'preview' ? [{ app: 'preview' }] : []),
      ]) {
        const isAll = Object.keys(scope).length === 0 || 'app' in scope;
        const { id: hold } = await placeHold(store, organizationId, { mode, scope, actor: 'cli:ada' });
        // One of somebody else's apps says nothing about us.
        await placeHold(store, organizationId, { mode, scope: { app: 'stale' }, actor: 'cli:ada' });
        settled.length = 0;
        queue.poked.length = 0;
        for (const id of [held, free]) await wantAgain(id);
        for (const id of [held, free]) await reconciler.run({ organizationId, id }, new AbortController().signal);
        expect([mode, scope, settled]).toEqual([mode, scope, isAll ? [] : [free]]);
        const sweeper = startSweeper({ store, locks, sweeps: [reconciler], log, intervalMs: 3_600_000 });
        try {
          // Its first pass began at once, and a second one beside it would be skipped.
          await eventually(async () => {
            const lock = await locks.tryAcquire(`sweep:${name}`);
            await lock?.release();
            return lock !== undefined;
          }, 'the first pass is over');
          await sweeper.sweep();
          expect(queue.poked.map(({ id }) => id)).toEqual([]);
          await liftHolds(store, organizationId, [hold], 'cli:ada');
          await sweeper.sweep();
          expect(queue.poked.map(({ id }) => id)).toContain(held);
        } finally {
          await sweeper.stop();
        }
        for (const { id } of queue.poked) await reconciler.run({ organizationId, id }, new AbortController().signal);
        expect(settled).toContain(held);
      }
  });
});
