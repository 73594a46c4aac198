/**
 * Hooks as GitLab 15 to 18 build them where the fixtures have another form: what is absent, null or new there.
 *
 * @see https://gitlab.com/gitlab-org/gitlab/-/tree/master/lib/gitlab/data_builder and .../hook_data
 */
import { describe, expect, it } from '@jest/globals';
import {
  actions,
  attributesOf,
  type NativeHook,
  native,
  schemaErrors,
  translated,
  withAttributes,
} from '../../../test/support/gitlab-hooks.js';
import type { JsonObject } from '../forge.js';

/** The fixture with other keys, without what only an API would answer. */
const hook = (name: string, over: JsonObject = {}, attributes: JsonObject = {}): NativeHook => {
  const { answers: _, previous: _before, ...delivery } = native(name);
  const payload = { ...delivery.payload, ...over };
  return 'object_attributes' in payload
    ? withAttributes({ ...delivery, payload }, attributes)
    : { ...delivery, payload };
};

/** Payloads by event and action, each as GitHub's schema asks for. */
async function told(delivery: NativeHook): Promise<Record<string, JsonObject>> {
  const { events = [], ignored } = await translated(delivery);
  expect(ignored).toBeUndefined();
  for (const { name, payload } of events)
    if (!name.startsWith('gitlab.')) expect([name, schemaErrors(name, payload)]).toEqual([name, []]);
  return Object.fromEntries(
    events.map(({ name, action, payload }) => [action === undefined ? name : `${name}.${action}`, payload]),
  );
}

describe('pushes', () => {
  const [commit] = native('push').payload.commits as JsonObject[];

  it('of more than twenty commits list the last twenty, the head among them', async () => {
    const commits = Array.from({ length: 20 }, (_, at) => ({ ...commit, id: `${at}`.padStart(40, 'a') }));
    const after = commits.at(-1)?.id;
    const { push } = await told(hook('push', { commits, after, checkout_sha: after, total_commits_count: 45 }));
    expect(push).toMatchObject({ commits: { length: 20 }, head_commit: { id: after }, after });
  });

  it('of a tag list none, and of nobody with an address an empty one', async () => {
    const tag = { commits: [], total_commits_count: 0, message: null, user_email: '', user_avatar: null };
    const { push, create } = await told(hook('tag_push.create', tag));
    expect(create).toMatchObject({ ref: 'v1.0', ref_type: 'tag' });
    expect(push).toMatchObject({ ref: 'refs/tags/v1.0', commits: [], head_commit: null, pusher: { email: '' } });
  });

  it.each(['push', 'tag_push'])('that test the webhook of an empty repository are none (%s)', (kind) => {
    const project = { id: 15, web_url: 'http://test.example.com/gitlab/gitlab', path_with_namespace: 'gitlab/gitlab' };
    const sample = { object_kind: kind, event_name: kind, project_id: 15, project, user_username: undefined };
    expect(actions(hook('push', sample))).toMatch(/test delivery/);
    const own = { ...project, web_url: 'https://gitlab.example.com/gitlab/gitlab' };
    expect(actions(hook('push', { ...sample, project: own }))).toEqual(['push']);
  });
});

describe('merge requests', () => {
  const reviewer = (over: JsonObject) => ({ id: 12, username: 'bob', name: 'Bob', email: '[REDACTED]', ...over });
  const reviewed = (previous: JsonObject[], current: JsonObject[]) =>
    hook(
      'merge_request.update.everything',
      { labels: [], assignees: undefined, reviewers: current, changes: { reviewers: { previous, current } } },
      { oldrev: undefined, labels: [] },
    );

  it('without commits, people or a source that is left', async () => {
    const none = { last_commit: null, source: null, description: null, merge_status: 'preparing' };
    const empty = { labels: [], assignees: undefined, reviewers: undefined };
    const { 'pull_request.opened': payload } = await told(
      hook('merge_request.open', empty, { ...none, detailed_merge_status: 'preparing', milestone_id: null }),
    );
    expect(payload).toMatchObject({
      pull_request: {
        head: { sha: '0'.repeat(40) },
        body: null,
        assignees: [],
        labels: [],
        mergeable_state: 'unknown',
      },
    });
  });

  it('that were changed in bulk or by the server itself in nothing that GitHub has', () => {
    const changes = { updated_at: { previous: '2026-03-02 09:00:00 UTC', current: '2026-03-02 10:00:00 UTC' } };
    const time = { total_time_spent: { previous: 0, current: 60 }, merge_status: { previous: 'x', current: 'y' } };
    for (const changed of [changes, time, {}, null])
      expect(actions(hook('merge_request.update.nothing', { changes: changed }))).toMatch(/^merge_request: Nothing/);
  });

  // Since 18.6 and 19.3; an approval has a hook of its own beside this one.
  it.each([
    ['that asks for changes', [{ state: 'unreviewed' }], [{ state: 'requested_changes' }], 'submitted'],
    ['that comments', [{ state: 'review_started' }], [{ state: 'reviewed' }], 'submitted'],
    ['by somebody whom nobody asked', [], [{ state: 'reviewed' }], 'submitted'],
    [
      'that was asked for again',
      [{ state: 'reviewed' }],
      [{ state: 'unreviewed', re_requested: true }],
      'review_requested',
    ],
  ])('tell a review %s', async (_what, before, after, action) => {
    const events = await told(
      reviewed(
        before.map(reviewer),
        after.map((one) => reviewer({ re_requested: false, ...one })),
      ),
    );
    expect(Object.keys(events)).toEqual([expect.stringMatching(new RegExp(`\\.${action}$`))]);
  });

  it.each([
    ['approved', 'unreviewed'],
    ['unapproved', 'approved'],
    ['unreviewed', 'review_started'],
  ])('tell no review of somebody who is %s now', (state, before) => {
    expect(actions(reviewed([reviewer({ state: before })], [reviewer({ state })]))).toMatch(/Nothing changed/);
  });

  it('that a train merged without a commit of its own', async () => {
    const gone = { merge_commit_sha: null, squash_commit_sha: null };
    const { 'pull_request.closed': payload } = await told(hook('merge_request.merge', {}, gone));
    expect(payload).toMatchObject({ pull_request: { merged: true, merge_commit_sha: 'a1'.repeat(20) } });
  });
});

describe('what is opened', () => {
  const created_at = '2026-01-01T10:00:00Z';
  const ended = [
    ['merge_request.open', 'merged'],
    ['merge_request.open', 'closed'],
    ['issue.open', 'closed'],
  ] as const;

  it.each(ended)(
    'was not closed long after it was: a test of the webhook tells the newest so (%s, %s)',
    (name, state) => {
      expect(actions(hook(name, {}, { state, created_at, updated_at: '2026-01-02T10:00:00Z' }))).toMatch(
        /test delivery/,
      );
      expect(actions(hook(name, {}, { state: 'locked' }))).toEqual([expect.stringMatching(/\.opened$/)]);
    },
  );

  it.each(ended)('is told as it was then, where it ended before its hook was built (%s, %s)', async (name, state) => {
    const events = await told(hook(name, {}, { state, created_at, updated_at: '2026-01-01T10:00:05Z' }));
    const [[event, payload = {}] = []] = Object.entries(events);
    expect(event).toMatch(/\.opened$/);
    expect(payload.pull_request ?? payload.issue).toMatchObject({ state: 'open', closed_at: null });
  });
});

describe('comments', () => {
  it.each(['WikiPage::Meta', 'DesignManagement::Design', 'Vulnerability', 'ProjectSnippet'])(
    'on what GitHub has not are told as they are: %s',
    (type) => {
      expect(actions(hook('note.snippet', { snippet: undefined }, { noteable_type: type }))).toEqual([
        'gitlab.note.created',
      ]);
    },
  );

  it.each(['image', 'file'])('on a file as a whole have no line (%s)', async (kind) => {
    const { position } = attributesOf(native('note.diff')) as { position: JsonObject };
    const whole = { ...position, position_type: kind, old_line: null, new_line: null, line_range: null, x: 1, y: 2 };
    const events = await told(hook('note.diff', {}, { position: whole, original_position: whole }));
    expect(events['pull_request_review_comment.created']).toMatchObject({
      comment: { line: null, subject_type: 'file' },
    });
  });
});

describe('pipelines, jobs and deployments', () => {
  it('of nobody, without a commit that is left', async () => {
    const gone = { user: null, commit: null, merge_request: null, builds: [] };
    const events = await told(hook('pipeline.success', gone, { name: null, finished_at: null }));
    expect(events['workflow_run.completed']).toMatchObject({
      sender: { login: 'ghost' },
      workflow_run: { status: 'completed' },
    });
  });

  it.each([
    ['preparing', 'queued', null],
    ['waiting_for_callback', 'queued', null],
    ['scheduled', 'queued', null],
    ['canceled', 'completed', 'cancelled'],
    ['skipped', 'completed', 'skipped'],
  ])('in a state that few servers tell: %s', async (status, is, conclusion) => {
    const job = { build_status: status, user: null, runner: null, commit: { id: 1, name: null }, environment: null };
    const events = Object.entries(await told(hook('build.failed', job)));
    const payload = events.find(([name]) => name.startsWith('workflow_job.'))?.[1];
    expect(payload).toMatchObject({ workflow_job: { status: is, conclusion } });
    const pipeline = Object.values(await told(hook('pipeline.success', { merge_request: null }, { status })));
    expect(pipeline.at(-1)).toMatchObject({ workflow_run: { status: is, conclusion } });
  });

  it.each(['pipeline.success', 'build.failed'])('that are about to be canceled are not told (%s)', (name) => {
    expect(actions(hook(name, { build_status: 'canceling' }, { status: 'canceling' }))).toMatch(/GitHub does not tell/);
  });

  it('by nobody, of a commit that is gone', async () => {
    const gone = { user: null, commit_url: null, deployable_url: null, status_changed_at: '2026-03-02 12:00:00 +0200' };
    const events = await told(hook('deployment.success', { ...gone, environment_external_url: null }));
    expect(events['deployment_status.created']).toMatchObject({ deployment: { created_at: '2026-03-02T10:00:00Z' } });
  });
});

describe('releases', () => {
  it('without a name, a text, a commit or files', async () => {
    const bare = { name: null, description: null, commit: null, released_at: null, assets: { count: 0, links: [] } };
    const events = await told(hook('release.create', bare));
    expect(events['release.published']).toMatchObject({ release: { name: 'v1.0', body: '', assets: [] } });
  });

  it('with files of all kinds', async () => {
    const links = [
      { id: 1, external: true, link_type: 'other', name: 'notes', url: 'https://files.example.org/notes' },
      { id: 2, name: 'binary', url: 'https://files.example.org/binary' },
    ];
    const sources = [{ format: 'zip', url: 'https://gitlab.example.com/acme/shop/web/-/archive/v1.0/web-v1.0.zip' }];
    const events = await told(hook('release.create', { assets: { count: 3, links, sources } }));
    expect(events['release.created']).toMatchObject({ release: { assets: [{ name: 'notes' }, { name: 'binary' }] } });
  });
});

describe('members', () => {
  it.each([
    ['Developer', { permission: { to: 'write' }, role_name: { to: 'write' } }],
    ['Planner', { role_name: { to: 'triage' } }],
    ['Release engineer', { role_name: { to: 'Release engineer' } }],
    [null, { role_name: { to: 'none' } }],
  ])('as %s', async (level, changes) => {
    const { 'member.added': payload } = await told(hook('user_add_to_team', { access_level: level }));
    expect(payload?.changes).toEqual(changes);
  });

  it.each([
    ['user_access_request_to_project', ['gitlab.system.user_access_request_to_project']],
    ['user_access_request_denied_for_group', ['gitlab.system.user_access_request_denied_for_group']],
    ['user_access_request_revoked_for_project', expect.stringMatching(/too long a one/)],
  ])('who ask to be one: %s', (kind, found) => {
    expect(actions(hook('user_add_to_team', { event_name: kind }))).toEqual(found);
  });
});

describe('what only GitLab has', () => {
  const { project, user } = native('push').payload;

  it.each<[string, JsonObject]>([
    ['gitlab.vulnerability', { object_kind: 'vulnerability', object_attributes: { title: 'X', project_id: 50 } }],
    ['gitlab.feature_flag', { object_kind: 'feature_flag', project, user, object_attributes: { id: 6, active: true } }],
    [
      'gitlab.access_token',
      {
        object_kind: 'access_token',
        event_name: 'expiring_access_token',
        group: { group_id: 35 },
        object_attributes: { id: 1 },
      },
    ],
  ])('is told as it is: %s', (name, payload) => {
    expect(actions({ eventType: '', payload })).toEqual([name]);
  });

  it.each(['work_item', 'epic'])('is not told of a reaction on a confidential %s', (key) => {
    const over = { issue: undefined, note: undefined, [key]: { id: 1, iid: 3, confidential: true } };
    expect(actions(hook('emoji.award', over))).toMatch(/confidential/);
    expect(actions(hook('emoji.award', { ...over, [key]: { confidential: false } }))).toEqual(['gitlab.emoji.award']);
  });
});
