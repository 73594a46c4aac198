import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHarness, examplesOf, type Harness, type Payload } from './harness.js';
import { type LifeState, pullRequestPayload, pusher, sha, start } from './pull-request-life.js';

const receivedAt = new Date(start + 60_000);
const opened: LifeState = { state: 'open', title: 'First', labels: [], head: sha(1), merged: false };
/** When the published examples happened. */
const exampleTime = new Date('2019-05-15T15:20:45Z');

describe('events in the mirror', () => {
  let harness: Harness;
  let repositoryId = 5_000;
  beforeAll(async () => {
    harness = await createHarness();
  });
  afterAll(() => harness.db.drop());
  const send = (event: string, payload: Payload, at = receivedAt) =>
    harness.deliver(event, payload, { receivedAt: at });
  /** A repository number of its own for each test. */
  const subject = (number = 1) => {
    repositoryId += 1;
    return { repositoryId, number };
  };
  const example = (event: string, action?: string): Payload => {
    const found = examplesOf(event).find((payload) => action === undefined || payload.action === action);
    if (found === undefined) throw new Error(`no example of ${event}.${action}`);
    repositoryId += 1;
    return { ...found, repository: { ...(found.repository as Payload), id: repositoryId } };
  };
  const part = (payload: Payload, field: string) => payload[field] as Payload;

  it('take every published example of every event we listen to', async () => {
    const events = [
      'pull_request',
      'push',
      'issues',
      'issue_comment',
      'pull_request_review_comment',
      'commit_comment',
      'pull_request_review',
      'repository',
    ];
    for (const event of events) for (const payload of examplesOf(event)) await send(event, payload, exampleTime);
    const [count] = await harness.rows<Record<string, bigint>>(
      `SELECT (SELECT count(*) FROM pull_request) AS pulls, (SELECT count(*) FROM git_commit) AS commits,
         (SELECT count(*) FROM issue) AS issues, (SELECT count(*) FROM comment) AS comments,
         (SELECT count(*) FROM review) AS reviews`,
    );
    for (const [table, rows] of Object.entries(count ?? {})) expect([table, rows > 0n]).toEqual([table, true]);
  });

  it('mirror all fields of FR-WH-005 and S1 section 1.2, and have the pull request read again', async () => {
    const payload = pullRequestPayload(subject(), {
      action: 'opened',
      state: { ...opened, labels: ['bug'] },
      sender: pusher,
      at: 5,
    });
    const raw = part(payload, 'pull_request');
    raw.assignees = [{ id: 7, login: 'ann' }];
    raw.requested_reviewers = [{ id: '9007199254740993', login: 'bob' }];
    raw.requested_teams = [{ slug: 'web' }];
    raw.additions = 10;
    raw.deletions = 3;
    raw.changed_files = 2;
    raw.draft = true;
    raw.head = { ref: '$(id)', sha: sha(1), repo: null };
    const before = harness.pokes.length;
    await send('pull_request', payload);
    const [row] = await harness.rows<{ id: string }>('SELECT * FROM pull_request WHERE remote_repository_id = $1', [
      repositoryId,
    ]);
    expect(row).toMatchObject({
      forge: 'some-forge',
      host: 'forge.example',
      instance_url: 'https://forge.example',
      remote_owner: 'Codertocat',
      remote_name: 'Hello-World',
      number: 1,
      title: 'First',
      body: 'This is a pretty simple change that we need to pull into master.',
      state: 'open',
      draft: true,
      status: 'draft',
      author_id: 21_031_067n,
      author_login: 'Codertocat',
      head_branch: '$(id)',
      base_branch: 'master',
      head_sha: sha(1),
      base_sha: 'f95f852bd8fca8fcc58a9a2d6c842781e32a215e',
      head_repository_id: null,
      labels: [{ name: 'bug', color: 'ededed' }],
      assignees: [{ id: 7, login: 'ann' }],
      reviewers: [{ id: '9007199254740993', login: 'bob' }, { team: 'web' }],
      additions: 10,
      deletions: 3,
      changed_files: 2,
      merged_at: null,
      url: 'https://github.com/Codertocat/Hello-World/pull/2',
      remote_updated_at: new Date(start + 5_000),
    });
    const sync = await harness.rows('SELECT * FROM pull_request_sync WHERE pull_request_id = $1', [row?.id]);
    expect(sync).toHaveLength(1);
    const poked = harness.pokes.slice(before);
    expect(poked).toContainEqual(
      expect.objectContaining({ queue: 'sync', key: { organizationId: harness.db.organizationId, id: row?.id } }),
    );
    expect(poked.map(({ queue }) => queue)).toContain('preview');
  });

  it('follow every action of a pull request, listed by GitHub or not', async () => {
    const actions = [
      ...['opened', 'synchronize', 'edited', 'labeled', 'unlabeled', 'assigned', 'unassigned', 'review_requested'],
      ...['review_request_removed', 'ready_for_review', 'converted_to_draft', 'locked', 'unlocked', 'milestoned'],
      ...['auto_merge_enabled', 'enqueued', 'something_new', 'closed', 'reopened'],
    ];
    const about = subject();
    for (const [at, action] of actions.entries()) {
      const state: LifeState = { ...opened, title: `after ${action}`, state: action === 'closed' ? 'closed' : 'open' };
      await send('pull_request', pullRequestPayload(about, { action, state, sender: pusher, at }));
      const rows = await harness.rows('SELECT title, state FROM pull_request WHERE remote_repository_id = $1', [
        repositoryId,
      ]);
      expect(rows).toEqual([{ title: state.title, state: state.state }]);
    }
    const [sync] = await harness.rows<{ desired_version: bigint }>(
      `SELECT s.desired_version FROM pull_request_sync s JOIN pull_request p ON p.id = s.pull_request_id
       WHERE p.remote_repository_id = $1`,
      [repositoryId],
    );
    expect(sync?.desired_version).toBe(BigInt(actions.length));
  });

  it.each<[string, string, { source?: string; headMoved?: boolean }, boolean]>([
    ['opened', 'is told of at once', {}, true],
    ['opened', 'was found by us', { source: 'poll' }, false],
    ['opened', 'is told of late, of another commit by now', { headMoved: true }, false],
    ['synchronize', 'is told of at once', {}, true],
    ['synchronize', 'is told of late, of another commit by now', { headMoved: true }, false],
    ['reopened', 'is told of at once', {}, false],
  ])('of a head keep who brought it where they say so: %s, which %s', async (action, _how, scope, isKept) => {
    const about = subject();
    const payload = pullRequestPayload(about, { action, state: opened, sender: pusher, at: 5 });
    await harness.deliver('pull_request', payload, { receivedAt, apps: ['mirror', 'preview'], scope });
    const kept = await harness.rows(
      `SELECT h.pusher_id IS NOT NULL AS pusher FROM seen_head h JOIN repository r ON r.id = h.repository_id
       WHERE r.remote_id = $1`,
      [about.repositoryId],
    );
    expect(kept).toEqual([{ pusher: isKept }]);
    if (!scope.headMoved) return;
    const previews = await harness.rows(
      'SELECT v.actor_id FROM preview v JOIN repository r ON r.id = v.repository_id WHERE r.remote_id = $1',
      [about.repositoryId],
    );
    expect(previews).toEqual([{ actor_id: null }]);
  });

  it('say merged when it is merged', async () => {
    const payload = pullRequestPayload(subject(), {
      action: 'closed',
      state: { ...opened, state: 'closed', merged: true },
      sender: pusher,
      at: 3,
    });
    part(payload, 'pull_request').merge_commit_sha = sha(77);
    await send('pull_request', payload);
    const rows = await harness.rows(
      'SELECT state, merged_at, closed_at, merge_commit_sha FROM pull_request WHERE remote_repository_id = $1',
      [repositoryId],
    );
    const at = new Date(start + 3_000);
    expect(rows).toEqual([{ state: 'merged', merged_at: at, closed_at: at, merge_commit_sha: sha(77) }]);
  });

  it('leave a delivery with a broken payload without a trace, naming the field', async () => {
    const payload = pullRequestPayload(subject(), { action: 'opened', state: opened, sender: pusher, at: 0 });
    part(payload, 'pull_request').head = { ref: 'x', sha: 'not a commit; $(id)' };
    await expect(send('pull_request', payload)).rejects.toMatchObject({
      code: 'FORGEWAY_PAYLOAD_INVALID',
      message: 'pull_request: pull_request.head.sha: is not a commit id',
    });
    expect(await harness.rows('SELECT id FROM repository WHERE remote_id = $1', [repositoryId])).toEqual([]);
  });

  it('log a push and mirror its commits', async () => {
    const payload = example('push');
    const commit = (n: number) => ({
      id: sha(n),
      message: `commit ${n}`,
      timestamp: '2019-05-15T17:20:41+02:00',
      author: { name: 'Ann', email: 'ann@example.org', username: 'ann' },
    });
    Object.assign(payload, {
      ref: 'refs/heads/feature/$(id)',
      commits: [commit(1), commit(2)],
      pusher: { name: 'ann' },
      forced: true,
    });
    await send('push', payload, exampleTime);
    expect(harness.logs.at(-1)).toMatchObject({
      msg: 'push',
      app: 'mirror',
      event: 'push',
      repository: 'Codertocat/Hello-World',
      branch: 'feature/$(id)',
      commits: 2,
      pusher: 'ann',
      forced: true,
      deleted: false,
    });
    const rows = await harness.rows(
      'SELECT sha, message, author_name, author_email, committed_at, branch FROM git_commit WHERE remote_repository_id = $1 ORDER BY sha',
      [repositoryId],
    );
    expect(rows).toEqual(
      [1, 2].map((n) => ({
        sha: sha(n),
        message: `commit ${n}`,
        author_name: 'Ann',
        author_email: 'ann@example.org',
        committed_at: new Date('2019-05-15T15:20:41Z'),
        branch: 'feature/$(id)',
      })),
    );
    const gone = { ...payload, ref: 'refs/tags/v1', commits: [], deleted: true, pusher: null };
    await send('push', gone, exampleTime);
    expect(harness.logs.at(-1)).toMatchObject({ tag: 'v1', commits: 0, deleted: true });
    expect(harness.logs.at(-1)).not.toHaveProperty('branch');
  });

  it('mirror comments of three kinds: created, edited, deleted', async () => {
    const kinds = [
      ['issue_comment', 'issue'],
      ['pull_request_review_comment', 'review'],
      ['commit_comment', 'commit'],
    ] as const;
    for (const [event, kind] of kinds) {
      const payload = example(event, 'created');
      const id = repositoryId * 10;
      const comment = (body: string, updated_at: string) => ({ ...part(payload, 'comment'), id, body, updated_at });
      const rows = () =>
        harness.rows('SELECT kind, body, deleted_at IS NOT NULL AS deleted FROM comment WHERE remote_id = $1', [id]);
      await send(
        event,
        { ...payload, action: 'created', comment: comment('one', '2019-05-15T15:20:21Z') },
        exampleTime,
      );
      expect(await rows()).toEqual([{ kind, body: 'one', deleted: false }]);
      await send(event, { ...payload, action: 'edited', comment: comment('two', '2019-05-15T15:20:22Z') }, exampleTime);
      await send(
        event,
        { ...payload, action: 'created', comment: comment('one', '2019-05-15T15:20:21Z') },
        exampleTime,
      );
      expect(await rows()).toEqual([{ kind, body: 'two', deleted: false }]);
      await send(
        event,
        { ...payload, action: 'deleted', comment: comment('two', '2019-05-15T15:20:22Z') },
        exampleTime,
      );
      expect(await rows()).toEqual([{ kind, body: '', deleted: true }]);
    }
  });

  it('know a comment on a pull request from one on an issue', async () => {
    const payload = example('issue_comment', 'created');
    const place = () =>
      harness.rows(
        'SELECT number, on_pull_request FROM comment WHERE repository_id = (SELECT id FROM repository WHERE remote_id = $1)',
        [repositoryId],
      );
    const issue = { ...part(payload, 'issue'), pull_request: { url: 'x' } };
    const comment = { ...part(payload, 'comment'), id: repositoryId * 10 };
    await send('issue_comment', { ...payload, issue, comment }, exampleTime);
    expect(await place()).toEqual([{ number: 1, on_pull_request: true }]);
    expect(await harness.rows('SELECT id FROM issue WHERE remote_repository_id = $1', [repositoryId])).toEqual([]);
  });

  it('mirror reviews and have their pull request read again', async () => {
    const about = subject(2);
    await send('pull_request', pullRequestPayload(about, { action: 'opened', state: opened, sender: pusher, at: 0 }));
    const payload = examplesOf('pull_request_review').find(({ action }) => action === 'submitted') ?? {};
    const repository = { ...part(payload, 'repository'), id: repositoryId };
    const review = { ...part(payload, 'review'), id: repositoryId * 10, state: 'approved' };
    await send('pull_request_review', { ...payload, repository, review });
    await send('pull_request_review', {
      ...payload,
      action: 'dismissed',
      repository,
      review: { ...review, state: 'dismissed' },
    });
    await send('pull_request_review', { ...payload, repository, review });
    expect(await harness.rows('SELECT number, state FROM review WHERE remote_id = $1', [repositoryId * 10])).toEqual([
      { number: 2, state: 'dismissed' },
    ]);
    const [sync] = await harness.rows<{ desired_version: bigint }>(
      `SELECT s.desired_version FROM pull_request_sync s JOIN pull_request p ON p.id = s.pull_request_id
       WHERE p.remote_repository_id = $1`,
      [repositoryId],
    );
    expect(sync?.desired_version).toBe(4n);
  });

  it('mirror issues through closing, transfer and deletion', async () => {
    const payload = example('issues', 'opened');
    const change = (action: string, at: string, changes: Payload = {}) =>
      send(
        'issues',
        { ...payload, action, issue: { ...part(payload, 'issue'), updated_at: at, ...changes } },
        exampleTime,
      );
    const row = async () =>
      (
        await harness.rows(
          'SELECT state, state_reason, deleted_at IS NOT NULL AS deleted FROM issue WHERE remote_repository_id = $1',
          [repositoryId],
        )
      )[0];
    await change('opened', '2019-05-15T15:20:18Z');
    expect(await row()).toEqual({ state: 'open', state_reason: null, deleted: false });
    await change('closed', '2019-05-15T15:20:19Z', { state: 'closed', state_reason: 'completed' });
    await change('labeled', '2019-05-15T15:20:19Z');
    expect(await row()).toEqual({ state: 'closed', state_reason: 'completed', deleted: false });
    await change('transferred', '2019-05-15T15:20:20Z', { state: 'closed' });
    await change('edited', '2019-05-15T15:20:30Z');
    expect(await row()).toMatchObject({ deleted: true });
  });

  it('follow a repository through rename, archive and deletion, and then start nothing', async () => {
    const about = subject();
    await send('pull_request', pullRequestPayload(about, { action: 'opened', state: opened, sender: pusher, at: 0 }));
    const repository = { ...part(example('repository', 'renamed'), 'repository'), id: about.repositoryId };
    const change = (action: string, changes: Payload, at: number) =>
      send('repository', {
        action,
        sender: pusher,
        repository: { ...repository, updated_at: new Date(start + at * 1_000).toISOString(), ...changes },
      });
    const row = async () =>
      (
        await harness.rows('SELECT remote_name, archived, private, status FROM repository WHERE remote_id = $1', [
          about.repositoryId,
        ])
      )[0];
    await change('renamed', { name: 'Renamed' }, 10);
    await change('archived', { name: 'Renamed', archived: true }, 11);
    await change('privatized', { name: 'Renamed', archived: true, private: true }, 12);
    expect(await row()).toEqual({ remote_name: 'Renamed', archived: true, private: true, status: 'active' });
    const preview = async () =>
      (
        await harness.rows(
          'SELECT desired_state FROM preview v JOIN repository r ON r.id = v.repository_id WHERE r.remote_id = $1',
          [about.repositoryId],
        )
      )[0];
    expect(await preview()).toEqual({ desired_state: 'running' });
    await change('deleted', { name: 'Renamed' }, 13);
    expect(await row()).toMatchObject({ status: 'removed' });
    expect(await preview()).toEqual({ desired_state: 'absent' });
    await send(
      'pull_request',
      pullRequestPayload(about, { action: 'synchronize', state: { ...opened, head: sha(2) }, sender: pusher, at: 20 }),
    );
    expect(await preview()).toEqual({ desired_state: 'absent' });
    expect(await row()).toMatchObject({ status: 'removed', remote_name: 'Renamed' });
  });

  it('older than the watermark fill the mirror and start no preview', async () => {
    const about = subject();
    await send('push', {
      ...example('push'),
      repository: { ...part(example('push'), 'repository'), id: about.repositoryId },
    });
    const old = pullRequestPayload(about, { action: 'opened', state: opened, sender: pusher, at: 0 });
    const raw = part(old, 'pull_request');
    raw.updated_at = new Date(receivedAt.getTime() - 7_200_000).toISOString();
    await send('pull_request', old);
    const rows = await harness.rows<{ id: string }>('SELECT id FROM pull_request WHERE remote_repository_id = $1', [
      about.repositoryId,
    ]);
    expect(rows).toHaveLength(1);
    expect(await harness.rows('SELECT id FROM preview WHERE pull_request_id = $1', [rows[0]?.id])).toEqual([]);
    await send('pull_request', pullRequestPayload(about, { action: 'reopened', state: opened, sender: pusher, at: 1 }));
    expect(await harness.rows('SELECT desired_state FROM preview WHERE pull_request_id = $1', [rows[0]?.id])).toEqual([
      { desired_state: 'running' },
    ]);
  });
});
