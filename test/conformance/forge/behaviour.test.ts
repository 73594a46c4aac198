/**
 * What an app gets when it asks: every forge's double over HTTP, all of the translation above it, and an app's Octokit on
 * top. Nothing here knows which forge it is; an effect is read back from the double, not from the answer alone.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ProbotOctokit } from 'probot';
import type { ForgeFake } from '../../../src/forges/kit/fake/forge-fake.js';
import { octokitOn } from './played-octokit.js';
import { isSkipped } from './skips.js';
import { table } from './subjects.js';
import { WANTED_ROUTES } from './wanted-routes.js';

const place = { owner: 'acme', name: 'shop' };
const at = { owner: 'acme', repo: 'shop' };
const R = '/repos/{owner}/{repo}';

interface Failure {
  status?: number;
  response?: { data: unknown };
}

const failureOf = async (asked: Promise<unknown>): Promise<Failure> =>
  asked.then(
    () => ({}),
    (error: unknown) => error as Failure,
  );

/** GitHub's bodies of refusals: a message, where to read on, and for a 422 which field it was. */
function expectRefusal({ status, response }: Failure, expected: number): void {
  expect({ status, data: response?.data }).toEqual({
    status: expected,
    data: expect.objectContaining({ message: expect.stringMatching(/\S/), documentation_url: expect.any(String) }),
  });
}

const played = table.filter(([, { descriptor }]) => descriptor.startFake !== undefined);

it('every forge is played', () => {
  const unplayed = table.filter(([, { descriptor }]) => descriptor.startFake === undefined).map(([id]) => id);
  expect(unplayed.filter((id) => !isSkipped(id, 'story'))).toEqual([]);
});

describe.each(played)('an app on %s', (id, { descriptor }) => {
  let folder: string;
  let fake: ForgeFake;
  let octokit: InstanceType<typeof ProbotOctokit>;
  let pull: number;
  let head: string;
  const proven = new Set<string>();

  /**
   * A test of some routes. Only a forge that is excused from the whole list may lack one of them; one without a table speaks
   * GitHub's language itself, and its double has to know them all.
   */
  const serves = (what: string, routes: readonly string[], test: () => Promise<void>) =>
    it(what, async () => {
      const { routes: table } = descriptor;
      const lacking = table === undefined ? [] : routes.filter((route) => !Object.hasOwn(table, route));
      if (!isSkipped(id, 'routes')) expect(lacking).toEqual([]);
      if (lacking.length > 0) return;
      await test();
      for (const route of routes) proven.add(route);
    });
  const pullState = async () => (await fake.state(place)).pullRequests.find(({ number }) => number === pull);
  const issueState = async (number: number) =>
    (await fake.state(place)).issues.find(({ number: other }) => other === number);
  const newIssue = async (title: string, body?: string) =>
    (await octokit.rest.issues.create({ ...at, title, body })).data.number;

  beforeAll(async () => {
    if (descriptor.startFake === undefined) throw new Error('It has no double.');
    folder = await mkdtemp(join(tmpdir(), 'forgeway-behaviour-'));
    fake = await descriptor.startFake({ folder });
    await fake.addPerson('alice');
    await fake.addPerson('bob');
    await fake.addRepository({
      ...place,
      people: { alice: 'write' },
      files: { 'README.md': '# shop\n', 'prices.txt': 'apples 1\n' },
    });
    const alice = fake.as('alice', place);
    const files = { 'prices.txt': 'apples 1\npears 2\n' };
    head = await alice.push({ branch: 'pears', files, message: 'Add pears' });
    pull = await alice.openPullRequest({ head: 'pears', title: 'Pears', body: 'Fresh ones.' });
    octokit = octokitOn(descriptor, fake, folder);
  });
  afterAll(async () => {
    await fake?.close();
    await rm(folder, { recursive: true, force: true });
  });

  serves('reads the repository, and is refused one that is not there', [`GET ${R}`], async () => {
    const { data } = await octokit.rest.repos.get(at);
    expect(data).toMatchObject({ full_name: 'acme/shop', default_branch: 'main', private: false });
    expectRefusal(await failureOf(octokit.rest.repos.get({ ...at, repo: 'gone' })), 404);
  });

  serves(
    'opens an issue, edits it and closes it',
    [`POST ${R}/issues`, `GET ${R}/issues/{issue_number}`, `PATCH ${R}/issues/{issue_number}`],
    async () => {
      const number = await newIssue('Prices are wrong');
      const change = { title: 'Prices are right', body: 'After all.', state: 'closed' } as const;
      const { data } = await octokit.rest.issues.update({ ...at, issue_number: number, ...change });
      expect(data).toMatchObject({ number, ...change, user: { login: fake.bot.login } });
      expect(await issueState(number)).toMatchObject({ ...change, author: fake.bot.login });
      const { data: read } = await octokit.rest.issues.get({ ...at, issue_number: number });
      expect(read).toMatchObject({ number, ...change });
      expect(read.closed_at).toEqual(expect.any(String));
    },
  );

  serves('closes an issue for a reason', [`PATCH ${R}/issues/{issue_number}`], async () => {
    const { issues } = octokit.rest;
    const which = { ...at, issue_number: await newIssue('Not for us') };
    const reasonOf = async () => (await issues.get(which)).data.state_reason;
    const closed = await issues.update({ ...which, state: 'closed', state_reason: 'not_planned' });
    expect(closed.data.state_reason).toBe('not_planned');
    expect(await reasonOf()).toBe('not_planned');
    const listed = await issues.listForRepo({ ...at, state: 'closed' });
    expect(listed.data.find(({ number }) => number === which.issue_number)?.state_reason).toBe('not_planned');
    await issues.update({ ...which, state_reason: 'completed', state: 'closed' });
    expect(await reasonOf()).toBe('completed');
  });

  serves('is told which field of an issue is missing', [`POST ${R}/issues`], async () => {
    const refused = await failureOf(octokit.request(`POST ${R}/issues`, { ...at, title: '' }));
    expectRefusal(refused, 422);
    expect(refused.response?.data).toMatchObject({ errors: [{ resource: 'Issue', field: 'title' }] });
  });

  serves('finds no issue, pull request or label that is not there', [`GET ${R}/labels/{name}`], async () => {
    const { issues, pulls } = octokit.rest;
    expectRefusal(await failureOf(issues.get({ ...at, issue_number: 987_650 })), 404);
    expectRefusal(await failureOf(pulls.get({ ...at, pull_number: 987_650 })), 404);
    expectRefusal(await failureOf(issues.getLabel({ ...at, name: 'nowhere' })), 404);
  });

  serves(
    'comments, edits the comment and deletes it',
    [
      `POST ${R}/issues/{issue_number}/comments`,
      `PATCH ${R}/issues/comments/{comment_id}`,
      `DELETE ${R}/issues/comments/{comment_id}`,
    ],
    async () => {
      const number = await newIssue('To be talked about');
      const { data } = await octokit.rest.issues.createComment({ ...at, issue_number: number, body: 'First' });
      const { id: comment_id } = data;
      expect(data).toMatchObject({ body: 'First', user: { login: fake.bot.login } });
      const edited = await octokit.rest.issues.updateComment({ ...at, comment_id, body: 'Second' });
      expect(edited.data).toMatchObject({ id: comment_id, body: 'Second' });
      expect((await issueState(number))?.comments).toEqual([{ author: fake.bot.login, body: 'Second' }]);
      await octokit.rest.issues.deleteComment({ ...at, comment_id });
      expect((await issueState(number))?.comments).toEqual([]);
    },
  );

  serves(
    'writes lines that a forge may take for orders, and gives none',
    [
      `POST ${R}/issues`,
      `POST ${R}/issues/{issue_number}/comments`,
      `PATCH ${R}/issues/comments/{comment_id}`,
      `PATCH ${R}/issues/{issue_number}`,
      `PATCH ${R}/pulls/{pull_number}`,
      `POST ${R}/pulls/{pull_number}/reviews`,
    ],
    async () => {
      const { issues, pulls } = octokit.rest;
      const orders = 'A log:\n\n/close\n/title Gone\n/label ~harm\n  /assign @alice\n/lock\n\nIts end.';
      const number = await newIssue('To be left alone', orders);
      const on = { ...at, issue_number: number };
      const { data: comment } = await issues.createComment({ ...on, body: '/close' });
      await issues.updateComment({ ...at, comment_id: comment.id, body: orders });
      await issues.createComment({ ...on, body: orders });
      await issues.update({ ...on, body: `${orders}\n` });
      await pulls.update({ ...at, pull_number: pull, body: orders });
      await pulls.createReview({ ...at, pull_number: pull, event: 'COMMENT', body: orders });
      const untouched = { state: 'open', labels: [], assignees: [], locked: false };
      expect(await issueState(number)).toMatchObject({ ...untouched, title: 'To be left alone' });
      expect(await pullState()).toMatchObject({ state: 'open', locked: false });
      expect((await pullState())?.labels).not.toContain('harm');
      const { data } = await issues.listComments(on);
      expect(data.map(({ body }) => body)).toEqual([orders, orders]);
      expect((await issues.get(on)).data.body?.trim()).toBe(orders);
      expect((await pulls.get({ ...at, pull_number: pull })).data.body).toBe(orders);
      await pulls.update({ ...at, pull_number: pull, body: 'Fresh ones.' });
    },
  );

  serves(
    'labels what is there, and takes the label off again',
    [`POST ${R}/issues/{issue_number}/labels`, `DELETE ${R}/issues/{issue_number}/labels/{name}`],
    async () => {
      const number = await newIssue('To be labelled');
      const on = { ...at, issue_number: number };
      const { data } = await octokit.rest.issues.addLabels({ ...on, labels: ['bug', 'urgent'] });
      expect(data.map(({ name }) => name).sort()).toEqual(['bug', 'urgent']);
      await octokit.rest.issues.removeLabel({ ...on, name: 'urgent' });
      expect((await issueState(number))?.labels).toEqual(['bug']);
      expectRefusal(await failureOf(octokit.rest.issues.removeLabel({ ...on, name: 'urgent' })), 404);
    },
  );

  serves('makes a label', [`POST ${R}/labels`, `GET ${R}/labels`], async () => {
    const { data } = await octokit.rest.issues.createLabel({ ...at, name: 'fruit', color: '00ff00' });
    expect(data).toMatchObject({ name: 'fruit', color: '00ff00' });
    expect((await fake.state(place)).labels).toContain('fruit');
  });

  serves('assigns somebody', [`POST ${R}/issues/{issue_number}/assignees`], async () => {
    const number = await newIssue('To be done');
    const { data } = await octokit.rest.issues.addAssignees({ ...at, issue_number: number, assignees: ['alice'] });
    expect(data.assignees?.map(({ login }) => login)).toEqual(['alice']);
    expect((await issueState(number))?.assignees).toEqual(['alice']);
  });

  serves('follows the pages of comments to their end', [`GET ${R}/issues/{issue_number}/comments`], async () => {
    const issue_number = await newIssue('Long');
    const bodies = ['1', '2', '3', '4', '5'].map((one) => `Comment ${one}`);
    for (const body of bodies) await octokit.rest.issues.createComment({ ...at, issue_number, body });
    const list = octokit.rest.issues.listComments;
    const first = await list({ ...at, issue_number, per_page: 3 });
    expect(first.data.map(({ body }) => body)).toEqual(bodies.slice(0, 3));
    expect(first.headers.link).toMatch(/[?&]page=2[^>]*>; rel="next"/);
    const all = await octokit.paginate(list, { ...at, issue_number, per_page: 3 });
    expect(all.map(({ body }) => body)).toEqual(bodies);
  });

  serves('follows the pages of issues, labels and commits', [`GET ${R}/issues`, `GET ${R}/commits`], async () => {
    const { issues, repos } = octokit.rest;
    for (const name of ['p1', 'p2', 'p3']) await issues.createLabel({ ...at, name, color: 'cccccc' });
    for (const title of ['Page one', 'Page two', 'Page three']) await newIssue(title);
    const now = await fake.state(place);
    const labels = await octokit.paginate(issues.listLabelsForRepo, { ...at, per_page: 2 });
    expect(labels.map(({ name }) => name).sort()).toEqual([...now.labels].sort());
    const listed = await octokit.paginate(issues.listForRepo, { ...at, state: 'open', per_page: 2 });
    const open = [...now.issues, ...now.pullRequests].filter(({ state }) => state === 'open');
    expect(listed.map(({ number }) => number).sort((a, b) => a - b)).toEqual(
      open.map(({ number }) => number).sort((a, b) => a - b),
    );
    const commits = await octokit.paginate(repos.listCommits, { ...at, sha: 'pears', per_page: 1 });
    expect(commits).toHaveLength(2);
    expect(commits[0]?.sha).toBe(head);
  });

  serves(
    'reads a pull request and edits it',
    [`GET ${R}/pulls/{pull_number}`, `PATCH ${R}/pulls/{pull_number}`, `GET ${R}/pulls/{pull_number}/files`],
    async () => {
      const which = { ...at, pull_number: pull };
      expect((await octokit.rest.pulls.get(which)).data).toMatchObject({
        number: pull,
        title: 'Pears',
        body: 'Fresh ones.',
        state: 'open',
        user: { login: 'alice' },
        head: { ref: 'pears', sha: head },
        base: { ref: 'main' },
      });
      const files = await octokit.paginate(octokit.rest.pulls.listFiles, which);
      expect(files).toMatchObject([{ filename: 'prices.txt', status: 'modified' }]);
      await octokit.rest.pulls.update({ ...which, title: 'Better pears' });
      expect(await pullState()).toMatchObject({ title: 'Better pears', body: 'Fresh ones.' });
    },
  );

  serves(
    'is told what authors are to the repository',
    [`GET ${R}/issues`, `GET ${R}/issues/{issue_number}`, `GET ${R}/pulls`, `GET ${R}/pulls/{pull_number}/reviews`],
    async () => {
      if (descriptor.routes !== undefined && descriptor.associations === undefined) return;
      const stranger = await fake.as('bob', place).openIssue({ title: 'From outside' });
      await fake.as('alice', place).comment(stranger, 'Welcome.');
      await fake.as('bob', place).review(pull, { verdict: 'comment', body: 'Hm.' });
      const { issues, pulls } = octokit.rest;
      const which = { ...at, pull_number: pull };
      const told = [
        (await pulls.get(which)).data,
        ...(await pulls.list(at)).data,
        ...(await pulls.listReviews(which)).data,
        (await issues.get({ ...at, issue_number: stranger })).data,
        ...(await issues.listForRepo(at)).data,
        ...(await issues.listComments({ ...at, issue_number: stranger })).data,
      ];
      const of = (login: string) => [
        ...new Set(told.flatMap(({ user, author_association: word }) => (user?.login === login ? [word] : []))),
      ];
      expect(of('bob')).toEqual(['NONE']);
      expect([['COLLABORATOR'], ['MEMBER']]).toContainEqual(of('alice'));
    },
  );

  serves(
    'is told who contributed and may do nothing more',
    [`PUT ${R}/collaborators/{username}`, `DELETE ${R}/collaborators/{username}`, `GET ${R}/issues/{issue_number}`],
    async () => {
      // GitHub counts commits itself.
      if (descriptor.routes === undefined || descriptor.associations === undefined) return;
      await fake.addPerson('carol');
      const [{ repos, issues }, who] = [octokit.rest, { ...at, username: 'carol' }];
      await repos.addCollaborator({ ...who, permission: 'push' });
      const carol = fake.as('carol', place);
      await carol.push({ branch: 'figs', files: { 'figs.txt': 'blue\n' }, message: 'Add figs' });
      await carol.mergePullRequest(await carol.openPullRequest({ head: 'figs', title: 'Figs' }));
      await repos.removeCollaborator(who);
      const issue = await carol.openIssue({ title: 'Thanks' });
      expect((await issues.get({ ...at, issue_number: issue })).data.author_association).toBe('CONTRIBUTOR');
      // Of many at once they are looked for together; who was asked of a minute ago is not asked again.
      for (const login of ['erin', 'frank', 'grace', 'heidi']) {
        await fake.addPerson(login);
        await fake.as(login, place).comment(issue, 'Me too.');
      }
      const { data } = await issues.listComments({ ...at, issue_number: issue });
      expect(data.map(({ author_association: word }) => word)).toEqual(['NONE', 'NONE', 'NONE', 'NONE']);
      await issues.update({ ...at, issue_number: issue, state: 'closed' });
    },
  );

  serves('reads a pull request as a diff', [`GET ${R}/compare/{basehead}`], async () => {
    const { data } = await octokit.rest.pulls.get({ ...at, pull_number: pull, mediaType: { format: 'diff' } });
    expect(String(data)).toMatch(/^diff --git a\/prices\.txt b\/prices\.txt\n/);
    expect(String(data)).toContain('\n+pears 2\n');
    expect(String(data)).not.toContain('README.md');
    const compared = async (format: 'diff' | 'patch') => {
      const basehead = 'main...pears';
      return String(
        (await octokit.request(`GET ${R}/compare/{basehead}`, { ...at, basehead, mediaType: { format } })).data,
      );
    };
    expect(await compared('diff')).toMatch(/^diff --git a\/prices\.txt b\/prices\.txt\n[\s\S]*\n\+pears 2\n/);
    expect(await compared('patch')).toMatch(
      /^From [0-9a-f]{40} [\s\S]*\nSubject: \[PATCH\] Add pears\n[\s\S]*\n\+pears 2\n/,
    );
  });

  serves(
    'sets a status and reads it back',
    [`POST ${R}/statuses/{sha}`, `GET ${R}/commits/{ref}/statuses`],
    async () => {
      const status = { context: 'weigh', state: 'success', description: 'Heavy.' } as const;
      await octokit.rest.repos.createCommitStatus({ ...at, sha: head, ...status });
      expect((await pullState())?.statuses).toEqual([status]);
      const { data } = await octokit.rest.repos.listCommitStatusesForRef({ ...at, ref: head });
      expect(data).toMatchObject([status]);
    },
  );

  serves(
    'writes a file and reads it back',
    [`PUT ${R}/contents/{path}`, `GET ${R}/contents/{path}`, `GET ${R}/branches/{branch}`],
    async () => {
      const content = Buffer.from('plums 3\n').toString('base64');
      const file = { ...at, path: 'plums.txt' };
      const write = { ...file, message: 'Add plums', content, branch: 'main' };
      await octokit.rest.repos.createOrUpdateFileContents(write);
      expect(await fake.readFile(place, 'main', 'plums.txt')).toBe('plums 3\n');
      const { data } = await octokit.rest.repos.getContent(file);
      expect(data).toMatchObject({ type: 'file', path: 'plums.txt', encoding: 'base64' });
      expect(Buffer.from('content' in data ? data.content : '', 'base64').toString()).toBe('plums 3\n');
      expectRefusal(await failureOf(octokit.rest.repos.getContent({ ...at, path: 'nothing.txt' })), 404);
    },
  );

  serves(
    'uploads a file to a release, by the name of GitHub.com too',
    [
      `POST ${R}/releases`,
      `POST ${R}/releases/{release_id}/assets`,
      `PATCH ${R}/releases/assets/{asset_id}`,
      `DELETE ${R}/releases/assets/{asset_id}`,
    ],
    async () => {
      const { data: release } = await octokit.rest.repos.createRelease({ ...at, tag_name: 'v7.0.0', name: 'Seven' });
      const file = { ...at, release_id: release.id, headers: { 'content-type': 'application/octet-stream' } };
      const bytes = Buffer.from([0, 1, 2, 255]) as unknown as string;
      await octokit.rest.repos.uploadReleaseAsset({ ...file, name: 'a.bin', data: bytes });
      await octokit.request({ method: 'POST', url: release.upload_url, ...file, name: 'b.bin', data: bytes });
      const { data } = await octokit.rest.repos.listReleaseAssets({ ...at, release_id: release.id });
      expect(data.map(({ name }) => name).sort()).toEqual(['a.bin', 'b.bin']);
      for (const { id, name } of data) {
        const which = { ...at, asset_id: id };
        expect((await octokit.rest.repos.getReleaseAsset(which)).data).toMatchObject({ id, name, state: 'uploaded' });
        if (name === 'a.bin') await octokit.rest.repos.updateReleaseAsset({ ...which, name: 'c.bin' });
        else await octokit.rest.repos.deleteReleaseAsset(which);
      }
      const after = await octokit.rest.repos.listReleaseAssets({ ...at, release_id: release.id });
      expect(after.data.map(({ name }) => name)).toEqual(['c.bin']);
      const gone = data.find(({ name }) => name === 'b.bin')?.id ?? 0;
      expectRefusal(await failureOf(octokit.rest.repos.getReleaseAsset({ ...at, asset_id: gone })), 404);
      // GitHub itself has that route.
      if (descriptor.routes === undefined) return;
      const elsewhere = octokit.request('GET https://api.github.com/repos/{owner}/{repo}/security-advisories', at);
      const refused = await failureOf(elsewhere);
      expectRefusal(refused, 501);
      expect(JSON.stringify(refused.response?.data)).toContain('/repos/acme/shop/security-advisories');
    },
  );

  serves('reviews a pull request', [`POST ${R}/pulls/{pull_number}/reviews`], async () => {
    const { data } = await octokit.rest.pulls.createReview({
      ...at,
      pull_number: pull,
      event: 'APPROVE',
      body: 'Yes.',
    });
    expect(data).toMatchObject({ state: 'APPROVED', user: { login: fake.bot.login } });
    expect((await pullState())?.reviews).toContainEqual(
      expect.objectContaining({ author: fake.bot.login, state: 'approved' }),
    );
  });

  serves('merges a pull request', [`PUT ${R}/pulls/{pull_number}/merge`], async () => {
    const { data } = await octokit.rest.pulls.merge({ ...at, pull_number: pull });
    expect(data).toMatchObject({ merged: true, sha: expect.stringMatching(/^[0-9a-f]{40}$/) });
    expect(await pullState()).toMatchObject({ state: 'merged' });
    expect(await fake.readFile(place, 'main', 'prices.txt')).toBe('apples 1\npears 2\n');
  });

  it('was understood by the forge, in more than a dozen of the wanted routes', () => {
    expect(fake.violations()).toEqual([]);
    expect(WANTED_ROUTES.filter((route) => proven.has(route)).length).toBeGreaterThan(12);
  });
});
