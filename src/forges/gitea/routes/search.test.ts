import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type GiteaRig, type Loose, startGitea } from '../../../../test/support/gitea-rig.js';
import { search } from './search.js';
import { parseSearch, QUALIFIERS, spanIn } from './search-query.js';

const SEARCH = 'GET /search/issues';

describe('search on Gitea', () => {
  let gitea: GiteaRig;
  beforeAll(async () => {
    gitea = await startGitea();
    const { fake } = gitea;
    await fake.push('acme', 'web', { branch: 'topic', by: 'bob', files: { 'a.txt': 'a\n' } });
    await fake.push('acme', 'web', { branch: 'wip', by: 'bob', files: { 'b.txt': 'b\n' } });
    const milestone = await gitea.ask('POST /repos/{owner}/{repo}/milestones', { title: 'Next' });
    await gitea.ask('POST /repos/{owner}/{repo}/issues', {
      title: 'First bug',
      body: 'cc @bob',
      labels: ['bug', 'good first issue'],
      assignees: ['alice'],
    });
    await gitea.ask('POST /repos/{owner}/{repo}/issues', {
      title: 'Second',
      body: 'a crash',
      labels: ['bug'],
      milestone: milestone.data.number,
    });
    await gitea.ask('POST /repos/{owner}/{repo}/pulls', { title: 'Topic', head: 'topic', base: 'main' });
    await gitea.ask('POST /repos/{owner}/{repo}/pulls', { title: 'Half', head: 'wip', base: 'main', draft: true });
    await gitea.ask('POST /repos/{owner}/{repo}/issues', {
      owner: 'alice',
      repo: 'tool',
      title: 'Elsewhere',
      body: '',
    });
    await gitea.ask('POST /repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers', {
      pull_number: 3,
      reviewers: ['bob'],
    });
    await gitea.ask('PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge', { pull_number: 3 });
    await gitea.ask('POST /repos/{owner}/{repo}/issues/{issue_number}/comments', { issue_number: 2, body: 'me too' });
  });
  afterAll(() => gitea.close());

  it('finds what somebody has to do in an organization', async () => {
    const ISSUES = 'GET /orgs/{org}/issues';
    const numbers = async (more: object) =>
      (await gitea.ask(ISSUES, { org: 'acme', ...more })).data.map((one: Loose) => one.number);
    expect(await numbers({})).toEqual([]);
    const alice = await gitea.as('alice').request(ISSUES, { org: 'acme' });
    expect(alice.data).toMatchObject([
      { number: 1, title: 'First bug', repository_url: 'https://gitea.test/api/v3/repos/acme/web' },
    ]);
    expect((await gitea.as('bob').request(ISSUES, { org: 'acme', filter: 'mentioned' })).data).toMatchObject([
      { number: 1 },
    ]);
    expect(await numbers({ filter: 'created' })).toEqual([4, 2, 1]);
    expect(await numbers({ filter: 'all', state: 'all', per_page: 2 })).toEqual([4, 3]);
    expect(await numbers({ filter: 'repos', labels: 'bug', sort: 'comments', direction: 'asc' })).toEqual([1, 2]);
    expect(await numbers({ filter: 'all', since: '2030-01-01T00:00:00Z' })).toEqual([]);
    for (const wrong of [{ filter: 'subscribed' }, { state: 'lost' }, { sort: 'hue' }])
      expect((await gitea.ask(ISSUES, { org: 'acme', ...wrong })).status).toBe(422);
    expect((await gitea.ask(ISSUES, { org: 'nobodys' })).status).toBe(404);
  });

  const find = async (q: string, more: object = {}): Promise<number[]> => {
    const answer = await gitea.ask(SEARCH, { q, ...more });
    if (answer.status !== 200) throw new Error(JSON.stringify(answer.data));
    return answer.data.items.map((issue: Loose) => issue.number);
  };

  it.each<[string, number[]]>([
    ['repo:acme/web', [4, 3, 2, 1]],
    ['repo:acme/web is:issue is:open', [2, 1]],
    ['repo:acme/web is:pr', [4, 3]],
    ['repo:acme/web type:pr state:closed', [3]],
    ['repo:acme/web is:merged', [3]],
    ['repo:acme/web is:unmerged', [4]],
    ['repo:acme/web is:draft', [4]],
    ['repo:acme/web draft:false', [3]],
    ['repo:acme/web label:bug', [2, 1]],
    ['repo:acme/web label:"good first issue"', [1]],
    ['repo:acme/web label:bug,"good first issue" -label:"good first issue"', [2]],
    ['repo:acme/web is:open -label:bug', [4]],
    ['repo:acme/web no:label is:open', [4]],
    ['repo:acme/web author:forgeway-bot is:issue', [2, 1]],
    ['repo:acme/web author:@me is:issue', [2, 1]],
    ['repo:acme/web assignee:alice', [1]],
    ['repo:acme/web no:assignee is:issue', [2]],
    ['repo:acme/web mentions:bob', [1]],
    ['repo:acme/web milestone:next', [2]],
    ['repo:acme/web no:milestone is:issue', [1]],
    ['repo:acme/web comments:>0', [2]],
    ['repo:acme/web is:issue archived:false', [2, 1]],
    ['repo:acme/web is:issue archived:true', []],
    ['repo:acme/web is:issue -archived:true', [2, 1]],
    ['repo:acme/web created:>2025-12-31', [4, 3, 2, 1]],
    ['repo:acme/web updated:<2025-01-01', []],
    ['repo:acme/web created:2026-01-01', [4, 3, 2, 1]],
    ['repo:acme/web closed:2026-01-01..2026-01-02', [3]],
    ['repo:acme/web merged:>=2026-01-01', [3]],
    ['repo:acme/web head:topic', [3]],
    ['repo:acme/web base:main is:open', [4]],
    ['repo:acme/web review-requested:bob', [3]],
    ['repo:acme/web crash', [2]],
    ['repo:acme/web bug in:title', [1]],
    ['repo:acme/web -crash is:issue', [1]],
    ['org:acme is:issue', [2, 1]],
    ['user:alice', [1]],
    ['repo:acme/web repo:alice/tool is:issue', [1, 2, 1]],
    ['Elsewhere', [1]],
    ['repo:acme/web is:issue sort:created-asc', [1, 2]],
  ])('%s', async (q, numbers) => {
    expect(await find(q)).toEqual(numbers);
  });

  it('orders, counts and pages', async () => {
    expect((await find('repo:acme/web', { sort: 'updated', order: 'desc' }))[0]).toBe(2);
    const page = await gitea.ask(SEARCH, { q: 'repo:acme/web', per_page: 3, page: 2 });
    expect(page.data).toMatchObject({ total_count: 4, incomplete_results: false, items: [{ number: 1, score: 1 }] });
    expect(page.pages).toEqual({ next: false, last: 2 });
    expect(page.data.items[0].repository_url).toBe('https://gitea.test/api/v3/repos/acme/web');
  });

  it.each([
    ['repo:acme/web commenter:bob', 'commenter'],
    ['repo:acme/web is:public', 'is:public'],
    ['repo:acme/web in:comments', '"in"'],
    ['repo:acme/web bug OR crash', '"OR"'],
    ['repo:acme/web created:yesterday', 'yesterday'],
    ['repo:acme/none', 'acme/none'],
    ['-repo:acme/web', '-repo'],
    ['label:', 'label'],
    ['', '"q"'],
  ])('refuses %s by name', async (q, named) => {
    const answer = await gitea.ask(SEARCH, { q });
    expect([answer.status, answer.data.message]).toEqual([422, 'Validation Failed']);
    expect(answer.data.errors[0].message).toContain(named);
  });

  it('is all proven', () => gitea.expectEveryRow({ search }));
});

describe('the language of search', () => {
  it('keeps quoted text together, and takes addresses for text', () => {
    expect(parseSearch('label:"a b",c "two words" -no https://x.test')).toEqual({
      qualifiers: [{ name: 'label', values: ['a b', 'c'], negated: false }],
      words: [
        { text: 'two words', negated: false },
        { text: 'no', negated: true },
        { text: 'https://x.test', negated: false },
      ],
    });
    expect(QUALIFIERS.size).toBeGreaterThanOrEqual(15);
  });

  it('knows spans of days and numbers', () => {
    const day = Date.parse('2026-01-02');
    expect(spanIn('created', '2026-01-02', 'time')).toEqual({ from: day, to: day + 86_399_999 });
    expect(spanIn('created', '<2026-01-02', 'time').to).toBe(day - 1);
    expect(spanIn('created', '*..2026-01-02', 'time').from).toBe(Number.NEGATIVE_INFINITY);
    expect(spanIn('comments', '>3', 'number').from).toBe(4);
    expect(() => spanIn('comments', 'many', 'number')).toThrow('Validation Failed');
  });
});
