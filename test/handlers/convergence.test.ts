import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHarness, type Harness } from './harness.js';
import {
  type LifeEvent,
  type LifeState,
  labeler,
  permutations,
  pullRequestPayload,
  pusher,
  sha,
  start,
} from './pull-request-life.js';

const fresh: LifeState = { state: 'open', title: 'First', labels: [], head: sha(1), merged: false };
const receivedAt = new Date(start + 600_000);

/** mulberry32: a small generator whose whole state is the seed, so that a failing history can be run again. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

describe('events in any order', () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await createHarness();
  });
  afterAll(() => harness.db.drop());

  interface Final {
    status: string;
    title: string;
    head_sha: string;
    labels: { name: string }[];
    desired_state: string | null;
    desired_sha: string | null;
    actor_login: string | null;
  }
  const final = async (repositoryId: number, number: number) => {
    const rows = await harness.rows<Final>(
      `SELECT p.status, p.title, p.head_sha, p.labels, v.desired_state, v.desired_sha, v.actor_login FROM pull_request p
       LEFT JOIN preview v ON v.pull_request_id = p.id WHERE p.remote_repository_id = $1 AND p.number = $2`,
      [repositoryId, number],
    );
    expect(rows).toHaveLength(1);
    return rows[0] as Final;
  };

  it('opened, synchronize, labeled, edited, closed: all 120 orders end the same, without a preview', async () => {
    const synced = { ...fresh, head: sha(2) };
    const labeled = { ...synced, labels: ['bug'] };
    const edited = { ...labeled, title: 'Second' };
    const events: LifeEvent[] = [
      { action: 'opened', state: fresh, sender: pusher, at: 0 },
      { action: 'synchronize', state: synced, sender: pusher, at: 1 },
      { action: 'labeled', state: labeled, sender: labeler, at: 2 },
      { action: 'edited', state: edited, sender: labeler, at: 3 },
      { action: 'closed', state: { ...edited, state: 'closed' }, sender: labeler, at: 4 },
    ];
    const orders = permutations(events);
    expect(orders).toHaveLength(120);
    for (const [n, order] of orders.entries()) {
      const apps = n % 2 === 0 ? ['mirror', 'preview'] : ['preview', 'mirror'];
      for (const event of order)
        await harness.deliver('pull_request', pullRequestPayload({ repositoryId: 900, number: n + 1 }, event), {
          apps,
          receivedAt,
        });
      const { desired_state, ...row } = await final(900, n + 1);
      expect(row).toMatchObject({ status: 'closed', title: 'Second', head_sha: sha(2), labels: [{ name: 'bug' }] });
      expect([n, order.map(({ action }) => action), desired_state ?? 'absent']).toEqual([
        n,
        expect.anything(),
        'absent',
      ]);
    }
  });

  it('opened, synchronize twice, reopened: all orders end with a preview of the newest commit', async () => {
    const other = { id: 777, login: 'second-pusher' };
    const events: LifeEvent[] = [
      { action: 'opened', state: fresh, sender: pusher, at: 0 },
      { action: 'synchronize', state: { ...fresh, head: sha(2) }, sender: pusher, at: 1 },
      { action: 'synchronize', state: { ...fresh, head: sha(3) }, sender: other, at: 2 },
      { action: 'closed', state: { ...fresh, head: sha(3), state: 'closed' }, sender: labeler, at: 3 },
      { action: 'reopened', state: { ...fresh, head: sha(3) }, sender: labeler, at: 4 },
    ];
    for (const [n, order] of permutations(events).entries()) {
      for (const event of order)
        await harness.deliver('pull_request', pullRequestPayload({ repositoryId: 901, number: n + 1 }, event), {
          receivedAt,
        });
      const { actor_login: actor, ...row } = await final(901, n + 1);
      expect(row).toMatchObject({ status: 'open', head_sha: sha(3), desired_state: 'running', desired_sha: sha(3) });
      // Whoever pushed another commit never answers for this one. Who reopened does, if the push was never seen open.
      expect([
        order.map(({ action, at }) => `${action} ${at}`),
        ['second-pusher', 'labeler'].includes(actor ?? ''),
      ]).toEqual([expect.anything(), true]);
      if (n === 0) expect(actor).toBe('second-pusher');
    }
  });

  async function runHistory(seed: number): Promise<void> {
    const random = randomFrom(seed);
    const events: LifeEvent[] = [{ action: 'opened', state: fresh, sender: pusher, at: 0 }];
    let state = fresh;
    for (let at = 1; at < 12; at += 1) {
      const dice = random();
      if (state.state === 'closed') state = { ...state, state: 'open' };
      else if (dice < 0.3) state = { ...state, head: sha(at + 1) };
      else if (dice < 0.5) state = { ...state, labels: [`label-${at}`] };
      else if (dice < 0.8) state = { ...state, title: `Title ${at}` };
      else state = { ...state, state: 'closed' };
      const before = events[at - 1]?.state ?? fresh;
      const action =
        state.state !== before.state
          ? state.state === 'closed'
            ? 'closed'
            : 'reopened'
          : state.head !== before.head
            ? 'synchronize'
            : state.title !== before.title
              ? 'edited'
              : 'labeled';
      events.push({ action, state, sender: pusher, at });
    }
    const sent = events.flatMap((event) => (random() < 0.15 ? [event, event] : [event]));
    const order = sent
      .map((event, n) => ({ event, place: n + (random() < 0.3 ? Math.floor(random() * 12) : 0) }))
      .sort((left, right) => left.place - right.place);
    for (const { event } of order)
      await harness.deliver('pull_request', pullRequestPayload({ repositoryId: 902, number: seed }, event), {
        receivedAt,
      });
    const row = await final(902, seed);
    const seen = {
      seed,
      status: row.status,
      title: row.title,
      head: row.head_sha,
      labels: row.labels.map(({ name }) => name),
      preview: row.desired_state ?? 'absent',
      previewSha: row.desired_state === 'running' ? row.desired_sha : undefined,
    };
    const open = state.state === 'open';
    expect(seen).toEqual({
      seed,
      status: state.state,
      title: state.title,
      head: state.head,
      labels: state.labels,
      preview: open ? 'running' : 'absent',
      previewSha: open ? state.head : undefined,
    });
  }

  it('200 random histories with repetitions and disorder end at the newest state', async () => {
    // Four at a time, as lanes of different pull requests run.
    for (let seed = 1; seed <= 200; seed += 4) await Promise.all([0, 1, 2, 3].map((n) => runHistory(seed + n)));
  }, 300_000);
});
