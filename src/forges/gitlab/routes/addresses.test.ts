/** Rows that serve addresses which stand in payloads: feeds, notifications, webhooks, what pipelines left, and more. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { strFromU8, unzipSync } from 'fflate';
import { type GitLabRig, type Loose, startGitLab } from '../../../../test/support/gitlab-rig.js';
import { commitComments } from './commit-comments.js';
import { contributors } from './contributors.js';
import { feeds } from './feeds.js';
import { ofPeople } from './of-people.js';
import { runDetails } from './run-details.js';
import { watching } from './watching.js';
import { webhooks } from './webhooks.js';

const REPO = '/repos/{owner}/{repo}';
const HOOKS = `${REPO}/hooks`;
const RUN = `${REPO}/actions/runs/{run_id}`;
const api = 'https://gitlab.test/api/v3/repos/acme~platform/web';
const types = (data: Loose): string[] => data.map((one: Loose) => one.type);

describe('feeds on GitLab', () => {
  let gitlab: GitLabRig;
  const made = { issue: 0, pull: 0, comment: 0 };
  beforeAll(async () => {
    gitlab = await startGitLab();
    const bob = gitlab.as('bob');
    const place = { owner: 'acme~platform', repo: 'web' };
    const ask = async (route: string, more: object) => (await bob.request(route, { ...place, ...more })).data as Loose;
    made.issue = (await ask(`POST ${REPO}/issues`, { title: 'It broke' })).number;
    const comments = `POST ${REPO}/issues/{issue_number}/comments`;
    made.comment = (await ask(comments, { issue_number: made.issue, body: 'Look' })).id;
    made.pull = await gitlab.openMergeRequest('topic');
    await ask(comments, { issue_number: made.pull, body: 'Fine' });
    await gitlab.ask(`PATCH ${REPO}/issues/{issue_number}`, { issue_number: made.issue, state: 'closed' });
    await gitlab.ask(`POST ${REPO}/pulls/{pull_number}/reviews`, { pull_number: made.pull, event: 'APPROVE' });
    await gitlab.ask(`PUT ${REPO}/pulls/{pull_number}/merge`, { pull_number: made.pull });
  });
  afterAll(() => gitlab.close());

  it('tell what was done in a repository, the newest first, in GitHub’s words', async () => {
    const { data } = await gitlab.ask(`GET ${REPO}/events`);
    const one = (type: string, action?: string) =>
      data.find((event: Loose) => event.type === type && (action === undefined || event.payload.action === action));
    expect(types(data).slice(-4)).toEqual(['PullRequestEvent', 'CreateEvent', 'IssueCommentEvent', 'IssuesEvent']);
    expect(one('PullRequestEvent', 'closed').payload).toEqual({
      action: 'closed',
      number: made.pull,
      pull_request: { number: made.pull, title: 'Merge topic', url: `${api}/pulls/${made.pull}`, merged: true },
    });
    expect(one('PullRequestReviewEvent').payload).toMatchObject({ action: 'created', review: { state: 'approved' } });
    expect(one('CreateEvent').payload).toMatchObject({ ref: 'topic', ref_type: 'branch' });
    const push = one('PushEvent');
    const head = await gitlab.ask(`GET ${REPO}/commits/{ref}`, { ref: 'main' });
    expect(push.payload).toMatchObject({ ref: 'refs/heads/main', head: head.data.sha });
    const [onPull, onIssue] = data.filter(({ type }: Loose) => type === 'IssueCommentEvent');
    expect(onIssue.payload).toEqual({
      action: 'created',
      issue: { number: made.issue, title: 'It broke', url: `${api}/issues/${made.issue}` },
      comment: { id: made.comment, body: 'Look', url: `${api}/issues/comments/${made.comment}` },
    });
    expect(onPull.payload.issue.pull_request.url).toBe(`${api}/pulls/${made.pull}`);
    expect(data.at(-1)).toMatchObject({
      id: expect.stringMatching(/^\d+$/),
      type: 'IssuesEvent',
      actor: { login: 'bob', display_login: 'bob' },
      repo: { name: 'acme~platform/web', url: api },
      payload: { action: 'opened', issue: { number: made.issue } },
    });
    expect(one('IssuesEvent', 'closed').actor.login).toBe('forgeway-bot');
    const second = await gitlab.ask(`GET ${REPO}/events`, { per_page: 2, page: 2 });
    expect([second.data, second.pages?.next]).toEqual([data.slice(2, 4), true]);
  });

  it('leave out what GitHub has no event for, and tell the rest of what GitLab notes', async () => {
    const { state } = gitlab.fake;
    const last = state.events.at(-1);
    if (last === undefined) throw new Error('Nothing was done.');
    const add = (shown: object) => state.events.push({ ...last, id: 900 + state.events.length, shown: { ...shown } });
    const before = state.events.length;
    const note = { id: 71, type: 'DiffNote', body: 'Why?', noteable_type: 'MergeRequest', noteable_iid: made.pull };
    add({ action_name: 'opened', target_type: 'Milestone', target_iid: 1, target_title: 'Next' });
    add({ action_name: 'joined', target_type: null });
    add({ action_name: 'created', target_type: 'Project' });
    add({ action_name: 'updated', target_type: 'WikiPage::Meta', wiki_page: { title: 'Home', slug: 'home' } });
    add({ action_name: 'commented on', target_type: 'DiffNote', target_title: 'Merge topic', note });
    add({ action_name: 'commented on', target_type: 'Note', note: { ...note, type: null, noteable_type: 'Commit' } });
    add({ action_name: 'commented on', target_type: 'Note', note: { ...note, noteable_type: 'Snippet' } });
    add({ action_name: 'deleted', push_data: { action: 'removed', ref_type: 'tag', ref: 'v1' } });
    const { data } = await gitlab.ask(`GET ${REPO}/events`, { per_page: 8 });
    expect(types(data)).toEqual([
      'DeleteEvent',
      'CommitCommentEvent',
      'PullRequestReviewCommentEvent',
      'GollumEvent',
      'CreateEvent',
      'MemberEvent',
    ]);
    expect(data[2].payload.comment).toEqual({ id: 71, body: 'Why?', url: `${api}/pulls/comments/71` });
    expect(data[1].payload.comment.url).toBe(`${api}/comments/71`);
    state.events.splice(before);
  });

  it('are put together for an organization, and are those of a person', async () => {
    const all = (await gitlab.ask(`GET ${REPO}/events`)).data;
    expect((await gitlab.ask('GET /orgs/{org}/events', { org: 'acme' })).data).toEqual(all);
    const paged = await gitlab.ask('GET /orgs/{org}/events', { org: 'acme', per_page: 1, page: 2 });
    expect([paged.data, paged.pages?.next]).toEqual([[all[1]], true]);
    const own = (await gitlab.ask('GET /users/{username}/events', { username: 'bob' })).data;
    expect(own).toEqual(all.filter((one: Loose) => one.actor.login === 'bob'));
    expect(own.length).toBeGreaterThan(2);
  });

  it('tell the token’s account of its projects, and others of whom they follow', async () => {
    const received = 'GET /users/{username}/received_events';
    const all = (await gitlab.ask(`GET ${REPO}/events`)).data;
    expect((await gitlab.ask(received, { username: 'forgeway-bot' })).data).toEqual(all);
    expect((await gitlab.ask(received, { username: 'carol' })).data).toEqual([]);
    gitlab.fake.state.follows.push({ userId: gitlab.people.carol.id, ofId: gitlab.people.bob.id });
    const told = (await gitlab.ask(received, { username: 'carol' })).data;
    expect(told).toEqual(all.filter((one: Loose) => one.actor.login === 'bob'));
  });

  it('are not there for what is not there', async () => {
    for (const route of ['GET /users/{username}/events', 'GET /users/{username}/received_events'])
      expect((await gitlab.ask(route, { username: 'nobody' })).status).toBe(404);
    expect((await gitlab.ask('GET /orgs/{org}/events', { org: 'nobodys' })).status).toBe(404);
    expect((await gitlab.ask(`GET ${REPO}/events`, { repo: 'gone' })).status).toBe(404);
    gitlab.expectEveryRow({ feeds });
  });

  it('tell the token’s account what waits for it, and whether it watches', async () => {
    const { state } = gitlab.fake;
    const { bot, alice } = gitlab.people;
    const todo = { userId: bot.id, authorId: alice.id, projectId: gitlab.web.id, body: 'Look' };
    const at = (day: number) => `2026-01-0${day}T00:00:00.000Z`;
    const issue = { type: 'Issue' as const, iid: made.issue % 1_000_000_000 };
    const pull = { type: 'MergeRequest' as const, iid: made.pull };
    state.todos.push(
      { ...todo, id: 1, action: 'mentioned', ...issue, state: 'pending', at: at(1) },
      { ...todo, id: 2, action: 'review_requested', ...pull, state: 'done', at: at(2) },
      { ...todo, id: 3, action: 'assigned', ...issue, state: 'pending', at: at(3), userId: alice.id },
    );
    const list = `GET ${REPO}/notifications`;
    expect((await gitlab.ask(list)).data).toEqual([
      expect.objectContaining({
        id: '1',
        reason: 'mention',
        unread: true,
        updated_at: '2026-01-01T00:00:00Z',
        subject: {
          title: 'It broke',
          type: 'Issue',
          url: `${api}/issues/${made.issue}`,
          latest_comment_url: `${api}/issues/${made.issue}`,
        },
      }),
    ]);
    const all = await gitlab.ask(list, { all: 'true' });
    const told = all.data.map((one: Loose) => [one.id, one.reason, one.unread, one.subject.url]);
    expect(told).toEqual([
      ['2', 'review_requested', false, `${api}/pulls/${made.pull}`],
      ['1', 'mention', true, `${api}/issues/${made.issue}`],
    ]);
    expect((await gitlab.ask(list, { since: at(2) })).data).toEqual([]);
    expect((await gitlab.ask(list, { all: 'true', before: at(2) })).data).toHaveLength(1);

    const subscription = `GET ${REPO}/subscription`;
    const set = (project: number, level: string) => state.notificationLevels.set(`${bot.id}:${project}`, level);
    expect((await gitlab.ask(subscription)).status).toBe(404);
    set(0, 'watch');
    expect((await gitlab.ask(subscription)).data).toMatchObject({
      subscribed: true,
      ignored: false,
      url: `${api}/subscription`,
      repository_url: api,
    });
    const [watchers, watched] = [`GET ${REPO}/subscribers`, 'GET /users/{username}/subscriptions'];
    expect((await gitlab.ask(watchers)).data).toMatchObject([{ login: 'forgeway-bot' }]);
    expect((await gitlab.ask(watched, { username: 'forgeway-bot' })).data).toMatchObject([{ name: 'web' }]);
    // What others watch is told to nobody.
    expect((await gitlab.ask(watched, { username: 'bob' })).data).toEqual([]);
    expect((await gitlab.ask(watched, { username: 'nobody' })).status).toBe(404);
    set(gitlab.web.id, 'participating');
    expect((await gitlab.ask(watchers)).data).toEqual([]);
    expect((await gitlab.ask(watched, { username: 'forgeway-bot' })).data).toEqual([]);
    set(gitlab.web.id, 'disabled');
    expect((await gitlab.ask(subscription)).data).toMatchObject({ subscribed: false, ignored: true });
    const { 'GET /users/{username}/subscriptions': _ofPeople, ...ofProjects } = watching;
    await gitlab.expectMissing(ofProjects, {});
    gitlab.expectEveryRow({ watching });
  });
});

describe('webhooks on GitLab', () => {
  let gitlab: GitLabRig;
  const arrived: string[] = [];
  beforeAll(async () => {
    gitlab = await startGitLab({
      fetch: async (url) => {
        arrived.push(String(url));
        return new Response(null, { status: String(url).endsWith('/broken') ? 500 : 200 });
      },
    });
    gitlab.fake.state.groups.find(({ fullPath }) => fullPath === 'acme')?.members.set(gitlab.people.bot.id, 50);
  });
  afterAll(() => gitlab.close());
  const hook = (url: string) => ({
    id: 5000 + gitlab.web.hooks.length,
    url,
    token: 'never shown',
    signingToken: null,
    events: { note_events: true, wiki_page_events: true, feature_flag_events: true },
    branchFilter: '',
    branchFilterStrategy: 'wildcard',
    createdAt: '2026-01-01T00:00:00.000Z',
    recentFailures: 0,
    disabledUntil: null,
    log: [],
  });
  const add = (url: string) => {
    const made = hook(url);
    gitlab.web.hooks.push(made);
    return made.id;
  };

  it('are shown without anything that is secret', async () => {
    const hook_id = add('https://bot:hunter22@hooks.test/in?key=hunter22');
    const listed = await gitlab.ask(`GET ${HOOKS}`);
    const got = await gitlab.ask(`GET ${HOOKS}/{hook_id}`, { hook_id });
    expect(listed.data).toEqual([got.data]);
    expect(JSON.stringify(listed.data)).not.toMatch(/hunter22|never shown/);
    expect(got.data).toMatchObject({
      type: 'Repository',
      id: hook_id,
      active: true,
      events: ['commit_comment', 'gollum', 'issue_comment', 'pull_request_review_comment', 'push'],
      config: { content_type: 'json', insecure_ssl: '0', secret: '********' },
      deliveries_url: `${api}/hooks/${hook_id}/deliveries`,
    });
    gitlab.fake.state.groups.find(({ fullPath }) => fullPath === 'acme')?.hooks.push(hook('https://hooks.test/all'));
    const [ofOrganization] = (await gitlab.ask('GET /orgs/{org}/hooks', { org: 'acme' })).data;
    expect(ofOrganization).toMatchObject({ type: 'Organization', config: { url: 'https://hooks.test/all' } });
    const at = { org: 'acme', hook_id: ofOrganization.id };
    expect((await gitlab.ask('GET /orgs/{org}/hooks/{hook_id}', at)).data).toEqual(ofOrganization);
    expect((await gitlab.ask('GET /orgs/{org}/hooks/{hook_id}/deliveries', at)).data).toEqual([]);
    for (const below of ['', '/deliveries'])
      expect((await gitlab.ask(`GET /orgs/{org}/hooks/{hook_id}${below}`, { ...at, hook_id: 4711 })).status).toBe(404);
    expect((await gitlab.as('bob').request(`GET ${HOOKS}`, { owner: 'acme~platform', repo: 'web' })).status).toBe(403);
  });

  it('are tried, what they were sent is listed, and Forgeway’s own is left alone', async () => {
    const pings = `POST ${HOOKS}/{hook_id}/pings`;
    const [other, broken] = [add('https://hooks.test/other'), add('https://hooks.test/broken')];
    const own = add('https://forgeway.test/api/webhooks/gitlab/7');
    expect((await gitlab.ask(pings, { hook_id: other })).status).toBe(204);
    expect((await gitlab.ask(pings, { hook_id: broken })).status).toBe(422);
    const refused = await gitlab.ask(pings, { hook_id: own });
    expect([refused.status, refused.data.message]).toEqual([422, expect.stringContaining('Forgeway itself')]);
    expect(arrived).toEqual(['https://hooks.test/other', 'https://hooks.test/broken']);

    const list = `GET ${HOOKS}/{hook_id}/deliveries`;
    const { data } = await gitlab.ask(list, { hook_id: other });
    expect(data).toMatchObject([{ event: 'push', status: 'OK', status_code: 200, redelivery: false }]);
    expect(data[0].guid).toMatch(/^[0-9a-f-]{36}$/);
    expect(Object.keys(data[0])).not.toContain('request');
    expect((await gitlab.ask(list, { hook_id: broken })).data).toMatchObject([{ status_code: 500 }]);
    expect(gitlab.rig.calls.at(-1)?.query).toEqual({ page: '1', per_page: '20' });
    gitlab.fake.state.version = '17.2.0';
    const old = await gitlab.ask(list, { hook_id: other });
    expect([old.status, old.data.message]).toEqual([501, expect.stringContaining('17.3')]);
    gitlab.fake.state.version = '18.6.0-ee';
    for (const route of [pings, list, `GET ${HOOKS}/{hook_id}`])
      expect((await gitlab.ask(route, { hook_id: 4711 })).status).toBe(404);
    expect((await gitlab.ask('GET /orgs/{org}/hooks', { org: 'nobodys' })).status).toBe(404);
    expect((await gitlab.ask(`GET ${HOOKS}`, { repo: 'gone' })).status).toBe(404);
    gitlab.expectEveryRow({ webhooks });
  });
});

describe('on GitLab', () => {
  let gitlab: GitLabRig;
  let sha: string;
  beforeAll(async () => {
    gitlab = await startGitLab();
    sha = await gitlab.fake.push(gitlab.web, gitlab.people.bob, {
      branch: 'main',
      message: 'Mend',
      files: [{ path: 'a.txt', content: 'a\n' }],
    });
  });
  afterAll(() => gitlab.close());

  it('what pipelines left is listed, and their logs are packed', async () => {
    const { fake, web, people } = gitlab;
    const jobs = [
      { name: 'build', status: 'success' },
      { name: 'test/../unit', status: 'failed' },
    ];
    const pipeline = fake.addPipeline(web, { sha, ref: 'main', by: people.bob, jobs });
    const [build, unit] = pipeline.jobs;
    if (build === undefined || unit === undefined) throw new Error('It has no jobs.');
    const old = '2020-01-01T00:00:00.000Z';
    Object.assign(build, { trace: 'built\n', artifacts: { filename: 'artifacts.zip', size: 7, expireAt: old } });
    Object.assign(unit, { trace: 'no\n', artifacts: { filename: 'artifacts.zip', size: 9, expireAt: null } });
    const run = { run_id: pipeline.id };
    const listed = await gitlab.ask(`GET ${RUN}/artifacts`, run);
    expect(listed.data).toMatchObject({
      total_count: 2,
      artifacts: [
        { id: build.id, name: 'build', size_in_bytes: 7, expired: true, expires_at: '2020-01-01T00:00:00Z' },
        { id: unit.id, expired: false, expires_at: null, workflow_run: { id: pipeline.id, head_sha: sha } },
      ],
    });
    expect((await gitlab.ask(`GET ${RUN}/artifacts`, { ...run, name: 'build' })).data.total_count).toBe(1);
    const [left, zip] = [
      `GET ${REPO}/actions/artifacts/{artifact_id}`,
      `GET ${REPO}/actions/artifacts/{artifact_id}/{archive_format}`,
    ];
    expect((await gitlab.ask(left, { artifact_id: unit.id })).data).toEqual(listed.data.artifacts[1]);
    const ofUnit = { artifact_id: unit.id, archive_format: 'zip' };
    expect(String((await gitlab.ask(zip, ofUnit)).data)).toBe('packed test/../unit');
    expect((await gitlab.ask(zip, { ...ofUnit, archive_format: 'tar' })).status).toBe(404);
    expect((await gitlab.ask(zip, { ...ofUnit, artifact_id: build.id })).status).toBe(410);
    expect((await gitlab.ask(left, { artifact_id: 4711 })).status).toBe(404);
    const packed = await gitlab.ask(`GET ${RUN}/logs`, run);
    expect(packed.headers['content-type']).toBe('application/zip');
    const files = unzipSync(packed.data as unknown as Uint8Array);
    // A name leads nowhere else.
    expect(Object.entries(files).map(([name, bytes]) => [name, strFromU8(bytes)])).toEqual([
      ['1_build.txt', 'built\n'],
      ['2_test..unit.txt', 'no\n'],
    ]);
    const one = `GET ${REPO}/actions/workflows/{workflow_id}`;
    const shown = (await gitlab.ask(`GET ${RUN}`, run)).data;
    const workflow_id = shown.workflow_url.split('/').at(-1);
    const { data } = await gitlab.ask(one, { workflow_id });
    expect(data).toMatchObject({
      id: shown.workflow_id,
      path: '.gitlab-ci.yml',
      name: 'GitLab CI/CD',
      state: 'active',
    });
    expect((await gitlab.ask(one, { workflow_id: '.gitlab-ci.yml' })).data).toEqual(data);
    const all = `GET ${REPO}/actions/workflows`;
    expect((await gitlab.ask(all)).data).toEqual({ total_count: 1, workflows: [data] });
    const begin = `POST ${REPO}/actions/workflows/{workflow_id}/dispatches`;
    const wish = { workflow_id, ref: 'main', inputs: { LEVEL: 3 } };
    // A project without its file has nothing to begin.
    expect((await gitlab.ask(begin, wish)).status).toBe(422);
    await fake.push(web, people.bob, {
      branch: 'ci',
      from: 'main',
      message: 'CI',
      files: [{ path: '.gitlab-ci.yml', content: 'test:\n  script: [ls]\n' }],
    });
    expect((await gitlab.ask(begin, { ...wish, ref: 'nowhere' })).status).toBe(422);
    expect((await gitlab.ask(begin, { ...wish, inputs: { 'a-b': 1 } })).status).toBe(422);
    expect((await gitlab.ask(begin, { ...wish, ref: 'refs/heads/ci' })).status).toBe(204);
    const { data: runs } = await gitlab.ask(`GET ${REPO}/actions/runs`);
    expect(runs.workflow_runs[0]).toMatchObject({ event: 'workflow_dispatch', head_branch: 'ci' });
    for (const [route, more] of [
      [all, { repo: 'gone' }],
      [begin, { workflow_id: 'other.yml', ref: 'main' }],
      [one, { workflow_id: 'other.yml' }],
      [`GET ${RUN}/artifacts`, { run_id: 4711 }],
      [`GET ${RUN}/logs`, { run_id: 4711 }],
    ] as const)
      expect((await gitlab.ask(route, more)).status).toBe(404);
    gitlab.expectEveryRow({ runDetails });
  });

  it('contributors are counted by address, and whose one is a commit of it says', async () => {
    const list = `GET ${REPO}/contributors`;
    const whose = async (more: object = {}) =>
      (await gitlab.ask(list, more)).data.map((one: Loose) => [one.login ?? one.email, one.contributions]);
    const first = (await whose()).filter(([login]: [string]) => login !== 'bob');
    expect(await whose()).toContainEqual(['bob', 1]);
    // Bob's commits stay where they are when he has another address.
    gitlab.people.bob.email = 'moved@example.com';
    const { data: head } = await gitlab.ask(`GET ${REPO}/commits/{ref}`, { ref: 'main' });
    const { email } = head.commit.author;
    await gitlab.rig.records.delete('commit_person', email);
    expect(await whose()).toEqual(first);
    expect(await whose({ anon: '1' })).toContainEqual([email, 1]);
    expect((await gitlab.ask(`GET ${REPO}/contributors`, { repo: 'gone' })).status).toBe(404);
    gitlab.expectEveryRow({ contributors });
  });

  it('groups and snippets of people are told where everybody may see them', async () => {
    const { state } = gitlab.fake;
    const orgs = 'GET /users/{username}/orgs';
    expect((await gitlab.ask(orgs, { username: 'bob' })).data).toMatchObject([
      { login: 'acme~platform~reviewers', url: 'https://gitlab.test/api/v3/orgs/acme~platform~reviewers' },
    ]);
    const gists = 'GET /users/{username}/gists';
    const snippet = { userId: gitlab.people.bob.id, fileName: 'a.sh', at: '2026-01-01T00:00:00.000Z' };
    state.snippets.push(
      ...Array.from({ length: 101 }, (_, at) => ({
        ...snippet,
        id: 1 + at,
        title: `No ${at}`,
        visibility: 'public' as const,
      })),
      { ...snippet, id: 500, title: 'Mine', visibility: 'private' },
    );
    const last = await gitlab.ask(gists, { username: 'bob', per_page: 100, page: 2 });
    expect([last.data, last.pages]).toMatchObject([
      [{ id: '101', public: true, files: { 'a.sh': { filename: 'a.sh' } }, owner: { login: 'bob' } }],
      { next: false, last: 2 },
    ]);
    expect((await gitlab.ask(gists, { username: 'bob', since: '2030-01-01T00:00:00Z' })).data).toEqual([]);
    expect((await gitlab.ask(gists, { username: 'alice' })).data).toEqual([]);
    for (const route of [orgs, gists]) expect((await gitlab.ask(route, { username: 'nobody' })).status).toBe(404);
    const one = await gitlab.ask('GET /gists/{gist_id}', { gist_id: last.data[0].id });
    const content = '# No 100\n';
    const file = { ...last.data[0].files['a.sh'], ...{ size: 9, truncated: false, content, encoding: 'utf-8' } };
    expect(one.data).toEqual({
      ...last.data[0],
      files: { 'a.sh': { ...file, raw_url: expect.stringMatching(/\/raw\/main\/a\.sh$/) } },
      forks: [],
      history: [],
    });
    expect((await gitlab.ask('GET /gists/{gist_id}/forks', { gist_id: 101 })).data).toEqual([]);
    for (const route of ['GET /gists/{gist_id}', 'GET /gists/{gist_id}/forks'])
      for (const id of ['500', '900', 'aa5a315d61ae9438b18d'])
        expect((await gitlab.ask(route, { gist_id: id })).status).toBe(404);
    gitlab.expectEveryRow({ ofPeople });
  });

  it('comments on commits are found by commit, by what was told of them, and by their number', async () => {
    const { state } = gitlab.fake;
    const { bob, alice } = gitlab.people;
    const at = '2026-01-01T00:00:00.000Z';
    const note = { type: null, authorId: bob.id, system: false, createdAt: at, updatedAt: at };
    const award = { id: 1, userId: alice.id, createdAt: at };
    const position = {
      base_sha: sha,
      start_sha: sha,
      head_sha: sha,
      position_type: 'text' as const,
      old_path: 'a.txt',
    };
    state.commitNotes.push(
      {
        projectId: gitlab.web.id,
        sha,
        note: {
          ...note,
          id: 81,
          discussionId: 'd1',
          body: 'Why?',
          awards: [
            { ...award, name: 'thumbsup' },
            { ...award, name: '8ball' },
          ],
        },
      },
      {
        projectId: gitlab.web.id,
        sha,
        note: {
          ...note,
          id: 82,
          discussionId: 'd2',
          body: 'Here',
          awards: [],
          position: { ...position, new_path: 'a.txt', old_line: null, new_line: 1 },
        },
      },
    );
    const [list, one] = [`GET ${REPO}/comments`, `GET ${REPO}/comments/{comment_id}`];
    // Nobody has heard of them yet.
    expect((await gitlab.ask(list)).data).toEqual([]);
    expect((await gitlab.ask(one, { comment_id: 81 })).status).toBe(404);
    const { data } = await gitlab.ask(`GET ${REPO}/commits/{commit_sha}/comments`, { commit_sha: 'main' });
    expect(data).toMatchObject([
      { id: 81, body: 'Why?', user: { login: 'bob' }, commit_id: sha, path: null, url: `${api}/comments/81` },
      { id: 82, path: 'a.txt', line: 1 },
    ]);
    expect((await gitlab.ask(list)).data).toEqual(data);
    expect((await gitlab.ask(one, { comment_id: 82 })).data).toEqual(data[1]);
    const reactions = `GET ${REPO}/comments/{comment_id}/reactions`;
    const told = await gitlab.ask(reactions, { comment_id: 81 });
    expect(told.data).toMatchObject([{ content: '+1', user: { login: 'alice' } }]);
    expect((await gitlab.ask(reactions, { comment_id: 81, content: 'heart' })).data).toEqual([]);
    gitlab.fake.api.failNext('GET', /graphql/, {
      json: { errors: [{ message: "Field 'awardEmoji' doesn't exist on type 'Note'" }] },
    });
    expect((await gitlab.ask(reactions, { comment_id: 81 })).status).toBe(501);
    state.commitNotes.shift();
    expect((await gitlab.ask(one, { comment_id: 81 })).status).toBe(404);

    const say = `POST ${REPO}/commits/{commit_sha}/comments`;
    const files = [{ path: 'a.txt', content: 'a\nb\n' }];
    const commit_sha = await gitlab.fake.push(gitlab.web, bob, {
      branch: 'more',
      from: 'main',
      message: 'More',
      files,
    });
    const whole = await gitlab.ask(say, { commit_sha, body: '/close is no command here' });
    expect(whole).toMatchObject({ status: 201, data: { body: '/close is no command here', path: null, line: null } });
    const line = await gitlab.ask(say, { commit_sha, body: 'This one', path: 'a.txt', line: 2 });
    expect(line).toMatchObject({ status: 201, data: { path: 'a.txt', line: 2, commit_id: commit_sha } });
    const below = await gitlab.ask(say, { commit_sha, body: 'And so', path: 'a.txt', position: 2 });
    expect(below.data).toMatchObject({ path: 'a.txt', line: 2 });
    for (const { data: made } of [whole, line, below])
      expect((await gitlab.ask(one, { comment_id: made.id })).data).toEqual(made);
    expect((await gitlab.ask(say, { commit_sha, body: 'Where?', path: 'b.txt', line: 1 })).status).toBe(422);
    expect((await gitlab.ask(say, { commit_sha, body: '' })).status).toBe(422);
    await gitlab.expectMissing(commitComments, { comment_id: 82, commit_sha: 'main', body: 'Why?' });
    gitlab.expectEveryRow({ commitComments });
  });
});
