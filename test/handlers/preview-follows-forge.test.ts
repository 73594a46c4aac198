import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { previewFollowsForge } from '../../src/handlers/preview-follows-forge.js';
import { pullRequestByNumber, type StoredPullRequest, upsertPullRequest } from '../../src/store/mirror/pull-request.js';
import { repositoryByRemoteId } from '../../src/store/mirror/repository.js';
import { createHarness, FORGE, type Harness, HOST } from './harness.js';
import { type LifeState, pullRequestPayload, pusher, sha, start } from './pull-request-life.js';

const opened: LifeState = { state: 'open', title: 'First', labels: [], head: sha(1), merged: false };

describe('a fresh read of the forge', () => {
  let harness: Harness;
  let repositoryId = 7_000;
  beforeAll(async () => {
    harness = await createHarness();
  });
  afterAll(() => harness.db.drop());

  /** A pull request after this event, and what happens when the forge is then found to say `truth`. */
  async function read(
    truth: Partial<StoredPullRequest>,
    o: { apps?: string[]; receivedAt?: Date; previews?: boolean; between?: string; state?: LifeState } = {},
  ) {
    repositoryId += 1;
    const event = { action: 'opened', state: o.state ?? opened, sender: pusher, at: 0 };
    const payload = pullRequestPayload({ repositoryId, number: 1 }, event);
    await harness.deliver('pull_request', payload, { apps: o.apps, receivedAt: o.receivedAt ?? new Date(start) });
    const poked: unknown[] = [];
    const queue = { name: 'preview', poke: async (key: unknown) => void poked.push(key) };
    const { organizationId } = harness.db;
    const origin = { organizationId, forge: FORGE, host: HOST, instanceUrl: null };
    const after = await harness.db.store('worker').tenant(organizationId, async (tx) => {
      if (o.between) await tx.query(o.between);
      const repository = await repositoryByRemoteId(tx, origin, BigInt(repositoryId));
      if (repository === undefined) throw new Error('no repository');
      const before = await pullRequestByNumber(tx, repository.id, 1);
      if (before === undefined) throw new Error('no pull request');
      await upsertPullRequest(tx, origin, repository, { ...before, ...truth }, 'wins');
      const now = await pullRequestByNumber(tx, repository.id, 1);
      if (now === undefined) throw new Error('no pull request');
      return previewFollowsForge({ pokes: { preview: queue }, previews: o.previews ?? true })(tx, { before, now });
    });
    expect(poked).toEqual([]);
    await after?.();
    const [row] = await harness.rows(
      `SELECT v.desired_state, v.desired_sha, v.actor_login FROM preview v
       JOIN repository r ON r.id = v.repository_id WHERE r.remote_id = $1`,
      [repositoryId],
    );
    return { row, poked: poked.length };
  }

  it('takes the preview down when the close was missed', async () => {
    expect(await read({ state: 'closed' })).toEqual({
      row: expect.objectContaining({ desired_state: 'absent' }),
      poked: 1,
    });
  });

  it('moves it to a commit whose push was missed, of which nobody is known to have pushed it', async () => {
    const { row, poked } = await read({ headSha: sha(2) });
    expect(row).toEqual({ desired_state: 'running', desired_sha: sha(2), actor_login: null });
    expect(poked).toBe(1);
  });

  it('changes nothing when all is as the events said', async () => {
    const { row, poked } = await read({});
    expect(row).toEqual({ desired_state: 'running', desired_sha: sha(1), actor_login: 'pusher' });
    expect(poked).toBe(0);
  });

  it('wants one when the opening was missed, but not for what was there before the repository was connected', async () => {
    const missed = await read({}, { apps: ['mirror'] });
    expect(missed.row).toEqual({ desired_state: 'running', desired_sha: sha(1), actor_login: null });
    const old = await read({}, { apps: ['mirror'], receivedAt: new Date(start + 86_400_000) });
    expect(old).toEqual({ row: undefined, poked: 0 });
    const touched = { updatedAt: new Date(start + 86_400_000) };
    expect(await read(touched, { apps: ['mirror'], receivedAt: new Date(start + 86_400_000) })).toEqual({
      row: undefined,
      poked: 0,
    });
  });

  it('leaves a preview down that a person took down, until the pull request is opened again', async () => {
    const between = `UPDATE preview SET desired_state = 'absent' WHERE desired_state = 'running'`;
    expect((await read({}, { between })).row).toMatchObject({ desired_state: 'absent' });
    const wronglyClosed = `${between}; UPDATE pull_request SET state = 'closed'`;
    expect((await read({ state: 'open' }, { between: wronglyClosed })).row).toMatchObject({ desired_state: 'running' });
  });

  it('starts nothing when previews are off or the repository is paused', async () => {
    expect(await read({}, { apps: ['mirror'], previews: false })).toEqual({ row: undefined, poked: 0 });
    const between = `UPDATE repository SET status = 'paused'`;
    expect(await read({ headSha: sha(2) }, { between })).toMatchObject({ row: { desired_sha: sha(1) }, poked: 0 });
  });
});
