import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHarness, examplesOf, FORGE, type Harness, HOST, type Payload } from './harness.js';
import { type LifeState, pullRequestPayload, pusher, sha, start } from './pull-request-life.js';

const second = (n: number) => Math.floor(start / 1_000) + n;
const at = (n: number) => new Date(start + n * 1_000);
const opened: LifeState = { state: 'open', title: 'First', labels: [], head: sha(1), merged: false };

describe('installations', () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await createHarness();
  });
  afterAll(() => harness.db.drop());

  /** An installation event `n` seconds after the start. */
  const event = (id: number, action: string, n: number, repositories: number[] = []): Payload => ({
    action,
    installation: {
      ...(examplesOf('installation')[0]?.installation as Payload),
      id,
      created_at: second(0),
      updated_at: second(n),
    },
    repositories: repositories.map((repository) => ({
      id: repository,
      full_name: `acme/repo-${repository}`,
      private: true,
    })),
    sender: pusher,
  });
  const send = (payload: Payload, n: number) => harness.deliver('installation', payload, { receivedAt: at(n) });
  const repository = async (id: number) =>
    (
      await harness.rows(
        `SELECT r.remote_owner, r.remote_name, r.remote_url, r.default_branch, r.private, r.status, r.watermark_at,
           i.virtual_id FROM repository r LEFT JOIN installation i ON i.id = r.installation_id WHERE r.remote_id = $1`,
        [id],
      )
    )[0];
  const pullRequestEvent = (repositoryId: number, installation: number, n: number, action = 'opened') => ({
    ...pullRequestPayload(
      { repositoryId, number: 1 },
      { action, state: { ...opened, head: sha(n) }, sender: pusher, at: n },
    ),
    installation: { id: installation },
  });
  const previews = (repositoryId: number) =>
    harness.rows(
      'SELECT desired_state, desired_sha FROM preview v JOIN repository r ON r.id = v.repository_id WHERE r.remote_id = $1',
      [repositoryId],
    );
  const banner = async () =>
    (await harness.rows<{ install_banner_since: Date | null }>('SELECT install_banner_since FROM organization'))[0]
      ?.install_banner_since;

  it('created: logged for the account, its repositories known from then on', async () => {
    await send(event(1_001, 'created', 0, [1, 2]), 5);
    expect(harness.logs.at(-1)).toMatchObject({
      msg: 'the App was installed',
      action: 'created',
      account: 'octocat',
      installation: '1001',
      repositories: 2,
    });
    expect(await repository(1)).toEqual({
      remote_owner: 'acme',
      remote_name: 'repo-1',
      remote_url: 'https://forge.example/acme/repo-1',
      default_branch: 'HEAD',
      private: true,
      status: 'active',
      watermark_at: at(0),
      virtual_id: 1_001n,
    });
    await harness.deliver('pull_request', pullRequestEvent(1, 1_001, 10), { receivedAt: at(10) });
    expect(await repository(1)).toMatchObject({
      default_branch: 'master',
      remote_name: 'Hello-World',
      watermark_at: at(0),
    });
    expect(await previews(1)).toEqual([{ desired_state: 'running', desired_sha: sha(10) }]);
  });

  it('suspend pauses its repositories, which start nothing; unsuspend lets them go on', async () => {
    await send(event(1_002, 'created', 0, [11]), 0);
    await send(event(1_002, 'suspend', 20), 20);
    expect(harness.logs.at(-1)).toMatchObject({ action: 'suspend', account: 'octocat' });
    expect(await repository(11)).toMatchObject({ status: 'paused' });
    const before = harness.pokes.length;
    await harness.deliver('pull_request', pullRequestEvent(11, 1_002, 21), { receivedAt: at(21) });
    expect(await previews(11)).toEqual([]);
    expect(harness.pokes.slice(before)).toEqual([]);
    await send(event(1_002, 'unsuspend', 30), 30);
    expect(await repository(11)).toMatchObject({ status: 'active' });
    await harness.deliver('pull_request', pullRequestEvent(11, 1_002, 31, 'synchronize'), { receivedAt: at(31) });
    expect(await previews(11)).toEqual([{ desired_state: 'running', desired_sha: sha(31) }]);
  });

  it('deleted: forgotten by every user’s connection, the banner shows, previews go', async () => {
    await send(event(1_003, 'created', 0, [21]), 0);
    await harness.deliver('pull_request', pullRequestEvent(21, 1_003, 5), { receivedAt: at(5) });
    expect(await banner()).toBeNull();
    const organizationId = harness.db.organizationId;
    for (const user of ['u1', 'u2', 'u3']) await harness.db.addUser(user);
    await harness.db.store('worker').tenant(organizationId, async (tx) => {
      for (const [user, installation] of [
        ['u1', 1_003],
        ['u2', 1_003],
        ['u3', 9_999],
      ] as const) {
        await tx.query(
          `INSERT INTO connection (organization_id, user_id, name, kind, forge, host, provider_account_id, installation_id)
           VALUES ($1, $2, 'c', 'oauth', $3, $4, $2, $5)`,
          [organizationId, user, FORGE, HOST, installation],
        );
      }
    });
    await send(event(1_003, 'deleted', 40, [21]), 40);
    expect(await harness.rows('SELECT user_id, installation_id FROM connection ORDER BY user_id')).toEqual([
      { user_id: 'u1', installation_id: null },
      { user_id: 'u2', installation_id: null },
      { user_id: 'u3', installation_id: 9_999n },
    ]);
    expect(await banner()).toEqual(at(40));
    expect(await repository(21)).toMatchObject({ status: 'removed', virtual_id: null });
    expect(await previews(21)).toEqual([{ desired_state: 'absent', desired_sha: sha(5) }]);
    // Late events of its repositories bring nothing back.
    await harness.deliver('pull_request', pullRequestEvent(21, 1_003, 6, 'synchronize'), { receivedAt: at(41) });
    await send(event(1_003, 'created', 0, [21, 22]), 42);
    expect(await repository(21)).toMatchObject({ status: 'removed', virtual_id: null });
    expect(await repository(22)).toBeUndefined();
    expect(await previews(21)).toEqual([{ desired_state: 'absent', desired_sha: sha(5) }]);
  });

  it('installed again: repositories come back, and what happened meanwhile is history', async () => {
    const again = event(1_004, 'created', 100, [21]);
    (again.installation as Payload).created_at = second(100);
    await send(again, 100);
    expect(await repository(21)).toMatchObject({ status: 'active', virtual_id: 1_004n, watermark_at: at(100) });
    expect(await banner()).toBeNull();
    await harness.deliver('pull_request', pullRequestEvent(21, 1_004, 50, 'synchronize'), { receivedAt: at(101) });
    expect(await previews(21)).toEqual([{ desired_state: 'absent', desired_sha: sha(5) }]);
    await harness.deliver('pull_request', pullRequestEvent(21, 1_004, 102, 'synchronize'), { receivedAt: at(102) });
    expect(await previews(21)).toEqual([{ desired_state: 'running', desired_sha: sha(102) }]);
  });

  it('repositories added and removed are logged, mirrored and let go', async () => {
    await send(event(1_005, 'created', 0), 0);
    const change = (action: 'added' | 'removed', n: number) => {
      const listed = [{ id: 31, full_name: 'acme/repo-31', private: false }];
      const payload = {
        ...event(1_005, action, n),
        repositories: undefined,
        repositories_added: action === 'added' ? listed : [],
        repositories_removed: action === 'removed' ? listed : [],
      };
      return harness.deliver('installation_repositories', payload, { receivedAt: at(n) });
    };
    await change('added', 7_200);
    expect(harness.logs.at(-1)).toMatchObject({
      msg: 'repositories became accessible',
      repositories: ['acme/repo-31'],
    });
    expect(await repository(31)).toMatchObject({ status: 'active', virtual_id: 1_005n, watermark_at: at(3_600) });
    await harness.deliver('pull_request', pullRequestEvent(31, 1_005, 7_201), { receivedAt: at(7_201) });
    expect(await previews(31)).toMatchObject([{ desired_state: 'running' }]);
    await change('removed', 7_300);
    expect(harness.logs.at(-1)).toMatchObject({ msg: 'repositories are no longer accessible', action: 'removed' });
    expect(await repository(31)).toMatchObject({ status: 'removed' });
    expect(await previews(31)).toMatchObject([{ desired_state: 'absent' }]);
  });

  it('take every published example, and unknown actions', async () => {
    for (const name of ['installation', 'installation_repositories'])
      for (const payload of examplesOf(name)) await harness.deliver(name, payload, { receivedAt: at(0) });
    await send(event(1_006, 'something_new', 0), 0);
    expect(harness.logs.at(-1)).toMatchObject({ action: 'something_new', change: 'ignored' });
  });
});
