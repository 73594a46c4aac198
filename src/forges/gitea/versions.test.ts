/**
 * Deliveries as Gitea 1.19 to 1.24 and Forgejo 7 to 12 build them where the fixtures have another form: null for an empty
 * list, Go's zero time, accounts that are gone.
 *
 * @see https://github.com/go-gitea/gitea/blob/main/services/webhook/notifier.go and modules/structs/hook.go
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { type NativeHook, translatedBy } from '../../../test/support/golden.js';
import { githubEventErrors } from '../../../test/support/webhook-schema.js';
import type { JsonObject } from '../forge.js';
import { gitea } from './forge.js';

const ZERO = '0001-01-01T00:00:00Z';
const ghost = { id: -1, login: 'Ghost', username: 'Ghost', full_name: '', email: '', avatar_url: '' };

const native = (name: string) =>
  JSON.parse(readFileSync(new URL(`./fixtures/${name}.json`, import.meta.url), 'utf8')) as NativeHook;

/** The fixture with other keys, and the object at one of them with others, without what only an API would answer. */
function hook(name: string, over: JsonObject = {}, within: Record<string, JsonObject> = {}): NativeHook {
  const { answers: _, previous: _before, ...delivery } = native(name);
  const { payload } = delivery;
  const changed = Object.entries(within).map(([key, value]) => [key, { ...(payload[key] as JsonObject), ...value }]);
  return { ...delivery, payload: { ...payload, ...over, ...Object.fromEntries(changed) } };
}

const base = { api: 'https://code.example.org/api/v3', web: 'https://code.example.org' };
const found = (delivery: NativeHook) => translatedBy(gitea, delivery, { base, wanted: new Set() });

/** Payloads by event and action, each as GitHub's schema asks for. */
async function told(delivery: NativeHook): Promise<Record<string, JsonObject>> {
  const { events = [], ignored } = await found(delivery);
  expect(ignored).toBeUndefined();
  for (const { name, payload } of events) expect([name, githubEventErrors(name, payload)]).toEqual([name, []]);
  return Object.fromEntries(
    events.map(({ name, action, payload }) => [action === undefined ? name : `${name}.${action}`, payload]),
  );
}

describe('pull requests', () => {
  it('with null for every list, of somebody who is gone', async () => {
    const none = { assignee: null, assignees: null, labels: null, milestone: null, requested_reviewers: null };
    const gone = { user: ghost, requested_reviewers_teams: null, merged_by: null, merge_base: '', closed_at: null };
    const events = await told(hook('pull_request.opened', {}, { pull_request: { ...none, ...gone } }));
    expect(events['pull_request.opened']).toMatchObject({
      pull_request: { user: { login: 'Ghost' }, labels: [], assignees: [], requested_reviewers: [], milestone: null },
    });
  });

  it('whose branch and repository are gone', async () => {
    const head = { label: 'gone', ref: 'refs/pull/6/head', sha: '', repo_id: 0, repo: null };
    const events = await told(hook('pull_request.opened', {}, { pull_request: { head } }));
    expect(events['pull_request.opened']).toMatchObject({ pull_request: { head: { ref: 'gone', repo: null } } });
  });

  it('that were merged by nobody, never', async () => {
    const unsaid = { closed_at: null, merged_by: null, merge_commit_sha: null };
    const events = await told(hook('pull_request.closed.merged', {}, { pull_request: unsaid }));
    expect(events['pull_request.closed']).toMatchObject({
      pull_request: { merged: true, closed_at: expect.stringMatching(/Z$/), merged_by: { login: 'carol' } },
    });
  });

  it.each(['pull_request', 'pull_request_review_request', 'pull_request/pull_request_review_request'])(
    'under each of the names that versions have for a request: %s',
    async (eventType) => {
      const events = await told({ ...hook('pull_request.review_requested'), eventType });
      expect(events['pull_request.review_requested']).toMatchObject({ requested_reviewer: { login: 'carol' } });
    },
  );
});

describe('pushes, and refs that come and go', () => {
  it('of a tag, without commits', async () => {
    const tag = { ref: 'refs/tags/v2', commits: null, head_commit: null, total_commits: 0 };
    const { push } = await told(hook('push.created', tag));
    expect(push).toMatchObject({ ref: 'refs/tags/v2', commits: [], head_commit: null, created: true });
  });

  it('of commits without time, people or files', async () => {
    const [commit] = native('push').payload.commits as JsonObject[];
    const bare = {
      ...commit,
      timestamp: ZERO,
      author: null,
      committer: null,
      added: null,
      removed: null,
      modified: null,
    };
    const { push } = await told(hook('push', { commits: [bare] }));
    expect(push).toMatchObject({ commits: [{ timestamp: '1970-01-01T00:00:00Z', added: [], author: { name: '' } }] });
  });

  it('by the account of Actions', async () => {
    const actions = { id: -2, login: 'gitea-actions', username: 'gitea-actions', email: 'teabot@gitea.io' };
    const { push } = await told(hook('push', { sender: actions, pusher: actions }));
    expect(push).toMatchObject({ sender: { login: 'gitea-actions', type: 'Bot' }, pusher: { name: 'gitea-actions' } });
  });

  it.each([
    ['create.branch', 'refs/heads/x/y', 'create'],
    ['delete.branch', 'refs/heads/x/y', 'delete'],
    ['delete.tag', 'refs/tags/x/y', 'delete'],
  ])('named in full, as Forgejo does (%s)', async (name, ref, event) => {
    const events = await told(hook(name, { ref }));
    expect(events[event]).toMatchObject({ ref: 'x/y' });
    if ('push' in events) expect(events.push).toMatchObject({ ref });
  });
});

describe('repositories, releases and packages', () => {
  it('of a person, whom the server puts where an organization stands', async () => {
    const { repository, sender } = native('repository.created').payload;
    const own = { ...(repository as JsonObject), owner: sender, topics: null, permissions: null, created_at: ZERO };
    const events = await told(hook('repository.created', { organization: sender, repository: own }));
    expect(events['repository.created']).toMatchObject({ repository: { owner: { login: 'alice', type: 'User' } } });
    expect(events['repository.created']).not.toHaveProperty('organization');
    const others = await told(hook('repository.created'));
    expect(others['repository.created']).toMatchObject({ organization: { login: 'acme' } });
  });

  it('without files, text, or anybody who is left', async () => {
    const bare = { assets: null, author: ghost, publisher: ghost, target_commitish: '', name: '', body: '' };
    const events = await told(hook('release.published', {}, { release: { ...bare, published_at: ZERO } }));
    expect(events['release.published']).toMatchObject({ release: { assets: [], author: { login: 'Ghost' } } });
  });

  it.each<[string, NativeHook, RegExp]>([
    [
      'of no repository',
      hook('package.created', { repository: null, organization: null }),
      /repository\.id is missing/,
    ],
    ['of a kind that GitHub has not', hook('package.created', {}, { package: { type: 'debian' } }), /"debian"/],
    ['of the clock', { eventType: 'schedule', payload: { action: 'schedule' } }, /GitHub has no event for schedule/],
  ])('%s is ignored with a reason', async (_what, delivery, reason) => {
    expect((await found(delivery)).ignored).toMatch(reason);
  });
});

describe('what is at a commit', () => {
  it.each([
    ['warning', 'success'],
    ['skipped', 'success'],
    ['error', 'error'],
    ['pending', 'pending'],
  ])('a status that is %s', async (state, shown) => {
    const { status } = await told(hook('status', { state, updated_at: null, target_url: '', commit: null }));
    expect(status).toMatchObject({ state: shown, target_url: null });
  });

  it.each([
    ['queued', 'queued', null],
    ['waiting', 'waiting', null],
    ['completed', 'completed', 'cancelled'],
  ])('a job that is %s, of no runner, begun and ended never', async (action, status, conclusion) => {
    const never = { started_at: ZERO, completed_at: ZERO, steps: null, labels: null, runner_id: 0, runner_name: '' };
    const job = { ...never, status: action, conclusion: conclusion ?? '' };
    const events = await told(hook('workflow_job.in_progress', { action }, { workflow_job: job }));
    expect(events[`workflow_job.${status}`]).toMatchObject({ workflow_job: { status, conclusion, steps: [] } });
  });

  it.each(['cancelled', 'skipped', 'failure'])('a run of Forgejo’s that is %s, begun by nobody', async (status) => {
    const over = { status, trigger_user: null, stopped: ZERO };
    const events = await told(hook('action_run.failure', {}, { run: over }));
    expect(events['workflow_run.completed']).toMatchObject({
      workflow_run: { conclusion: status },
      sender: { login: 'ghost' },
    });
  });
});

describe('comments', () => {
  it.each([
    ['somebody who is gone', ghost, 'Ghost'],
    ['nobody', null, 'ghost'],
  ])('of %s', async (_whom, user, login) => {
    const comment = { user, original_author: 'old', original_author_id: 0, assets: null };
    const events = await told(hook('issue_comment.created', {}, { comment }));
    expect(events['issue_comment.created']).toMatchObject({ comment: { user: { login } } });
  });
});
