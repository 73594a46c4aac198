/** Issues, comments, labels, milestones, assignees, reactions, timeline and search, each against the fake. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type GitLabRig, type Loose, startGitLab } from '../../../../test/support/gitlab-rig.js';
import type { RouteTable } from '../../kit/route.js';
import { assignees } from './assignees.js';
import { issueComments } from './issue-comments.js';
import { issues } from './issues.js';
import { labels } from './labels.js';
import { milestones } from './milestones.js';
import { reactions } from './reactions.js';
import { search } from './search.js';
import { timeline } from './timeline.js';

const R = '/repos/{owner}/{repo}';
const FIRST_ISSUE = 1_000_000_001;

const at: { gitlab: GitLabRig } = {} as { gitlab: GitLabRig };
const ask: GitLabRig['ask'] = (...given) => at.gitlab.ask(...given);
const lastCall = () => at.gitlab.rig.calls.at(-1);

beforeAll(async () => {
  at.gitlab = await startGitLab();
});
afterAll(() => at.gitlab.close());

describe('issues', () => {
  it('are made with the number that apps see, and their references rewritten', async () => {
    const made = await ask(`POST ${R}/issues`, {
      title: 'First',
      body: 'See #1000000001 and #7',
      labels: ['bug'],
      assignees: ['bob'],
    });
    expect(made.status).toBe(201);
    expect(made.data).toMatchObject({
      number: FIRST_ISSUE,
      title: 'First',
      body: 'See #1000000001 and #7',
      state: 'open',
      user: { login: 'forgeway-bot' },
    });
    expect(at.gitlab.rig.calls.find(({ method }) => method === 'POST')).toMatchObject({
      path: '/projects/acme%2Fplatform%2Fweb/issues',
      json: { title: 'First', description: 'See #1 and !7', labels: 'bug' },
    });
    expect((await ask(`GET ${R}/issues/{issue_number}`, { issue_number: FIRST_ISSUE })).data).toMatchObject({
      labels: [{ name: 'bug', color: '6699cc' }],
      assignees: [{ login: 'bob' }],
    });
  });

  it('say what is wrong with a body in GitHub’s form', async () => {
    const answer = await ask(`POST ${R}/issues`, { body: 'no title' });
    expect(answer.status).toBe(422);
    expect(answer.data).toEqual({
      message: 'Validation Failed',
      errors: [{ resource: 'Issue', field: 'title', code: 'missing_field' }],
    });
  });

  it('are listed with pull requests, newest first, and filtered', async () => {
    const number = await at.gitlab.openMergeRequest('listed');
    const all = await ask(`GET ${R}/issues`, {});
    expect(all.data.map((one: Loose) => [one.number, one.pull_request !== undefined])).toEqual([
      [number, true],
      [FIRST_ISSUE, false],
    ]);
    const page = await ask(`GET ${R}/issues`, { per_page: 1, page: 2 });
    expect([page.data[0].number, page.pages]).toEqual([FIRST_ISSUE, { next: false, last: 2 }]);
    const mine = await ask(`GET ${R}/issues`, {
      labels: 'bug',
      assignee: 'bob',
      creator: 'forgeway-bot',
      since: '2020-01-01T00:00:00Z',
    });
    expect(mine.data.map((one: Loose) => one.number)).toEqual([FIRST_ISSUE]);
    expect((await ask(`GET ${R}/issues`, { sort: 'comments' })).status).toBe(422);
  });

  it('are changed, closed and reopened by either name', async () => {
    const path = `PATCH ${R}/issues/{issue_number}`;
    const closed = await ask(path, { issue_number: FIRST_ISSUE, state: 'closed', title: 'Done' });
    expect(closed.data).toMatchObject({ state: 'closed', title: 'Done', state_reason: 'completed' });
    expect((await ask(`GET ${R}/issues`, { state: 'closed' })).data).toHaveLength(1);
    expect((await ask(path, { issue_number: FIRST_ISSUE, state: 'open' })).data.state).toBe('open');
    expect((await ask(path, { issue_number: 1, title: 'A pull request' })).data).toMatchObject({
      number: 1,
      title: 'A pull request',
    });
    expect((await ask(path, { issue_number: FIRST_ISSUE + 98, state: 'closed' })).status).toBe(404);
    expect((await ask(path, { issue_number: FIRST_ISSUE })).status).toBe(200);
  });

  it('are locked and unlocked', async () => {
    expect(
      (await ask(`PUT ${R}/issues/{issue_number}/lock`, { issue_number: FIRST_ISSUE, lock_reason: 'spam' })).status,
    ).toBe(204);
    expect((await ask(`GET ${R}/issues/{issue_number}`, { issue_number: FIRST_ISSUE })).data.locked).toBe(true);
    await ask(`DELETE ${R}/issues/{issue_number}/lock`, { issue_number: FIRST_ISSUE });
    expect((await ask(`GET ${R}/issues/{issue_number}`, { issue_number: FIRST_ISSUE })).data.locked).toBe(false);
  });

  it('say who may be assigned', async () => {
    expect((await ask(`GET ${R}/assignees/{assignee}`, { assignee: 'bob' })).status).toBe(204);
    expect((await ask(`GET ${R}/assignees/{assignee}`, { assignee: 'carol' })).status).toBe(404);
    const to = (assignee: string, issue_number: number) =>
      ask(`GET ${R}/issues/{issue_number}/assignees/{assignee}`, { assignee, issue_number });
    const asked = [await to('bob', 1), await to('bob', FIRST_ISSUE), await to('carol', 1), await to('bob', 4711)];
    expect(asked.map(({ status }) => status)).toEqual([204, 204, 404, 404]);
    expect((await ask(`GET ${R}/assignees`)).data.map((one: Loose) => one.login).sort()).toEqual([
      'alice',
      'bob',
      'forgeway-bot',
    ]);
  });

  it('get and lose assignees, and pass over strangers', async () => {
    const path = `${R}/issues/{issue_number}/assignees`;
    const added = await ask(`POST ${path}`, { issue_number: FIRST_ISSUE, assignees: ['alice', 'nobody'] });
    expect([added.status, added.data.assignees.map((one: Loose) => one.login)]).toEqual([201, ['bob', 'alice']]);
    const removed = await ask(`DELETE ${path}`, { issue_number: FIRST_ISSUE, assignees: ['bob', 'alice'] });
    expect(removed.data.assignees).toEqual([]);
    expect((await ask(`POST ${path}`, { issue_number: FIRST_ISSUE + 98, assignees: ['alice'] })).status).toBe(404);
  });
});

describe('comments', () => {
  it('are made, listed without system notes, and found by their id alone', async () => {
    const made = await ask(`POST ${R}/issues/{issue_number}/comments`, { issue_number: FIRST_ISSUE, body: 'Like #1' });
    expect(made.status).toBe(201);
    expect(lastCall()).toMatchObject({
      method: 'POST',
      path: '/projects/acme%2Fplatform%2Fweb/issues/1/notes',
      json: { body: 'Like !1' },
    });
    expect(made.data).toMatchObject({
      body: 'Like #1',
      user: { login: 'forgeway-bot' },
      issue_url: expect.stringContaining(`/issues/${FIRST_ISSUE}`),
    });
    const id = made.data.id;
    expect((await ask(`GET ${R}/issues/{issue_number}/comments`, { issue_number: FIRST_ISSUE })).data).toHaveLength(1);
    expect((await ask(`PATCH ${R}/issues/comments/{comment_id}`, { comment_id: id, body: 'Changed' })).data.body).toBe(
      'Changed',
    );
    expect((await ask(`GET ${R}/issues/comments/{comment_id}`, { comment_id: id })).data.body).toBe('Changed');
    expect((await ask(`DELETE ${R}/issues/comments/{comment_id}`, { comment_id: id })).status).toBe(204);
    expect((await ask(`GET ${R}/issues/{issue_number}/comments`, { issue_number: FIRST_ISSUE })).data).toEqual([]);
    expect((await ask(`GET ${R}/issues/comments/{comment_id}`, { comment_id: 5 })).status).toBe(404);
  });

  it('go to the merge request that the number names', async () => {
    await ask(`POST ${R}/issues/{issue_number}/comments`, { issue_number: 1, body: 'Thanks' });
    expect(lastCall()?.path).toBe('/projects/acme%2Fplatform%2Fweb/merge_requests/1/notes');
    expect(at.gitlab.fake.webhooks.sent.at(-1)).toMatchObject({
      event: 'Note Hook',
      payload: {
        object_kind: 'note',
        object_attributes: { note: 'Thanks', noteable_type: 'MergeRequest', action: 'create' },
        merge_request: { iid: 1 },
      },
    });
    expect((await ask(`POST ${R}/issues/{issue_number}/comments`, { issue_number: 1, body: '' })).status).toBe(422);
  });
});

describe('labels', () => {
  it('of a repository are made, read, changed and deleted', async () => {
    const made = await ask(`POST ${R}/labels`, { name: 'help wanted', color: 'FF0000', description: 'Come' });
    expect([made.status, made.data.color, made.data.description]).toEqual([201, 'ff0000', 'Come']);
    expect(lastCall()?.json).toMatchObject({ color: '#FF0000' });
    const twice = await ask(`POST ${R}/labels`, { name: 'help wanted', color: 'ff0000' });
    expect([twice.status, twice.data.errors]).toEqual([
      422,
      [{ resource: 'Label', field: 'name', code: 'already_exists' }],
    ]);
    expect(
      (await ask(`PATCH ${R}/labels/{name}`, { name: 'help wanted', new_name: 'help', color: '00ff00' })).data,
    ).toMatchObject({ name: 'help', color: '00ff00' });
    expect((await ask(`GET ${R}/labels/{name}`, { name: 'help' })).data.name).toBe('help');
    expect((await ask(`GET ${R}/labels`)).data.map((one: Loose) => one.name)).toEqual(['bug', 'help']);
    expect((await ask(`DELETE ${R}/labels/{name}`, { name: 'help' })).status).toBe(204);
    expect((await ask(`GET ${R}/labels/{name}`, { name: 'help' })).status).toBe(404);
  });

  it('of an issue are added, set, removed, and 404 when they are not there', async () => {
    const path = `${R}/issues/{issue_number}/labels`;
    const names = (answer: { data: Loose }) => answer.data.map((one: Loose) => one.name);
    expect(names(await ask(`POST ${path}`, { issue_number: FIRST_ISSUE, labels: ['new', 'bug'] }))).toEqual([
      'bug',
      'new',
    ]);
    expect(names(await ask(`PUT ${path}`, { issue_number: FIRST_ISSUE, labels: ['only'] }))).toEqual(['only']);
    expect(names(await ask(`DELETE ${path}/{name}`, { issue_number: FIRST_ISSUE, name: 'only' }))).toEqual([]);
    const gone = await ask(`DELETE ${path}/{name}`, { issue_number: FIRST_ISSUE, name: 'only' });
    expect([gone.status, gone.data.message]).toEqual([404, 'Label does not exist']);
    await ask(`POST ${path}`, { issue_number: FIRST_ISSUE, labels: ['again'] });
    expect((await ask(`DELETE ${path}`, { issue_number: FIRST_ISSUE })).status).toBe(204);
    expect(names(await ask(`GET ${path}`, { issue_number: FIRST_ISSUE }))).toEqual([]);
    expect((await ask(`POST ${path}`, { issue_number: FIRST_ISSUE, labels: ['a,b'] })).status).toBe(422);
  });
});

describe('milestones', () => {
  it('have a number of their own, and a due day', async () => {
    const made = await ask(`POST ${R}/milestones`, { title: 'v1', due_on: '2026-03-01T08:00:00Z' });
    expect(made.data).toMatchObject({ number: 1, title: 'v1', state: 'open', due_on: '2026-03-01T00:00:00Z' });
    const wrong = await ask(`POST ${R}/milestones`, { title: 'v2', due_on: 'banana' });
    expect([wrong.status, wrong.data.errors]).toEqual([422, [expect.objectContaining({ field: 'due_on' })]]);
    expect((await ask(`POST ${R}/milestones`, { title: 'v1' })).status).toBe(422);
    await ask(`PATCH ${R}/issues/{issue_number}`, { issue_number: FIRST_ISSUE, milestone: 1 });
    expect((await ask(`GET ${R}/issues`, { milestone: '1' })).data.map((one: Loose) => one.number)).toEqual([
      FIRST_ISSUE,
    ]);
    await ask(`POST ${R}/issues/{issue_number}/labels`, { issue_number: FIRST_ISSUE, labels: ['worn'] });
    const worn = (await ask(`GET ${R}/milestones/{milestone_number}/labels`, { milestone_number: 1 })).data;
    expect(worn.map((one: Loose) => one.name)).toContain('worn');
    expect(
      (await ask(`PATCH ${R}/milestones/{milestone_number}`, { milestone_number: 1, state: 'closed' })).data.state,
    ).toBe('closed');
    expect((await ask(`GET ${R}/milestones`, { state: 'closed' })).data).toHaveLength(1);
    expect(
      (await ask(`GET ${R}/milestones/{milestone_number}`, { milestone_number: 1 })).data.closed_at,
    ).not.toBeNull();
    expect((await ask(`DELETE ${R}/milestones/{milestone_number}`, { milestone_number: 1 })).status).toBe(204);
    expect((await ask(`GET ${R}/milestones/{milestone_number}`, { milestone_number: 1 })).status).toBe(404);
  });
});

describe('reactions', () => {
  it('are GitLab’s emoji by GitHub’s names, once per account', async () => {
    const path = `${R}/issues/{issue_number}/reactions`;
    const made = await ask(`POST ${path}`, { issue_number: FIRST_ISSUE, content: '+1' });
    expect([made.status, made.data.content, lastCall()?.json]).toEqual([201, '+1', { name: 'thumbsup' }]);
    const again = await ask(`POST ${path}`, { issue_number: FIRST_ISSUE, content: '+1' });
    expect([again.status, again.data.id]).toEqual([200, made.data.id]);
    expect((await ask(`POST ${path}`, { issue_number: FIRST_ISSUE, content: 'shrug' })).status).toBe(422);
    expect((await ask(`GET ${path}`, { issue_number: FIRST_ISSUE, content: '+1' })).data).toHaveLength(1);
    expect(
      (await ask(`DELETE ${path}/{reaction_id}`, { issue_number: FIRST_ISSUE, reaction_id: made.data.id })).status,
    ).toBe(204);
    expect(
      (await ask(`DELETE ${path}/{reaction_id}`, { issue_number: FIRST_ISSUE, reaction_id: made.data.id })).status,
    ).toBe(404);
  });

  it('stand on comments of both kinds', async () => {
    const { data: comment } = await ask(`POST ${R}/issues/{issue_number}/comments`, { issue_number: 1, body: 'React' });
    for (const kind of ['issues', 'pulls']) {
      const path = `${R}/${kind}/comments/{comment_id}/reactions`;
      const content = kind === 'issues' ? 'hooray' : 'eyes';
      const made = await ask(`POST ${path}`, { comment_id: comment.id, content });
      expect(made.status).toBe(201);
      expect((await ask(`GET ${path}`, { comment_id: comment.id })).data.map((one: Loose) => one.content)).toContain(
        content,
      );
      const remove = () => ask(`DELETE ${path}/{reaction_id}`, { comment_id: comment.id, reaction_id: made.data.id });
      expect([(await remove()).status, (await remove()).status]).toEqual([204, 404]);
      expect((await ask(`GET ${path}`, { comment_id: comment.id })).data).toEqual([]);
    }
  });
});

describe('comments of a whole repository', () => {
  const all = `GET ${R}/issues/comments`;
  it('are those of both kinds, as they were written', async () => {
    const issue = (await ask(`POST ${R}/issues/{issue_number}/comments`, { issue_number: FIRST_ISSUE, body: 'On one' }))
      .data;
    const pull = (await ask(`POST ${R}/issues/{issue_number}/comments`, { issue_number: 1, body: 'On the other' }))
      .data;
    const told = async (more: object) => (await ask(all, { per_page: 100, ...more })).data.map((one: Loose) => one.id);
    expect((await told({})).slice(-2)).toEqual([issue.id, pull.id]);
    expect((await told({ sort: 'updated', direction: 'desc' })).slice(0, 2)).toEqual([pull.id, issue.id]);
    expect(await told({ since: '2100-01-01T00:00:00Z' })).toEqual([]);
    const [one] = (await ask(all, { direction: 'desc', per_page: 1 })).data;
    expect([one.id, one.issue_url]).toEqual([pull.id, expect.stringMatching(/\/issues\/1$/)]);
    expect((await ask(all, { sort: 'mood' })).status).toBe(422);
  });
});

describe('timeline', () => {
  it('puts events and comments in the order in which they happened', async () => {
    const parameters = { issue_number: FIRST_ISSUE };
    for (const method of ['PUT', 'DELETE', 'PUT', 'DELETE'])
      await ask(`${method} ${R}/issues/{issue_number}/lock`, parameters);
    await ask(`POST ${R}/issues/{issue_number}/comments`, { ...parameters, body: 'Last' });
    const all = await ask(`GET ${R}/issues/{issue_number}/timeline`, { ...parameters, per_page: 100 });
    const names = all.data.map((one: Loose) => one.event);
    expect(names.slice(0, 2)).toEqual(['closed', 'reopened']);
    expect(names.at(-1)).toBe('commented');
    expect(names).toEqual(expect.arrayContaining(['labeled', 'unlabeled', 'milestoned']));
    expect(names.slice(-3, -1)).toEqual(['locked', 'unlocked']);
    const events = await ask(`GET ${R}/issues/{issue_number}/events`, { ...parameters, per_page: 100 });
    expect(events.data.map((one: Loose) => one.event)).not.toContain('commented');
  });
});

describe('search', () => {
  const found = async (q: string, more: object = {}) => (await ask('GET /search/issues', { q, ...more })).data;

  it('answers the qualifiers that GitLab can answer', async () => {
    await ask(`POST ${R}/issues`, { title: 'Old words', labels: ['stale'] });
    const repo = 'repo:acme~platform/web';
    const numbers = async (q: string) => (await found(`${repo} ${q}`)).items.map((one: Loose) => one.number);
    expect(await numbers('is:issue is:open label:stale')).toEqual([FIRST_ISSUE + 1]);
    expect(await numbers('is:issue -label:stale')).toEqual([FIRST_ISSUE]);
    expect(await numbers('is:pr author:alice')).toEqual([1]);
    expect(await numbers('type:issue words in:title')).toEqual([FIRST_ISSUE + 1]);
    // Words in any order, and what stands in quotes as it is.
    expect(await numbers('type:issue words old in:title')).toEqual([FIRST_ISSUE + 1]);
    expect(await numbers('type:issue "old words" in:title')).toEqual([FIRST_ISSUE + 1]);
    expect(await numbers('type:issue "words old" in:title')).toEqual([]);
    expect(await numbers('is:pr head:listed base:main draft:false')).toEqual([1]);
    expect(
      await numbers('no:assignee no:milestone is:issue label:stale created:>2020-01-01 updated:<2030-01-01'),
    ).toEqual([FIRST_ISSUE + 1]);
    expect(await numbers('is:merged')).toEqual([]);
    await ask(`POST ${R}/issues/{issue_number}/comments`, { issue_number: FIRST_ISSUE + 1, body: 'One' });
    expect(await numbers('is:issue comments:1')).toEqual([FIRST_ISSUE + 1]);
    expect(await numbers('is:issue comments:>1')).toEqual([FIRST_ISSUE]);
    expect((await found(`${repo} comments:0..1 is:issue`)).total_count).toBe(1);
    expect(await numbers('assignee:bob')).toEqual([]);
    expect(await numbers('assignee:* is:issue')).toEqual([]);
    expect(await numbers('milestone:* is:issue')).toEqual([]);
    expect(await numbers('is:issue author:@me label:stale')).toEqual([FIRST_ISSUE + 1]);
    expect(await numbers('is:issue author:app/forgeway-bot label:stale')).toEqual([FIRST_ISSUE + 1]);
    expect(await numbers('-is:pr label:stale -is:closed')).toEqual([FIRST_ISSUE + 1]);
    expect(await numbers('-is:issue -is:draft head:listed')).toEqual([1]);
    await ask(`PUT ${R}/issues/{issue_number}/lock`, { issue_number: FIRST_ISSUE + 1 });
    expect(await numbers('is:locked')).toEqual([FIRST_ISSUE + 1]);
    expect(await numbers('is:issue is:unlocked')).toEqual([FIRST_ISSUE]);
    expect(await numbers('is:issue -is:locked')).toEqual([FIRST_ISSUE]);
    await ask(`DELETE ${R}/issues/{issue_number}/lock`, { issue_number: FIRST_ISSUE + 1 });
    expect(await found(`${repo} state:open`, { sort: 'created', order: 'asc', per_page: 1 })).toMatchObject({
      total_count: 3,
      incomplete_results: false,
      items: [{ number: FIRST_ISSUE }],
    });
    expect((await found('org:acme is:issue')).total_count).toBe(2);
  });

  it('finds what ended in a time, and asks for no more than what changed since', async () => {
    const { gitlab } = at;
    const made = (await ask(`POST ${R}/issues`, { title: 'Ended' })).data.number;
    await ask(`PATCH ${R}/issues/{issue_number}`, { issue_number: made, state: 'closed' });
    const [pull] = gitlab.web.mergeRequests;
    if (pull === undefined) throw new Error('There is no merge request.');
    const before = { ...pull };
    Object.assign(pull, {
      state: 'merged',
      mergedAt: '2026-02-01T10:00:00.000Z',
      updatedAt: '2026-02-01T10:00:00.000Z',
    });
    const numbers = async (q: string) =>
      (await found(`repo:acme~platform/web ${q}`)).items.map((one: Loose) => one.number);
    try {
      expect(await numbers('is:pr merged:>=2026-02-01')).toEqual([1]);
      expect(gitlab.rig.calls.at(-1)?.query).toMatchObject({ state: 'merged', updated_after: '2026-02-01T00:00:00Z' });
      expect(await numbers('is:pr is:merged merged:2026-01-01..2026-01-31')).toEqual([]);
      expect(await numbers('is:pr closed:2026-02-01')).toEqual([1]);
      expect(await numbers('is:issue closed:>2020-01-01')).toEqual([made]);
      expect(await numbers('is:issue closed:<2020-01-01')).toEqual([]);
      // As bots for stale issues write it: UTC, without saying so.
      expect(await numbers('is:pr updated:<2026-02-01T10:00:01')).toEqual([1]);
      expect(gitlab.rig.calls.at(-1)?.query).toMatchObject({ updated_before: '2026-02-01T10:00:00.999Z' });
      expect(await numbers('is:pr updated:<2026-02-01T10:00:00')).toEqual([]);
      expect(await numbers('is:open closed:>2020-01-01')).toEqual([]);
    } finally {
      Object.assign(pull, before);
    }
  });

  it('refuses any other by name', async () => {
    for (const [q, name] of [
      ['involves:bob', 'involves'],
      ['is:queued', 'is:queued'],
      ['label:a,b', 'label with a comma'],
      ['updated:yesterday', 'updated:yesterday'],
      ['merged:soon', 'merged:soon'],
      ['-is:queued', '-is:queued'],
    ]) {
      const answer = await ask('GET /search/issues', { q });
      expect([answer.status, answer.data]).toEqual([
        422,
        {
          message: 'Validation Failed',
          errors: [{ resource: 'Search', field: 'q', code: 'invalid', message: `GitLab cannot search by ${name}.` }],
        },
      ]);
    }
  });
});

describe('of many issues', () => {
  it('those of an organization are asked for by what somebody has to do with them', async () => {
    const ISSUES = 'GET /orgs/{org}/issues';
    const made = await ask(`POST ${R}/issues`, { title: 'For the bot', assignees: ['forgeway-bot'], labels: ['mine'] });
    const { number } = made.data;
    const numbers = async (more: object = {}) =>
      (await ask(ISSUES, { org: 'acme~platform', ...more })).data.map((one: Loose) => one.number);
    expect(await numbers()).toEqual([number]);
    expect((await ask(ISSUES, { org: 'acme~platform' })).data[0].repository_url).toMatch(
      /\/repos\/acme~platform\/web$/,
    );
    expect(await numbers({ filter: 'all', state: 'all', labels: 'mine' })).toEqual([number]);
    expect(await numbers({ filter: 'created', labels: 'mine', since: '2040-01-01T00:00:00Z' })).toEqual([]);
    const all = await numbers({ filter: 'repos', state: 'all', sort: 'updated', direction: 'asc', per_page: 100 });
    expect(all.length).toBeGreaterThan(1);
    for (const wrong of [{ filter: 'mentioned' }, { state: 'lost' }, { sort: 'comments' }])
      expect((await ask(ISSUES, { org: 'acme~platform', ...wrong })).status).toBe(422);
    expect((await ask(ISSUES, { org: 'nobodys' })).status).toBe(404);
  });

  it('the events are told together, the newest first', async () => {
    const { data: made } = await ask(`POST ${R}/issues`, { title: 'Closed at once' });
    await ask(`PATCH ${R}/issues/{issue_number}`, { issue_number: made.number, state: 'closed' });
    // The double lives in another year; what changed long ago is not looked at.
    expect((await ask(`GET ${R}/issues/events`)).data).toEqual([]);
    for (const thread of [...at.gitlab.web.issues, ...at.gitlab.web.mergeRequests])
      thread.updatedAt = new Date().toISOString();
    const { data } = await ask(`GET ${R}/issues/events`, { per_page: 100 });
    expect(data[0]).toMatchObject({ event: 'closed', issue: { number: made.number } });
    const times = data.map((one: Loose) => Date.parse(one.created_at));
    expect(times).toEqual(times.toSorted((a: number, b: number) => b - a));
    expect((await ask(`GET ${R}/issues/events`, { per_page: 1, page: 2 })).data).toEqual([data[1]]);
    // GitLab counts labels, states and notes each from 1.
    expect(new Set(data.map((one: Loose) => one.id)).size).toBe(data.length);
    for (const one of data.slice(0, 5)) {
      const found = await ask(`GET ${R}/issues/events/{event_id}`, { event_id: one.id });
      expect(found.data).toMatchObject({
        id: one.id,
        event: one.event,
        url: one.url,
        issue: { number: one.issue.number },
      });
    }
    expect((await ask(`GET ${R}/issues/events/{event_id}`, { event_id: 4_000_000 })).status).toBe(404);
  });
});

it('every row here has an effect and an error case', async () => {
  const tables = { issues, issueComments, labels, assignees, milestones, reactions, timeline };
  const { 'GET /orgs/{org}/issues': _ofOrganization, ...rows } = Object.assign(
    {},
    ...Object.values(tables),
  ) as RouteTable;
  await at.gitlab.expectMissing(rows, {
    issue_number: FIRST_ISSUE,
    event_id: 4,
    comment_id: 4,
    name: 'x',
    milestone_number: 9,
    reaction_id: 3,
    assignee: 'bob',
    title: 'x',
    body: 'x',
    labels: ['x'],
    assignees: ['bob'],
    color: 'ffffff',
    content: 'eyes',
  });
  at.gitlab.expectEveryRow({ ...tables, search });
});
