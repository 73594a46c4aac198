import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type GiteaRig, type Loose, startGitea } from '../../../../test/support/gitea-rig.js';
import { assignees } from './assignees.js';
import { issues } from './issues.js';
import { milestones } from './milestones.js';

const GET = 'GET /repos/{owner}/{repo}/issues/{issue_number}';
const LIST = 'GET /repos/{owner}/{repo}/issues';
const CREATE = 'POST /repos/{owner}/{repo}/issues';
const UPDATE = 'PATCH /repos/{owner}/{repo}/issues/{issue_number}';

describe('issues on Gitea', () => {
  let gitea: GiteaRig;
  beforeAll(async () => {
    gitea = await startGitea();
  });
  afterAll(() => gitea.close());

  const numbers = (data: Loose): number[] => data.map((issue: Loose) => issue.number);

  it('are created with labels that do not exist yet, people and a milestone', async () => {
    const milestone = await gitea.ask('POST /repos/{owner}/{repo}/milestones', {
      title: '1.0',
      due_on: '2026-05-01T00:00:00Z',
    });
    expect([milestone.status, milestone.data.due_on]).toEqual([201, '2026-05-01T00:00:00Z']);
    const made = await gitea.ask(CREATE, {
      title: 'Broken',
      body: 'It is.',
      labels: ['bug'],
      assignees: ['bob'],
      milestone: milestone.data.number,
    });
    expect(made.status).toBe(201);
    const sent = gitea.rig.calls.at(-1);
    expect([sent?.method, sent?.path]).toEqual(['POST', '/repos/acme/web/issues']);
    expect(made.data).toMatchObject({
      number: 1,
      title: 'Broken',
      body: 'It is.',
      state: 'open',
      user: { login: 'forgeway-bot' },
      labels: [{ name: 'bug', color: 'ededed' }],
      assignees: [{ login: 'bob' }],
      milestone: { title: '1.0', open_issues: 1 },
    });
    expect(made.data.url).toBe('https://gitea.test/api/v3/repos/acme/web/issues/1');
    expect((await gitea.ask(GET, { issue_number: 1 })).data).toEqual(made.data);
    expect(gitea.told().at(-1)).toEqual(['issues', 'opened']);
  });

  it('are refused without a title, and for nobody', async () => {
    expect((await gitea.ask(CREATE, { title: ' ' })).status).toBe(422);
    expect((await gitea.ask(CREATE, { title: 'x', assignees: ['nobody'] })).status).toBe(422);
    expect((await gitea.ask(CREATE, { title: 'x', labels: [7] })).status).toBe(422);
  });

  it('are refused with a milestone that is not there', async () => {
    for (const ask of [
      () => gitea.ask(CREATE, { title: 'x', milestone: 4711 }),
      () => gitea.ask(UPDATE, { issue_number: 1, milestone: 4711 }),
    ]) {
      const { status, data } = await ask();
      expect([status, data.errors]).toEqual([422, [expect.objectContaining({ field: 'milestone' })]]);
    }
    expect((await gitea.ask(UPDATE, { issue_number: 4711, milestone: 4711 })).status).toBe(404);
  });

  it('change in every field, and lose a milestone by null', async () => {
    const changed = await gitea.ask(UPDATE, {
      issue_number: 1,
      title: 'Still broken',
      body: null,
      labels: ['bug', 'later'],
      assignees: [],
      milestone: null,
      state: 'closed',
      state_reason: 'not_planned',
    });
    expect(changed.data).toMatchObject({
      title: 'Still broken',
      body: null,
      assignees: [],
      milestone: null,
      state: 'closed',
    });
    expect(changed.data.labels.map((label: Loose) => label.name)).toEqual(['bug', 'later']);
    const read = await gitea.ask(GET, { issue_number: 1 });
    expect([read.data.state, read.data.closed_at === null]).toEqual(['closed', false]);
    expect((await gitea.ask(UPDATE, { issue_number: 1, state: 'open' })).data.state).toBe('open');
    expect((await gitea.ask(UPDATE, { issue_number: 1, state: 'half' })).status).toBe(422);
    expect((await gitea.ask(UPDATE, { issue_number: 1, assignees: ['carol'] })).data.errors[0].field).toBe('assignees');
  });

  it('are listed together with pull requests, filtered and ordered', async () => {
    await gitea.fake.push('acme', 'web', { branch: 'topic', by: 'bob', files: { 'a.txt': 'a\n' } });
    await gitea.ask('POST /repos/{owner}/{repo}/pulls', { title: 'A topic', head: 'topic', base: 'main' });
    await gitea.ask(CREATE, { title: 'Third', assignees: ['alice'] });
    const all = await gitea.ask(LIST);
    expect(numbers(all.data)).toEqual([3, 2, 1]);
    expect(all.data[1].pull_request.url).toBe('https://gitea.test/api/v3/repos/acme/web/pulls/2');
    expect(all.data[0].pull_request).toBeUndefined();
    expect(numbers((await gitea.ask(LIST, { sort: 'created', direction: 'asc' })).data)).toEqual([1, 2, 3]);
    expect(numbers((await gitea.ask(LIST, { labels: 'bug' })).data)).toEqual([1]);
    expect(numbers((await gitea.ask(LIST, { assignee: 'none' })).data)).toEqual([2, 1]);
    expect(numbers((await gitea.ask(LIST, { assignee: '*' })).data)).toEqual([3]);
    expect(numbers((await gitea.ask(LIST, { assignee: 'alice' })).data)).toEqual([3]);
    expect(numbers((await gitea.ask(LIST, { creator: 'alice' })).data)).toEqual([]);
    expect(numbers((await gitea.ask(LIST, { since: '2030-01-01T00:00:00Z' })).data)).toEqual([]);
    expect(numbers((await gitea.ask(LIST, { state: 'closed' })).data)).toEqual([]);
  });

  it('come in pages of up to a hundred, of which the server has two', async () => {
    for (let at = 0; at < 118; at += 1) await gitea.fake.api.handle(issueRequest(gitea, `Number ${at}`));
    gitea.rig.forget();
    const first = await gitea.ask(LIST, { per_page: 100 });
    expect([first.data.length, first.pages]).toEqual([100, { next: true, last: 2 }]);
    expect(gitea.rig.calls.map(({ query }) => [query.page, query.limit])).toEqual([
      ['1', '50'],
      ['2', '50'],
    ]);
    const second = await gitea.ask(LIST, { per_page: 100, page: 2 });
    expect([numbers(second.data).at(-1), second.data.length, second.pages]).toEqual([1, 21, { next: false, last: 2 }]);
    const odd = await gitea.ask(LIST, { per_page: 70, page: 2 });
    expect([numbers(odd.data)[0], odd.data.length]).toEqual([51, 51]);
    expect((await gitea.ask(LIST, { per_page: 30, page: 9 })).data).toEqual([]);
  });

  it('have the people who may be assigned, and no others', async () => {
    const able = await gitea.ask('GET /repos/{owner}/{repo}/assignees');
    expect(able.data.map((user: Loose) => user.login).sort()).toEqual(['alice', 'bob', 'forgeway-bot']);
    const check = (assignee: string) => gitea.ask('GET /repos/{owner}/{repo}/assignees/{assignee}', { assignee });
    expect([(await check('bob')).status, (await check('carol')).status]).toEqual([204, 404]);
    const on = 'GET /repos/{owner}/{repo}/issues/{issue_number}/assignees/{assignee}';
    expect((await gitea.ask(on, { issue_number: 1, assignee: 'Alice' })).status).toBe(204);
    expect((await gitea.ask(on, { issue_number: 1, assignee: 'carol' })).status).toBe(404);
  });

  it('get and lose people; whoever cannot be assigned is left out', async () => {
    const route = '/repos/{owner}/{repo}/issues/{issue_number}/assignees';
    const added = await gitea.ask(`POST ${route}`, { issue_number: 1, assignees: ['bob', 'carol'] });
    expect([added.status, added.data.assignees.map((user: Loose) => user.login)]).toEqual([201, ['bob']]);
    const removed = await gitea.ask(`DELETE ${route}`, { issue_number: 1, assignees: ['bob', 'alice'] });
    expect([removed.status, removed.data.assignees]).toEqual([200, []]);
    expect((await gitea.ask(`POST ${route}`, { issue_number: 999, assignees: ['bob'] })).status).toBe(404);
    expect(gitea.told().slice(-2)).toEqual([
      ['issue_assign', 'assigned'],
      ['issue_assign', 'unassigned'],
    ]);
  });

  it('have milestones that are listed by date, changed and deleted', async () => {
    const base = '/repos/{owner}/{repo}/milestones';
    const late = await gitea.ask(`POST ${base}`, { title: '2.0' });
    expect((await gitea.ask(`POST ${base}`, { title: '2.0' })).data.errors[0].code).toBe('already_exists');
    const listed = await gitea.ask(`GET ${base}`);
    expect(listed.data.map((one: Loose) => one.title)).toEqual(['1.0', '2.0']);
    const path = `${base}/{milestone_number}`;
    const number = late.data.number;
    const changed = await gitea.ask(`PATCH ${path}`, {
      milestone_number: number,
      state: 'closed',
      description: 'done',
    });
    expect(changed.data).toMatchObject({ state: 'closed', description: 'done', due_on: null });
    expect((await gitea.ask(`GET ${path}`, { milestone_number: number })).data).toEqual(changed.data);
    expect((await gitea.ask(`GET ${base}`, { state: 'closed' })).data.length).toBe(1);
    const labels = ['bug', 'good first issue'];
    await gitea.ask('POST /repos/{owner}/{repo}/issues', { title: 'a', milestone: number, labels });
    await gitea.ask('POST /repos/{owner}/{repo}/issues', { title: 'b', milestone: number, labels: ['bug'] });
    const worn = (await gitea.ask(`GET ${path}/labels`, { milestone_number: number })).data;
    expect(worn.map((one: Loose) => one.name).sort()).toEqual(labels);
    expect((await gitea.ask(`DELETE ${path}`, { milestone_number: number })).status).toBe(204);
    expect((await gitea.ask(`GET ${path}`, { milestone_number: number })).status).toBe(404);
  });

  it('cannot be locked on a server that has no such call', async () => {
    const route = '/repos/{owner}/{repo}/issues/{issue_number}/lock';
    expect((await gitea.ask(`PUT ${route}`, { issue_number: 999 })).status).toBe(404);
  });

  it('are not there in a repository that is not there', async () => {
    const more = {
      issue_number: 1,
      milestone_number: 1,
      title: 'x',
      assignee: 'bob',
      assignees: ['bob'],
      state: 'open',
    };
    for (const table of [issues, assignees, milestones]) await gitea.expectMissing(table, more);
  });

  it('are all proven but for locking', () => {
    const {
      'PUT /repos/{owner}/{repo}/issues/{issue_number}/lock': _lock,
      'DELETE /repos/{owner}/{repo}/issues/{issue_number}/lock': _unlock,
      ...rest
    } = issues;
    gitea.expectEveryRow({ issues: rest, assignees, milestones });
  });
});

const issueRequest = ({ fake }: GiteaRig, title: string): Request =>
  new Request(`${fake.apiUrl}/repos/acme/web/issues`, {
    method: 'POST',
    headers: { authorization: 'token token-of-forgeway-bot', 'content-type': 'application/json' },
    body: JSON.stringify({ title }),
  });

it('issues of one second are told in the order of their numbers', async () => {
  const gitea = await startGitea({ clock: () => new Date('2026-03-02T10:00:00Z') });
  for (const title of ['One', 'Two', 'Three']) await gitea.ask(CREATE, { title });
  const numbers = async (query: object) => (await gitea.ask(LIST, query)).data.map((issue: Loose) => issue.number);
  expect(await numbers({ sort: 'created', direction: 'asc' })).toEqual([1, 2, 3]);
  expect(await numbers({ sort: 'updated', direction: 'desc' })).toEqual([3, 2, 1]);
  const found = await gitea.ask('GET /search/issues', { q: 'repo:acme/web', sort: 'created', order: 'asc' });
  expect(found.data.items.map((issue: Loose) => issue.number)).toEqual([1, 2, 3]);
  await gitea.close();
});

describe('locking', () => {
  const LOCK = '/repos/{owner}/{repo}/issues/{issue_number}/lock';

  it('works on newer servers', async () => {
    const gitea = await startGitea({ version: '1.24.0' });
    await gitea.ask(CREATE, { title: 'Heated' });
    expect((await gitea.ask(`PUT ${LOCK}`, { issue_number: 1, lock_reason: 'too heated' })).status).toBe(204);
    expect((await gitea.ask(GET, { issue_number: 1 })).data.locked).toBe(true);
    expect((await gitea.ask(`DELETE ${LOCK}`, { issue_number: 1 })).status).toBe(204);
    expect((await gitea.ask(GET, { issue_number: 1 })).data.locked).toBe(false);
    for (const method of ['PUT', 'DELETE'])
      expect((await gitea.ask(`${method} ${LOCK}`, { issue_number: 9 })).status).toBe(404);
    const rows = Object.entries(issues).filter(([route]) => route.endsWith('/lock'));
    gitea.expectEveryRow({ issues: Object.fromEntries(rows) });
    await gitea.close();
  });

  it.each([{ version: '1.22.0' }, { version: '1.22.0', flavour: 'forgejo' as const }])(
    'is said to be missing on %o',
    async (options) => {
      const gitea = await startGitea(options);
      await gitea.ask(CREATE, { title: 'Heated' });
      for (const method of ['PUT', 'DELETE'])
        expect((await gitea.ask(`${method} ${LOCK}`, { issue_number: 1 })).status).toBe(501);
      await gitea.close();
    },
  );
});

describe('a server with a lower cap', () => {
  it.each([7, 30])('of %d items answers the same pages', async (maxItems) => {
    const gitea = await startGitea({ maxItems });
    for (let at = 0; at < 33; at += 1) await gitea.fake.api.handle(issueRequest(gitea, `Number ${at}`));
    const pages = [];
    for (let page = 1; page <= 4; page += 1)
      pages.push((await gitea.ask(LIST, { per_page: 10, page })).data.map((one: Loose) => one.number));
    expect(pages.flat()).toEqual(Array.from({ length: 33 }, (_, at) => 33 - at));
    expect((await gitea.ask(LIST, { per_page: 100 })).data.length).toBe(33);
    expect((await gitea.ask(LIST, { per_page: 20, page: 2 })).data.map((one: Loose) => one.number)).toEqual(
      Array.from({ length: 13 }, (_, at) => 13 - at),
    );
    await gitea.close();
  });
});
