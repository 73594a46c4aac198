/** Pause and shadow: what may not begin, what goes on beside it, and in which order it comes back. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { DispatchRow } from '../../src/inbox/dispatch.js';
import { type HoldScope, liftHolds, listHolds, placeHold, runsUnderWay } from '../../src/inbox/hold-changes.js';
import { type HoldMode, Holds } from '../../src/inbox/holds.js';
import { markPaused, markStarted } from '../../src/inbox/lane-statements.js';
import { prune } from '../../src/inbox/prune.js';
import { replayDelivery } from '../../src/inbox/replay.js';
import type { LaneRow } from '../../src/inbox/row.js';
import { ForgewayError } from '../../src/lib/errors.js';
import { fakeDispatcher } from './fake-forge.js';
import { eventually, InboxDatabase } from './inbox-database.js';

let inbox: InboxDatabase;
beforeEach(async () => {
  inbox = await InboxDatabase.create();
});
afterEach(() => inbox.drop());

const store = () => inbox.test.store('worker');
const place = async (scope: HoldScope, mode: HoldMode = 'pause') =>
  (await placeHold(store(), inbox.test.organizationId, { mode, scope, actor: 'cli:ada' })).id;
const lift = (...ids: string[]) => liftHolds(store(), inbox.test.organizationId, ids, 'cli:ada');
const repository = (remoteId: number): HoldScope => ({
  repository: { forge: 'fake', host: 'fake.example', remoteId: BigInt(remoteId) },
});
const statusesOf = async (id: bigint) =>
  Object.fromEntries((await inbox.dispatches(id)).map(({ app, status }) => [app, status]));
const paused = (id: bigint, app = 'app') => eventually(async () => (await statusesOf(id))[app] === 'paused');
const countPaused = async () => {
  const { rows } = await inbox.pool.query<{ n: number }>(
    "SELECT count(*)::int AS n FROM dispatch WHERE status = 'paused'",
  );
  return rows[0]?.n ?? -1;
};

describe('a pause', () => {
  it('of one app stops that one, while the others go on in the same lane, also behind more rows than a window holds', async () => {
    const dispatcher = fakeDispatcher({ held: async () => undefined, free: async () => undefined });
    inbox.start({ dispatcher });
    const hold = await place({ app: 'held' });
    const ids: bigint[] = [];
    for (let mark = 0; mark < 40; mark += 1) ids.push(await inbox.deliver({ repository: 1, mark: String(mark) }));
    for (const id of ids) {
      await eventually(async () => {
        const { held, free } = await statusesOf(id);
        return held === 'paused' && free === 'done';
      });
      expect(await inbox.delivery(id)).toMatchObject({ status: 'assigned' });
    }
    expect(dispatcher.calls).toEqual(ids.map((_, mark) => `free:${mark}`));
    expect(await listHolds(store(), inbox.test.organizationId)).toMatchObject([
      { mode: 'pause', app: 'held', waiting: 40 },
    ]);
    dispatcher.calls.length = 0;
    expect(await lift(hold)).toEqual({ released: 40 });
    for (const id of ids) await inbox.settled(id, 'done');
    expect(dispatcher.calls).toEqual(ids.map((_, mark) => `held:${mark}`));
  });

  it('covers its repository, its connection, or everything, and nothing else', async () => {
    inbox.start({ dispatcher: fakeDispatcher({ app: async () => undefined }) });
    const { organizationId } = inbox.test;
    const connection = await store().tenant(organizationId, async (tx) => {
      const { rows } = await tx.query<{ id: string }>(
        `INSERT INTO connection (organization_id, name, kind, forge, host, provider_account_id)
         VALUES ($1, 'c', 'pat', 'fake', 'fake.example', '1') RETURNING id`,
        [organizationId],
      );
      await tx.query(
        `INSERT INTO hook (id, organization_id, forge, host, scope, secret_source, connection_id)
         VALUES ('connected', $1, 'fake', 'fake.example', 'repository', 'environment', $2)`,
        [organizationId, rows[0]?.id],
      );
      return rows[0]?.id ?? '';
    });
    const one = await place(repository(1));
    const stopped = await inbox.deliver({ repository: 1, number: 7 });
    await inbox.settled(await inbox.deliver({ repository: 11, number: 7 }), 'done');
    await paused(stopped);
    await lift(one);
    await inbox.settled(stopped, 'done');

    const through = await place({ connectionId: connection });
    const ofConnection = await inbox.deliver({ repository: 2 }, { hook: 'connected' });
    await inbox.settled(await inbox.deliver({ repository: 3 }), 'done');
    await paused(ofConnection);

    const all = await place({});
    const [other, installation] = [await inbox.deliver({ repository: 4 }), await inbox.deliver({})];
    await paused(other);
    await paused(installation);
    // What two holds stop goes on when the last of them is lifted.
    expect(await lift(all)).toEqual({ released: 2 });
    for (const id of [other, installation]) await inbox.settled(id, 'done');
    expect(await statusesOf(ofConnection)).toEqual({ app: 'paused' });
    await lift(through);
    await inbox.settled(ofConnection, 'done');
  });

  it('covers where an App is installed, also what was assigned before that was known', async () => {
    inbox.start({ dispatcher: fakeDispatcher({ app: async () => undefined }) });
    const { organizationId } = inbox.test;
    await store().tenant(organizationId, (tx) =>
      tx.query(
        `INSERT INTO hook (id, organization_id, forge, host, scope, secret_source, app_id)
         VALUES ('of-app', $1, 'fake', 'fake.example', 'app', 'environment', '5'),
           ('of-other', $1, 'fake', 'fake.example', 'app', 'environment', '6')`,
        [organizationId],
      ),
    );
    const all = await place({});
    const early = await inbox.deliver({ installation: 70, repository: 1 }, { hook: 'of-app' });
    await paused(early);
    const installed = await store().tenant(organizationId, async (tx) => {
      await tx.query(
        `INSERT INTO installation (organization_id, forge, host, app_id, installation_id, virtual_id, account_login)
         VALUES ($1, 'fake', 'fake.example', '6', 70, 71, 'other')`,
        [organizationId],
      );
      const { rows } = await tx.query<{ id: string }>(
        `INSERT INTO installation (organization_id, forge, host, app_id, installation_id, virtual_id, account_login)
         VALUES ($1, 'fake', 'fake.example', '5', 70, 70, 'acme') RETURNING id`,
        [organizationId],
      );
      return rows[0]?.id ?? '';
    });
    const hold = await place({ installationId: installed });
    expect(await lift(all)).toEqual({ released: 0 });
    // Its own number at another App, another number, and what came through no App go on.
    const free = [
      await inbox.deliver({ installation: 70, repository: 2 }, { hook: 'of-other' }),
      await inbox.deliver({ installation: 72, repository: 3 }, { hook: 'of-app' }),
      await inbox.deliver({ repository: 4 }),
    ];
    for (const id of free) await inbox.settled(id, 'done');
    // Without a repository, as events of the account are.
    const ofAccount = await inbox.deliver({ installation: 70 }, { hook: 'of-app' });
    await paused(ofAccount);
    expect(await listHolds(store(), organizationId)).toMatchObject([
      { connection: 'acme on fake.example', waiting: 2 },
    ]);
    expect(await lift(hold)).toEqual({ released: 2 });
    for (const id of [early, ofAccount]) await inbox.settled(id, 'done');
  });

  it('takes effect exactly: nothing begins after it was placed, however much is under way', async () => {
    const begun: string[] = [];
    const dispatcher = fakeDispatcher({
      app: async (row) => {
        begun.push(row.deliveryKey);
        await new Promise((resolve) => setTimeout(resolve, 1));
      },
    });
    inbox.start({ dispatcher });
    const ids: bigint[] = [];
    for (let at = 0; at < 60; at += 1) ids.push(await inbox.deliver({ repository: 1, number: at % 12 }));
    for (let round = 0; round < 3; round += 1) {
      await eventually(() => begun.length > round * 10);
      const hold = await place({});
      // Those that had begun in the database may not have reached their handler yet.
      await eventually(async () => (await runsUnderWay(inbox.pool, hold)) === 0);
      const before = begun.length;
      ids.push(await inbox.deliver({ repository: 1, number: round }));
      await paused(ids.at(-1) ?? 0n);
      expect(begun).toHaveLength(before);
      const { rows } = await inbox.pool.query(
        "SELECT FROM dispatch WHERE status = 'pending' AND started_epoch IS NOT NULL",
      );
      expect(rows).toEqual([]);
      await lift(hold);
    }
    for (const id of ids) await inbox.settled(id, 'done');
    expect(begun).toHaveLength(ids.length);
  });

  it('is no outage and no backlog: what it held counts as new when it is lifted', async () => {
    const down = { left: 1 };
    const dispatcher = fakeDispatcher({
      app: async () => {
        if (down.left-- > 0) throw new ForgewayError('FORGEWAY_FORGE_DOWN', 'it is', { details: { waitMs: 0 } });
      },
    });
    inbox.start({ dispatcher });
    const hold = await place({});
    const id = await inbox.deliver({ repository: 1 });
    await paused(id);
    await inbox.pool.query("UPDATE dispatch SET created_at = now() - interval '4 days'");
    await lift(hold);
    const { rows } = await inbox.pool.query<{ age: number }>(
      'SELECT extract(epoch FROM now() - created_at)::float8 AS age FROM dispatch',
    );
    expect(rows[0]?.age).toBeLessThan(60);
    await eventually(() => down.left === 0);
    expect(['parked', 'done']).toContain(
      await eventually(async () => {
        const { app } = await statusesOf(id);
        return app !== 'pending' && app;
      }),
    );
  });

  it('keeps the order of a lane when it is lifted, also before what arrives in that moment', async () => {
    const dispatcher = fakeDispatcher({ app: async () => undefined });
    const running = inbox.start({ dispatcher });
    const ids: bigint[] = [];
    const deliver = async () => {
      ids.push(await inbox.deliver({ repository: 1, number: ids.length % 3, mark: String(ids.length) }));
      running.wake();
    };
    for (let round = 0; round < 4; round += 1) {
      const hold = await place({});
      for (let at = 0; at < 15; at += 1) await deliver();
      await eventually(async () => (await countPaused()) > 5);
      const lifted = lift(hold);
      for (let at = 0; at < 15; at += 1) await deliver();
      await lifted;
    }
    for (const id of ids) await inbox.settled(id, 'done');
    for (const lane of [0, 1, 2]) {
      const seen = dispatcher.calls.map((call) => Number(call.slice(4))).filter((mark) => mark % 3 === lane);
      expect(seen).toEqual([...seen].sort((a, b) => a - b));
    }
    expect(dispatcher.calls).toHaveLength(ids.length);
  });

  it('strands nothing, however pausing, resuming and arriving interleave on two workers', async () => {
    const dispatcher = fakeDispatcher({ a: async () => undefined, b: async () => undefined });
    for (let worker = 0; worker < 2; worker += 1) inbox.start({ dispatcher });
    const scopes: HoldScope[] = [{}, { app: 'a' }, { app: 'b', ...repository(1) }, repository(2)];
    const ids: bigint[] = [];
    const arriving = (async () => {
      for (let at = 0; at < 80; at += 1) ids.push(await inbox.deliver({ repository: 1 + (at % 2), number: at % 5 }));
    })();
    const flipping = scopes.map(async (scope, at) => {
      for (let round = 0; round < 12; round += 1) {
        const hold = await place(scope);
        await new Promise((resolve) => setTimeout(resolve, (at * 7 + round * 5) % 23));
        await lift(hold);
      }
    });
    await Promise.all([arriving, ...flipping]);
    for (const id of ids) await inbox.settled(id, 'done');
    expect(await countPaused()).toBe(0);
    expect(dispatcher.calls).toHaveLength(ids.length * 2);
  });

  it('is compared with what is in force when a row begins or is put aside: a worker that knows an older state does neither', async () => {
    await inbox.pool.query("UPDATE lane_lease SET owner = 'me', epoch = 5");
    const { rows } = await inbox.pool.query<{ id: bigint; shard: number }>(
      `WITH delivery AS (
         INSERT INTO webhook_delivery (hook_id, forge, host, delivery_key) VALUES ('hook', 'fake', 'fake.example', 'k') RETURNING id
       ) INSERT INTO dispatch (delivery_id, event_name, app, lane, shard) SELECT id, 'thing', 'app', 'lane', 7 FROM delivery
       RETURNING id, shard`,
    );
    const starts = rows.map((row) => ({ row: { ...row, writes: 'send' } as LaneRow, epoch: 5n }));
    const holds = new Holds();
    await holds.load(inbox.pool);
    const { version: before } = holds;
    const hold = await place({});
    const started = await markStarted(inbox.pool, 'me', starts, { alone: false, holdsVersion: before });
    expect(started).toEqual({ rows: new Map(), holdsChanged: true });
    await holds.load(inbox.pool);
    await lift(hold);
    expect(await markPaused(inbox.pool, 'me', starts, holds.version)).toEqual({ rows: new Map(), holdsChanged: true });
    await holds.load(inbox.pool);
    expect(holds.version).toBeGreaterThan(before);
    expect(await markPaused(inbox.pool, 'other', starts, holds.version)).toEqual({
      rows: new Map(),
      holdsChanged: false,
    });
    const begun = await markStarted(inbox.pool, 'me', starts, { alone: false, holdsVersion: holds.version });
    expect(begun).toEqual({ rows: new Map([[rows[0]?.id, 1]]), holdsChanged: false });
  });

  it('waits, when it is placed, for the runs that are just beginning', async () => {
    const client = await inbox.pool.connect();
    try {
      await client.query('BEGIN');
      await client.query('SELECT FROM lane_lease WHERE shard = 3 FOR SHARE');
      const placed = { done: false };
      const placing = place({}).then(() => {
        placed.done = true;
      });
      await eventually(async () => {
        const { rowCount } = await inbox.pool.query(
          "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        );
        return rowCount === 1;
      });
      expect(placed.done).toBe(false);
      await client.query('COMMIT');
      await placing;
    } finally {
      client.release();
    }
  });

  it('that goes with its connection lets go what it stopped', async () => {
    const { organizationId } = inbox.test;
    inbox.start({ dispatcher: fakeDispatcher({ app: async () => undefined }) });
    const hold = await place({});
    const id = await inbox.deliver({ repository: 1 });
    await paused(id);
    await store().tenant(organizationId, (tx) => tx.query('DELETE FROM run_hold WHERE id = $1', [hold]));
    await inbox.settled(id, 'done');
  });

  it('keeps a delivery unfinished: it is not pruned and not replayed, and its other runs do not end it', async () => {
    inbox.start({ dispatcher: fakeDispatcher({ held: async () => undefined, free: async () => undefined }) });
    await place({ app: 'held' });
    const id = await inbox.deliver({ repository: 1 });
    await eventually(async () => {
      const { held, free } = await statusesOf(id);
      return held === 'paused' && free === 'done';
    });
    await inbox.pool.query("UPDATE webhook_delivery SET finished_at = now() - interval '90 days' WHERE id = $1", [id]);
    expect(await prune(inbox.pool, { bodyDays: 14, rowDays: 30 })).toEqual({ emptied: 0, deleted: 0 });
    expect(await replayDelivery(store(), id, { actor: 'cli:ada' })).toEqual({ kind: 'refused', reason: 'unfinished' });
    expect(await replayDelivery(store(), id, { actor: 'cli:ada', app: 'free' })).toMatchObject({ kind: 'queued' });
    await eventually(async () => (await inbox.dispatches(id)).filter(({ status }) => status === 'done').length === 2);
    expect(await inbox.delivery(id)).toMatchObject({ status: 'assigned' });
  });

  it('and its end are in the audit trail, with who and why', async () => {
    const scope = repository(5);
    const reason = 'they rebase';
    const { organizationId } = inbox.test;
    const { id } = await placeHold(store(), organizationId, { mode: 'pause', scope, reason, actor: 'cli:ada' });
    const again = await placeHold(store(), organizationId, { mode: 'pause', scope, actor: 'cli:bob' });
    expect(again.id).toBe(id);
    await lift(id);
    const { rows } = await store().tenant(organizationId, (tx) =>
      tx.query('SELECT actor, action, subject, detail FROM audit_entry ORDER BY created_at'),
    );
    expect(rows).toMatchObject([
      { actor: 'cli:ada', action: 'runs.paused', subject: id, detail: { reason, repository: { remoteId: '5' } } },
      { actor: 'cli:bob', action: 'runs.paused', subject: id },
      { actor: 'cli:ada', action: 'runs.resumed', subject: id },
    ]);
  });
});

describe('a shadow', () => {
  it('is told to the runs it covers and kept by their later attempts, and a pause goes before it', async () => {
    const seen: [string, DispatchRow['writes']][] = [];
    const failures = { left: 2 };
    const dispatcher = fakeDispatcher({
      app: async (row, { mark = '' }) => {
        seen.push([mark, row.writes]);
        if (mark === 'fails' && failures.left-- > 0) throw new Error('not yet');
      },
    });
    inbox.start({ dispatcher });
    const shadow = await place(repository(1), 'shadow');
    await inbox.settled(await inbox.deliver({ repository: 2, mark: 'other' }), 'done');
    const fails = await inbox.deliver({ repository: 1, mark: 'fails' });
    await eventually(() => failures.left < 2);
    await lift(shadow);
    await inbox.settled(fails, 'done');
    const both = [await place({}, 'shadow'), await place({})];
    const waits = await inbox.deliver({ repository: 1, mark: 'waits' });
    await paused(waits);
    await lift(...both);
    await inbox.settled(waits, 'done');
    expect(seen.filter(([mark]) => mark !== 'fails')).toEqual([
      ['other', 'send'],
      ['waits', 'send'],
    ]);
    expect(seen.filter(([mark]) => mark === 'fails').map(([, writes]) => writes)).toEqual([
      'shadow',
      'shadow',
      'shadow',
    ]);
  });
});
