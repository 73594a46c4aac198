/** Rows that serve addresses which stand in payloads: feeds, notifications, webhooks, what runs left. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { strFromU8, unzipSync } from 'fflate';
import { type GiteaRig, type Loose, startGitea } from '../../../../test/support/gitea-rig.js';
import { feeds } from './feeds.js';
import { notifications } from './notifications.js';
import { runDetails } from './run-details.js';
import { webhooks } from './webhooks.js';

const REPO = '/repos/{owner}/{repo}';
const HOOKS = `${REPO}/hooks`;
const ARTIFACT = `${REPO}/actions/artifacts/{artifact_id}`;
const RUN = `${REPO}/actions/runs/{run_id}`;
const api = 'https://gitea.test/api/v3/repos/acme/web';
const types = (data: Loose): string[] => data.map((one: Loose) => one.type);

describe('feeds on Gitea', () => {
  let gitea: GiteaRig;
  const made: Record<string, number> = {};
  beforeAll(async () => {
    gitea = await startGitea();
    const bob = gitea.as('bob');
    const place = { owner: 'acme', repo: 'web' };
    const issue = (await bob.request(`POST ${REPO}/issues`, { ...place, title: 'It | broke' })).data as Loose;
    const said = await bob.request(`POST ${REPO}/issues/{issue_number}/comments`, {
      ...place,
      issue_number: issue.number,
      body: 'Look',
    });
    await gitea.fake.push('acme', 'web', { branch: 'topic', by: 'bob', files: { 'a.txt': 'a\n' } });
    await gitea.fake.push('acme', 'web', { branch: 'topic', by: 'bob', files: { 'a.txt': 'b\n' } });
    const pull = (await bob.request(`POST ${REPO}/pulls`, { ...place, title: 'Mend', head: 'topic', base: 'main' }))
      .data as Loose;
    const at = { issue_number: issue.number, state: 'closed' };
    await gitea.ask(`PATCH ${REPO}/issues/{issue_number}`, at);
    await gitea.ask(`POST ${REPO}/pulls/{pull_number}/reviews`, { pull_number: pull.number, event: 'APPROVE' });
    await gitea.ask(`PUT ${REPO}/pulls/{pull_number}/merge`, { pull_number: pull.number });
    Object.assign(made, { issue: issue.number, pull: pull.number, comment: (said.data as Loose).id });
  });
  afterAll(() => gitea.close());

  it('tell what was done in a repository, the newest first, in GitHub’s words', async () => {
    const { data, pages } = await gitea.ask(`GET ${REPO}/events`);
    // The merge moved the branch.
    expect(types(data)).toEqual([
      'PullRequestEvent',
      'PushEvent',
      'PullRequestReviewEvent',
      'IssuesEvent',
      'PullRequestEvent',
      'PushEvent',
      'CreateEvent',
      'IssueCommentEvent',
      'IssuesEvent',
    ]);
    expect(pages).toEqual({ next: false, last: 1 });
    const [merged, , review, closed, , push, branch, comment, opened] = data;
    expect(merged.payload).toEqual({
      action: 'closed',
      number: made.pull,
      pull_request: { number: made.pull, title: 'Mend', url: `${api}/pulls/${made.pull}`, merged: true },
    });
    expect(review.payload).toMatchObject({ action: 'created', review: { state: 'approved' } });
    expect([closed.payload.action, closed.actor.login]).toEqual(['closed', 'forgeway-bot']);
    expect(push.payload).toMatchObject({ ref: 'refs/heads/topic', size: 1 });
    const head = await gitea.ask(`GET ${REPO}/commits/{ref}`, { ref: 'topic' });
    expect([push.payload.head, push.payload.before]).toEqual([head.data.sha, head.data.parents[0].sha]);
    expect(branch.payload).toMatchObject({ ref: 'topic', ref_type: 'branch' });
    expect(comment.payload).toEqual({
      action: 'created',
      issue: { number: made.issue, title: '', url: `${api}/issues/${made.issue}` },
      comment: { id: made.comment, body: 'Look', url: `${api}/issues/comments/${made.comment}` },
    });
    // A bar in a title is a bar.
    expect(opened).toMatchObject({
      type: 'IssuesEvent',
      actor: { login: 'bob', display_login: 'bob', url: 'https://gitea.test/api/v3/users/bob' },
      repo: { name: 'acme/web', url: api },
      payload: { action: 'opened', issue: { title: 'It | broke' } },
      public: true,
      created_at: expect.stringMatching(/^2026-/),
    });
  });

  it('are those of an organization, of a person, and of what a person watches', async () => {
    const all = (await gitea.ask(`GET ${REPO}/events`)).data;
    expect((await gitea.ask('GET /orgs/{org}/events', { org: 'acme' })).data).toEqual(all);
    const own = (await gitea.ask('GET /users/{username}/events', { username: 'bob' })).data;
    expect(own).toEqual(all.filter((one: Loose) => one.actor.login === 'bob'));
    expect(own.length).toBeGreaterThan(3);
    const watcher = { username: 'carol' };
    expect((await gitea.ask('GET /users/{username}/received_events', watcher)).data).toEqual([]);
    const web = gitea.fake.state.repositories.find(({ name }) => name === 'web');
    gitea.fake.state.watches.push({ login: 'carol', repository: web?.id ?? 0 });
    expect((await gitea.ask('GET /users/{username}/received_events', watcher)).data).toEqual(all);
    expect((await gitea.ask('GET /users/{username}/events', watcher)).data).toEqual([]);
  });

  it('come in pages, without what GitHub has no event for', async () => {
    const web = gitea.fake.state.repositories.find(({ name }) => name === 'web');
    const last = gitea.fake.state.activities.at(-1);
    if (last === undefined) throw new Error('Nothing was done.');
    gitea.fake.state.activities.push({
      ...last,
      id: 900,
      type: 'rename_repo',
      content: 'old',
      repository: web?.id ?? 0,
    });
    const first = await gitea.ask(`GET ${REPO}/events`, { per_page: 2 });
    expect([types(first.data), first.pages]).toEqual([['PullRequestEvent'], { next: true, last: 5 }]);
    const second = await gitea.ask(`GET ${REPO}/events`, { per_page: 2, page: 2 });
    expect(types(second.data)).toEqual(['PushEvent', 'PullRequestReviewEvent']);
    gitea.fake.state.activities.pop();
  });

  it('know a push whose commits the server cut off', async () => {
    const last = gitea.fake.state.activities.at(-1);
    if (last === undefined) throw new Error('Nothing was done.');
    const ref = 'refs/heads/main';
    gitea.fake.state.activities.push({ ...last, id: 901, type: 'commit_repo', ref, content: '{"Commits":[{"Sha' });
    const [push] = (await gitea.ask(`GET ${REPO}/events`)).data;
    expect(push.payload).toMatchObject({ ref, size: 0, head: '0'.repeat(40), before: '0'.repeat(40) });
    gitea.fake.state.activities.pop();
  });

  it('tell what happened to the issues of a repository', async () => {
    const { data } = await gitea.ask(`GET ${REPO}/issues/events`);
    const told = data.map((one: Loose) => [one.event, one.issue.number]);
    expect(told).toContainEqual(['closed', made.issue]);
    expect(told).toContainEqual(['merged', made.pull]);
    const times = data.map((one: Loose) => Date.parse(one.created_at));
    expect(times).toEqual(times.toSorted((a: number, b: number) => b - a));
    const paged = await gitea.ask(`GET ${REPO}/issues/events`, { per_page: 1 });
    expect([paged.data, paged.pages?.next]).toEqual([[data[0]], data.length > 1]);
    for (const one of data) {
      const found = await gitea.ask(`GET ${REPO}/issues/events/{event_id}`, { event_id: one.id });
      expect(found.data).toEqual({ ...one, issue: { ...found.data.issue, number: one.issue.number } });
    }
  });

  it('are not there for what is not there', async () => {
    for (const route of ['GET /users/{username}/events', 'GET /users/{username}/received_events'])
      expect((await gitea.ask(route, { username: 'nobody' })).status).toBe(404);
    expect((await gitea.ask('GET /orgs/{org}/events', { org: 'nobodys' })).status).toBe(404);
    for (const route of [`GET ${REPO}/events`, `GET ${REPO}/issues/events`])
      expect((await gitea.ask(route, { repo: 'gone' })).status).toBe(404);
    gitea.expectEveryRow({ feeds });
  });

  it('notify the account of the token', async () => {
    const web = gitea.fake.state.repositories.find(({ name }) => name === 'web');
    const at = { repository: web?.id ?? 0, login: 'forgeway-bot' };
    gitea.fake.state.notifications.push(
      { ...at, id: 1, number: made.issue ?? 0, unread: true, updated: '2026-01-02T00:00:00Z' },
      { ...at, id: 2, number: made.pull ?? 0, unread: false, updated: '2026-01-03T00:00:00Z' },
      { ...at, id: 3, number: made.pull ?? 0, unread: true, updated: '2026-01-04T00:00:00Z', login: 'bob' },
    );
    const { data } = await gitea.ask(`GET ${REPO}/notifications`);
    expect(data).toEqual([
      expect.objectContaining({
        id: '1',
        unread: true,
        reason: 'subscribed',
        updated_at: '2026-01-02T00:00:00Z',
        subject: {
          title: 'It | broke',
          type: 'Issue',
          url: `${api}/issues/${made.issue}`,
          latest_comment_url: `${api}/issues/comments/${made.comment}`,
        },
        repository: expect.objectContaining({ full_name: 'acme/web' }),
      }),
    ]);
    const all = await gitea.ask(`GET ${REPO}/notifications`, { all: true, since: '2026-01-02T12:00:00Z' });
    expect(all.data.map((one: Loose) => [one.id, one.subject.type, one.subject.url])).toEqual([
      ['2', 'PullRequest', `${api}/pulls/${made.pull}`],
    ]);
    const THREAD = 'GET /notifications/threads/{thread_id}';
    expect((await gitea.ask(THREAD, { thread_id: 1 })).data).toEqual(data[0]);
    expect((await gitea.ask(THREAD, { thread_id: 2 })).data).toEqual(all.data[0]);
    const followed = await gitea.ask(`${THREAD}/subscription`, { thread_id: 2 });
    expect(followed.data).toEqual({
      subscribed: false,
      ignored: true,
      reason: null,
      created_at: expect.stringMatching(/Z$/),
      url: 'https://gitea.test/api/v3/notifications/threads/2/subscription',
      thread_url: 'https://gitea.test/api/v3/notifications/threads/2',
    });
    expect((await gitea.ask(THREAD, { thread_id: 3 })).status).toBe(403);
    await gitea.expectMissing(notifications, { thread_id: 99 });
    gitea.expectEveryRow({ notifications });
  });
});

describe('webhooks on Gitea', () => {
  let gitea: GiteaRig;
  const arrived: [string, string | null][] = [];
  /** Ids of webhooks that are Forgeway's own. */
  const ours = new Set<string>();
  const delivery = (id: number) => ({
    ...{ id: BigInt(id), key: `guid-${id}`, eventType: 'pull_request_label', action: 'labeled', repositoryId: 7n },
    receivedAt: new Date(Date.UTC(2026, 0, 1, 0, 0, id)),
  });
  beforeAll(async () => {
    gitea = await startGitea({
      inbox: {
        tell: async () => undefined,
        deliveriesOf: async (hookId, { page, perPage }) =>
          ours.has(hookId) && page === 1
            ? { deliveries: [delivery(9), delivery(8)].slice(0, perPage), next: perPage < 2 }
            : undefined,
      },
      fetch: async (url, init) => {
        arrived.push([String(url), new Headers(init?.headers).get('x-gitea-event')]);
        return new Response(null, { status: 204 });
      },
    });
  });
  afterAll(() => gitea.close());
  const hook = (url: string, more: object = {}) => {
    const at = '2026-01-01T00:00:00Z';
    const events = ['push', 'issue_label', 'pull_request_sync', 'pull_request_review_approved', 'wiki'];
    const base = { type: 'gitea', secret: 'never shown', contentType: 'form', events, active: true, branchFilter: '*' };
    return { id: gitea.fake.state.nextId(), url, ...base, created: at, updated: at, ...more };
  };

  it('are shown without anything that is secret', async () => {
    const web = gitea.fake.state.repositories.find(({ name }) => name === 'web');
    const one = hook('https://bot:hunter22@hooks.test/in?key=hunter22&room=4');
    web?.hooks.push(one);
    const listed = await gitea.ask(`GET ${HOOKS}`);
    const got = await gitea.ask(`GET ${HOOKS}/{hook_id}`, { hook_id: one.id });
    expect(listed.data).toEqual([got.data]);
    expect(JSON.stringify(listed.data)).not.toMatch(/hunter22|never shown/);
    expect(got.data).toMatchObject({
      type: 'Repository',
      id: one.id,
      name: 'web',
      active: true,
      events: ['gollum', 'issues', 'pull_request', 'pull_request_review', 'push'],
      config: { content_type: 'form', insecure_ssl: '0', url: expect.stringContaining('hooks.test/in') },
      url: `${api}/hooks/${one.id}`,
      ping_url: `${api}/hooks/${one.id}/pings`,
    });
    const acme = gitea.fake.state.accounts.find(({ login }) => login === 'acme') as Loose;
    acme.hooks.push(hook('https://hooks.test/all'));
    const [ofOrganization] = (await gitea.ask('GET /orgs/{org}/hooks', { org: 'acme' })).data;
    expect(ofOrganization).toMatchObject({ type: 'Organization', config: { url: 'https://hooks.test/all' } });
    const at = { org: 'acme', hook_id: ofOrganization.id };
    expect((await gitea.ask('GET /orgs/{org}/hooks/{hook_id}', at)).data).toEqual(ofOrganization);
    expect((await gitea.ask('GET /orgs/{org}/hooks/{hook_id}', { ...at, hook_id: 4711 })).status).toBe(404);
    expect((await gitea.as('bob').request(`GET ${HOOKS}`, { owner: 'acme', repo: 'web' })).status).toBe(403);
  });

  it('are tried, and Forgeway’s own is not', async () => {
    const web = gitea.fake.state.repositories.find(({ name }) => name === 'web');
    const [other, own] = [hook('https://hooks.test/other'), hook('https://forgeway.test/api/webhooks/gitea/7')];
    web?.hooks.push(other, own);
    const pings = `POST ${HOOKS}/{hook_id}/pings`;
    expect((await gitea.ask(pings, { hook_id: other.id })).status).toBe(204);
    expect(arrived).toEqual([['https://hooks.test/other', 'push']]);
    const refused = await gitea.ask(pings, { hook_id: own.id });
    expect([refused.status, refused.data.message]).toEqual([422, expect.stringContaining('Forgeway itself')]);
    expect(arrived).toHaveLength(1);
    expect((await gitea.ask(pings, { hook_id: 4711 })).status).toBe(404);
    expect((await gitea.ask('GET /orgs/{org}/hooks', { org: 'nobodys' })).status).toBe(404);

    const deliveries = `GET ${HOOKS}/{hook_id}/deliveries`;
    ours.add(String(own.id));
    const told = await gitea.ask(deliveries, { hook_id: own.id, per_page: 1 });
    expect([told.data, told.pages]).toEqual([
      [
        {
          ...{ id: 9, guid: 'guid-9', delivered_at: '2026-01-01T00:00:09.000Z', redelivery: false, duration: 0 },
          ...{ status: 'OK', status_code: 202, event: 'pull_request', action: 'labeled', installation_id: null },
          ...{ repository_id: 7, throttled_at: null },
        },
      ],
      { next: true },
    ]);
    // Of others the server tells nothing.
    expect((await gitea.ask(deliveries, { hook_id: other.id })).data).toEqual([]);
    expect((await gitea.ask(deliveries, { hook_id: 4711 })).status).toBe(404);
    const acme = gitea.fake.state.accounts.find(({ login }) => login === 'acme') as Loose;
    const ofAcme = { org: 'acme', hook_id: acme.hooks[0].id };
    expect((await gitea.ask('GET /orgs/{org}/hooks/{hook_id}/deliveries', ofAcme)).data).toEqual([]);
    expect((await gitea.ask('GET /orgs/{org}/hooks/{hook_id}/deliveries', { org: 'acme', hook_id: 1 })).status).toBe(
      404,
    );
    for (const route of [`GET ${HOOKS}`, `GET ${HOOKS}/{hook_id}`])
      expect((await gitea.ask(route, { repo: 'gone', hook_id: 1 })).status).toBe(404);
    gitea.expectEveryRow({ webhooks });
  });
});

describe('runs of workflows in detail', () => {
  const versions = [
    { version: '1.28.0', flavour: 'gitea' as const, jobs: 1_000_000 },
    { version: '1.22.0', flavour: 'forgejo' as const, jobs: 0 },
  ];

  it.each(versions)('are read and begun again on %o, as far as it can', async ({ version, flavour, jobs }) => {
    const gitea = await startGitea({ version, flavour });
    const workflows = { '.gitea/workflows/build.yml': 'on: push\n', '.gitea/workflows/notes.md': '# no\n' };
    const sha = await gitea.fake.push('acme', 'web', { branch: 'main', by: 'bob', files: workflows });
    const repository = gitea.fake.state.repositories.find((one) => one.name === 'web');
    const run = {
      name: 'Build',
      workflow: 'build.yml',
      branch: 'main',
      sha,
      event: 'push',
      created: '2026-01-01T00:00:00Z',
    };
    const artifacts = [
      { id: 31, name: 'dist', size: 7 },
      { id: 32, name: 'report', size: 9 },
    ];
    const log = 'built\n';
    repository?.runs.push(
      { ...run, id: 1, status: 'completed', conclusion: 'failure', log, artifacts },
      { ...run, id: 2, status: 'in_progress', conclusion: '' },
      { ...run, id: 3, status: 'completed', conclusion: 'failure' },
      { ...run, id: 4, status: 'completed', conclusion: 'failure' },
    );
    const job = await gitea.ask(`GET ${REPO}/actions/jobs/{job_id}`, { job_id: jobs + 1 });
    expect(job.data).toMatchObject({ id: jobs + 1, run_id: 1, conclusion: 'failure', head_sha: sha });

    const { data: shown } = await gitea.ask(`GET ${RUN}`, { run_id: 1 });
    const number = shown.workflow_url.split('/').at(-1);
    const byNumber = await gitea.ask(`GET ${REPO}/actions/workflows/{workflow_id}`, { workflow_id: number });
    expect(byNumber.data).toMatchObject({ name: 'build.yml', path: '.gitea/workflows/build.yml', state: 'active' });
    expect(String(byNumber.data.id)).toBe(number);
    const byFile = await gitea.ask(`GET ${REPO}/actions/workflows/{workflow_id}`, { workflow_id: 'build.yml' });
    expect(byFile.data.path).toBe(byNumber.data.path);
    for (const workflow_id of ['notes.md', '4711'])
      expect((await gitea.ask(`GET ${REPO}/actions/workflows/{workflow_id}`, { workflow_id })).status).toBe(404);

    const all = (await gitea.ask(`GET ${REPO}/actions/workflows`)).data;
    expect(all).toMatchObject({ total_count: 1, workflows: [{ path: '.gitea/workflows/build.yml' }] });
    const begin = `POST ${REPO}/actions/workflows/{workflow_id}/dispatches`;
    const wish = { workflow_id: all.workflows[0].id, ref: 'main', inputs: { level: 3 } };
    expect((await gitea.ask(begin, { ...wish, ref: undefined })).status).toBe(422);
    expect((await gitea.ask(begin, { ...wish, ref: 'nowhere' })).status).toBe(422);
    const begun = await gitea.ask(begin, wish);
    if (flavour === 'gitea') {
      expect(begun.status).toBe(204);
      const { data: runs } = await gitea.ask(`GET ${REPO}/actions/runs`, { event: 'workflow_dispatch' });
      expect(runs).toMatchObject({ total_count: 1, workflow_runs: [{ head_branch: 'main', head_sha: sha }] });
    } else expect([begun.status, begun.data.message]).toEqual([501, expect.stringContaining('Gitea 1.24')]);

    const [text, failed, one] = [
      await gitea.ask(`GET ${REPO}/actions/jobs/{job_id}/logs`, { job_id: jobs + 1 }),
      await gitea.ask(`POST ${RUN}/rerun-failed-jobs`, { run_id: 3 }),
      await gitea.ask(`POST ${REPO}/actions/jobs/{job_id}/rerun`, { job_id: jobs + 4 }),
    ];
    const ends = [text, failed, one].map(({ status }) => status);
    if (flavour === 'gitea') {
      expect([ends, text.data, text.headers['content-type']]).toEqual([
        [200, 201, 201],
        log,
        expect.stringContaining('text/plain'),
      ]);
      for (const run_id of [3, 4]) expect((await gitea.ask(`GET ${RUN}`, { run_id })).data.status).toBe('queued');
    } else {
      expect(ends).toEqual([501, 501, 501]);
      expect([text.data.message, failed.data.message, one.data.message]).toEqual([
        expect.stringContaining('Gitea 1.24'),
        expect.stringContaining('Gitea 1.27'),
        expect.stringContaining('Gitea 1.26'),
      ]);
    }

    const [listed, packed, again, stopped] = [
      await gitea.ask(`GET ${RUN}/artifacts`, { run_id: 1 }),
      await gitea.ask(`GET ${RUN}/logs`, { run_id: 1 }),
      await gitea.ask(`POST ${RUN}/rerun`, { run_id: 1 }),
      await gitea.ask(`POST ${RUN}/cancel`, { run_id: 2 }),
    ];
    const statuses = [listed, packed, again, stopped].map(({ status }) => status);
    if (flavour === 'gitea') {
      expect(statuses).toEqual([200, 200, 201, 202]);
      expect(listed.data).toMatchObject({
        total_count: 2,
        artifacts: [
          { id: 31, name: 'dist', size_in_bytes: 7, expired: false, workflow_run: { id: 1, head_sha: sha } },
          { id: 32 },
        ],
      });
      const named = await gitea.ask(`GET ${RUN}/artifacts`, { run_id: 1, name: 'report' });
      expect(named.data).toMatchObject({ total_count: 1, artifacts: [{ id: 32 }] });
      const ofReport = { artifact_id: 32, archive_format: 'zip' };
      expect((await gitea.ask(`GET ${ARTIFACT}`, ofReport)).data).toEqual(named.data.artifacts[0]);
      expect(String((await gitea.ask(`GET ${ARTIFACT}/{archive_format}`, ofReport)).data)).toBe('packed report');
      expect((await gitea.ask(`GET ${ARTIFACT}/{archive_format}`, { ...ofReport, archive_format: 'tar' })).status).toBe(
        404,
      );
      expect(packed.headers['content-type']).toBe('application/zip');
      const files = unzipSync(packed.data as unknown as Uint8Array);
      expect(Object.entries(files).map(([name, bytes]) => [name, strFromU8(bytes)])).toEqual([['1_Build.txt', log]]);
      const read = async (run_id: number) => (await gitea.ask(`GET ${RUN}`, { run_id })).data;
      expect([(await read(1)).status, (await read(2)).conclusion]).toEqual(['queued', 'cancelled']);
      expect((await gitea.ask(`POST ${RUN}/cancel`, { run_id: 2 })).status).toBe(409);
    } else {
      expect(statuses).toEqual([501, 501, 501, 501]);
      expect(packed.data).toMatchObject({ message: expect.stringContaining('Gitea 1.24') });
    }
    const rows = Object.keys(runDetails);
    for (const route of rows) {
      const gone = await gitea.ask(route, {
        ...{ repo: 'gone', run_id: 99, job_id: 99, workflow_id: 'none.yml', artifact_id: 99, archive_format: 'zip' },
      });
      expect([route, gone.status]).toEqual([route, 404]);
    }
    if (flavour === 'gitea') gitea.expectEveryRow({ runDetails });
    else {
      const known = Object.entries(runDetails).filter(([route]) =>
        /^GET .*(?:jobs\/\{job_id\}$|workflows)/.test(route),
      );
      gitea.expectEveryRow({ 'runDetails.forgejo': Object.fromEntries(known) });
    }
    await gitea.close();
  });
});
