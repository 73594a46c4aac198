/** Which previews are wanted, for how long, and what they are given: the same for every driver, shown on processes. */
import { readdir, readFile } from 'node:fs/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { approveCommit } from '../../src/accounts/access/trusted-commits.js';
import { createCapacity } from '../../src/jobs/preview/capacity.js';
import { askPreview, endPreview, wantPreview } from '../../src/jobs/preview/desired.js';
import type { Place } from '../../src/jobs/preview/driver.js';
import { writePlaces } from '../../src/jobs/preview/preview-record.js';
import { pause } from '../../src/lib/clock.js';
import { findSandboxProbe } from '../support/sandboxes.js';
import { createHarness, eventually, type Harness, open, type PreviewRow } from './harness.js';

const probe = await findSandboxProbe();
const { skip } = describe;
const whenPossible = probe === undefined ? skip : describe;

const SECRETIVE = `
import { createServer } from 'node:http';
createServer((request, response) => response.end(JSON.stringify({ token: process.env.TOKEN, branch: process.env.FORGEWAY_BRANCH })))
  .listen(Number(process.env.PORT), process.env.HOST);
`;

whenPossible('what is wanted of previews', () => {
  let h: Harness;
  const begin = async (o: Omit<Parameters<typeof createHarness>[0], 'probe'> = {}) => {
    if (probe === undefined) throw new Error('no sandbox');
    h = await createHarness({ probe, ...o });
  };
  afterEach(() => h.close());

  async function wanted(number = 12, files: Record<string, string> = {}) {
    const sha = await h.commit(`refs/heads/branch-${number}`, files);
    const id = await h.pullRequest(number, sha);
    return { id, sha };
  }
  const change = async (id: string, run: 'rebuild' | 'sleep' | 'end') => {
    const { id: previewId } = await h.row(id);
    const asked = await h.store.tenant(h.organizationId, (tx) =>
      run === 'end'
        ? endPreview(tx, { previewId, reason: 'ada asked for that' })
        : askPreview(tx, { previewId, to: run }),
    );
    if (asked !== null)
      await h.queue.poke({ organizationId: h.organizationId, id: asked.id }, { version: asked.version });
  };
  const config = (more: string) => `preview:\n  start: exec node server.mjs\n${more}`;

  it('only pull requests with a label, until somebody asks for it by hand', async () => {
    await begin();
    h.forge.config = config('  labels: [preview]\n');
    const { id, sha } = await wanted();
    await h.want(id, sha);
    await h.settled(id, 'gone');
    expect(await h.comment(id)).toBeUndefined();
    Object.assign(h.forge.pullRequests.get(12) ?? {}, { labels: ['preview'] });
    await h.lookAgain(id);
    await h.settled(id, 'ready');
    Object.assign(h.forge.pullRequests.get(12) ?? {}, { labels: ['other'] });
    await h.lookAgain(id);
    await h.settled(id, 'gone');
    const by = { organizationId: h.organizationId, repositoryId: h.repositoryId, pullRequestId: id, sha, actor: null };
    const asked = await h.store.tenant(h.organizationId, (tx) => wantPreview(tx, { ...by, byHand: true }));
    await h.queue.poke({ organizationId: h.organizationId, id: asked.id }, { version: asked.version });
    await h.settled(id, 'ready');
  });

  it('only when something changed where it matters', async () => {
    await begin();
    h.forge.config = config('  paths: ["web/**", "!web/docs/**"]\n');
    const { id, sha } = await wanted();
    Object.assign(h.forge.pullRequests.get(12) ?? {}, { files: ['README.md', 'web/docs/a.md'] });
    await h.want(id, sha);
    await h.settled(id, 'gone');
    Object.assign(h.forge.pullRequests.get(12) ?? {}, { files: ['README.md', 'web/index.html'] });
    await h.lookAgain(id);
    await h.settled(id, 'ready');
  });

  it('built again when that is asked for, while the old one serves', async () => {
    await begin();
    const { id, sha } = await wanted();
    await h.want(id, sha);
    const before = (await h.settled(id, 'ready')).driver_state.serving;
    await change(id, 'rebuild');
    const after = (await h.settled(id, 'ready')).driver_state.serving;
    expect(after?.id).not.toBe(before?.id);
    expect((await open(after))?.body).toBe(`commit ${sha}`);
    // Once, and not at every look from then on.
    await h.lookAgain(id);
    expect((await h.settled(id, 'ready')).driver_state.serving?.id).toBe(after?.id);
    await change(id, 'sleep');
    await h.settled(id, 'sleeping');
    await change(id, 'rebuild');
    expect((await h.settled(id, 'ready')).driver_state.serving?.id).not.toBe(after?.id);
  });

  it('removed when nobody opens it, as early as the repository says and no later than the operator; a push brings it back', async () => {
    await begin();
    h.forge.config = config('  ttl: 2h\n');
    const { id, sha } = await wanted();
    await h.want(id, sha);
    await h.settled(id, 'ready');
    const age = (hours: number) =>
      h.store.tenant(h.organizationId, (tx) =>
        tx.query(
          `UPDATE preview SET requested_at = now() - $2 * interval '1 hour', ready_at = now() - $2 * interval '1 hour',
             last_opened_at = now() - $2 * interval '1 hour' WHERE pull_request_id = $1`,
          [id, hours],
        ),
      );
    const monitor = h.startMonitor({ sleepAfterMs: 1e12, removeAfterMs: 7 * 86_400_000 });
    await age(1);
    await monitor.look();
    expect((await h.row(id)).phase).toBe('ready');
    await age(3);
    await h.settled(id, 'gone');
    expect(Object.values((await h.comment(id)) ?? {})).toMatchObject([
      { status: 'Removed', note: expect.stringContaining('Nobody opened it for 2 hours') },
    ]);
    await h.lookAgain(id);
    expect((await h.row(id)).phase).toBe('gone');
    const next = await h.commit('refs/heads/branch-12', { 'a.txt': 'x' });
    h.forge.pullRequests.set(12, { state: 'open', sha: next, headRepositoryId: 7 });
    await h.want(id, next);
    await h.settled(id, 'ready');
  });

  it('asleep as early as the repository says', async () => {
    await begin();
    h.forge.config = config('  sleep: 10m\n');
    const { id, sha } = await wanted();
    await h.want(id, sha);
    await h.settled(id, 'ready');
    await h.store.tenant(h.organizationId, (tx) =>
      tx.query(`UPDATE preview SET ready_at = now() - interval '11 minutes' WHERE pull_request_id = $1`, [id]),
    );
    h.startMonitor({ sleepAfterMs: 3_600_000 });
    await h.settled(id, 'sleeping');
  });

  it('gone when somebody asks for that, with their name', async () => {
    await begin();
    const { id, sha } = await wanted();
    await h.want(id, sha);
    await h.settled(id, 'ready');
    await change(id, 'end');
    await h.settled(id, 'gone');
    expect(Object.values((await h.comment(id)) ?? {})).toMatchObject([
      { status: 'Removed', note: 'ada asked for that' },
    ]);
    // Another look, as after a lost event, does not raise it.
    await h.lookAgain(id);
    expect((await h.row(id)).phase).toBe('gone');
  });

  it('as many as an organization may have; the next waits and says so', async () => {
    await begin({ organizationLimit: 1 });
    const first = await wanted(1);
    await h.want(first.id, first.sha);
    await h.settled(first.id, 'ready');
    const second = await wanted(2);
    await h.want(second.id, second.sha);
    const waiting = await eventually(async () => {
      const row: PreviewRow = await h.row(second.id);
      return row.phase === 'waiting' && row;
    });
    expect(waiting.message).toContain('this organization has 1 preview, and');
    // However long it waits, the forge is not asked for it meanwhile.
    const asked = () => h.forge.requests.length;
    const before = asked();
    await h.queue.poke({ organizationId: h.organizationId, id: (await h.row(second.id)).id }, {});
    await h.queue.poke({ organizationId: h.organizationId, id: (await h.row(second.id)).id }, {});
    await pause(300);
    expect(asked()).toBe(before);
    await change(first.id, 'end');
    await h.settled(first.id, 'gone');
    await h.lookAgain(second.id);
    await h.settled(second.id, 'ready');
  });

  it('never more of them than that, however many ask at once', async () => {
    await begin();
    const capacity = createCapacity({ store: h.store, queue: h.queue, limit: 9, organizationLimit: 2 });
    const claimed = await Promise.all(
      [1, 2, 3, 4, 5, 6].map(async (number) => {
        const id = await h.pullRequest(number, String(number).repeat(40));
        const { organizationId, repositoryId } = h;
        const wish = { organizationId, repositoryId, pullRequestId: id, sha: String(number).repeat(40), actor: null };
        const { id: previewId } = await h.store.tenant(organizationId, (tx) => wantPreview(tx, wish));
        const place = { id: `place-${number}` };
        return capacity.claim({ id: previewId, organizationId }, async (tx) => {
          await pause(50);
          await writePlaces(tx, previewId, { serving: null, candidate: place as Place, retired: [] });
        });
      }),
    );
    expect(claimed.sort()).toEqual([2, 2, 2, 2, undefined, undefined]);
  });

  it('not put to sleep for another when somebody came in that moment', async () => {
    await begin();
    const { id, sha } = await wanted();
    await h.want(id, sha);
    await h.settled(id, 'ready');
    const { id: previewId } = await h.row(id);
    let looks = 0;
    const store = {
      ...h.store,
      pool: h.store.pool,
      // Between the look at what runs and the wish that it sleeps.
      tenant: async (...[organizationId, run]: Parameters<typeof h.store.tenant>) => {
        looks += 1;
        if (looks === 2)
          await h.store.tenant(organizationId, (tx) =>
            tx.query('UPDATE preview SET last_opened_at = now() WHERE id = $1', [previewId]),
          );
        return h.store.tenant(organizationId, run);
      },
    } as typeof h.store;
    const capacity = createCapacity({ store, queue: h.queue, limit: 1, organizationLimit: 9 });
    const another = '00000000-0000-4000-8000-000000000000';
    expect(await capacity.hasRoom(another)).toBe(false);
    expect(looks).toBe(2);
    expect(await h.row(id)).toMatchObject({ desired_state: 'running', phase: 'ready' });
    expect(await capacity.hasRoom(another)).toBe(false);
    await h.settled(id, 'sleeping');
    expect(await capacity.hasRoom(another)).toBe(true);
  });

  it('a branch of its own where it is named, and no longer when it is deleted', async () => {
    await begin();
    h.forge.config = config('  branches: [staging]\n');
    const sha = await h.commit('refs/heads/staging', { 'server.mjs': SECRETIVE });
    h.forge.branches.set('staging', sha);
    // A look at any preview of the repository reads that `staging` is meant.
    const { id, sha: other } = await wanted();
    await h.want(id, other);
    await h.settled(id, 'ready');
    const ofBranch = async () => {
      const { rows } = await h.store.tenant(h.organizationId, (tx) =>
        tx.query<PreviewRow>(`SELECT * FROM preview WHERE branch = 'staging'`),
      );
      return rows[0];
    };
    const row = await eventually(async () => {
      const found = await ofBranch();
      return found?.phase === 'ready' && found;
    });
    expect(row.name).toBe('acme-web-fx-branch-staging');
    expect(JSON.parse((await open(row.driver_state.serving))?.body ?? '{}')).toEqual({ branch: 'staging' });
    const { rows } = await h.store.tenant(h.organizationId, (tx) =>
      tx.query(`SELECT state FROM commit_status WHERE sha = $1 AND pull_request_id IS NULL`, [sha]),
    );
    expect(rows).toEqual([{ state: 'success' }]);
    h.forge.branches.delete('staging');
    const asked = await h.store.tenant(h.organizationId, (tx) =>
      askPreview(tx, { previewId: (row as unknown as { id: string }).id, to: 'look-again' }),
    );
    if (asked !== null)
      await h.queue.poke({ organizationId: h.organizationId, id: asked.id }, { version: asked.version });
    await eventually(async () => (await ofBranch())?.phase === 'gone');
  });

  it('gives its own pull requests the secrets they name, and strangers none', async () => {
    await begin({ secrets: { TOKEN: 'canary-of-previews' } });
    h.forge.config = config('  secrets: [TOKEN]\n');
    const own = await wanted(1, { 'server.mjs': SECRETIVE });
    await h.want(own.id, own.sha);
    const mine = await h.settled(own.id, 'ready');
    expect(JSON.parse((await open(mine.driver_state.serving))?.body ?? '{}')).toEqual({ token: 'canary-of-previews' });
    expect(JSON.stringify(mine.driver_state)).not.toContain('canary-of-previews');
    // Others on this machine can read arguments. What ended meanwhile has none.
    for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
      const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      expect(line).not.toContain('canary-of-previews');
    }
    const fork = await wanted(2, { 'server.mjs': SECRETIVE });
    h.forge.pullRequests.set(2, { state: 'open', sha: fork.sha, headRepositoryId: 8 });
    await h.store.tenant(h.organizationId, (tx) =>
      approveCommit(
        tx,
        h.organizationId,
        { repositoryId: h.repositoryId, number: 2, sha: fork.sha },
        { name: 'forge:1', login: 'eve' },
      ),
    );
    await h.want(fork.id, fork.sha);
    const theirs = await h.settled(fork.id, 'ready');
    expect(JSON.parse((await open(theirs.driver_state.serving))?.body ?? '{}')).toEqual({});
  });
});
