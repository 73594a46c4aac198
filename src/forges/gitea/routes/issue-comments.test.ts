import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type GiteaRig, type Loose, startGitea } from '../../../../test/support/gitea-rig.js';
import { issueComments } from './issue-comments.js';
import { reactions } from './reactions.js';
import { timeline } from './timeline.js';

const ON_ISSUE = '/repos/{owner}/{repo}/issues/{issue_number}/comments';
const ONE = '/repos/{owner}/{repo}/issues/comments/{comment_id}';

describe('comments on Gitea', () => {
  let gitea: GiteaRig;
  beforeAll(async () => {
    gitea = await startGitea();
    await gitea.fake.push('acme', 'web', { branch: 'topic', by: 'bob', files: { 'a.txt': 'a\nb\nc\n' } });
    await gitea.ask('POST /repos/{owner}/{repo}/issues', { title: 'An issue' });
    await gitea.ask('POST /repos/{owner}/{repo}/pulls', { title: 'A pull request', head: 'topic', base: 'main' });
  });
  afterAll(() => gitea.close());

  it('are made on issues and pull requests, and read one by one', async () => {
    const made = await gitea.ask(`POST ${ON_ISSUE}`, { issue_number: 1, body: 'Hello *you*' });
    expect(made.status).toBe(201);
    expect(gitea.rig.calls.at(-1)).toMatchObject({
      method: 'POST',
      path: '/repos/acme/web/issues/1/comments',
      json: { body: 'Hello *you*' },
    });
    expect(made.data).toMatchObject({
      body: 'Hello *you*',
      user: { login: 'forgeway-bot' },
      issue_url: 'https://gitea.test/api/v3/repos/acme/web/issues/1',
    });
    expect((await gitea.ask(`GET ${ONE}`, { comment_id: made.data.id })).data).toEqual(made.data);
    const onPull = await gitea.ask(`POST ${ON_ISSUE}`, { issue_number: 2, body: 'On a pull request' });
    expect((await gitea.ask(`GET ${ONE}`, { comment_id: onPull.data.id })).data.issue_url).toMatch(/issues\/2$/);
    expect(gitea.told().slice(-2)).toEqual([
      ['issue_comment', 'created'],
      ['pull_request_comment', 'created'],
    ]);
    expect((await gitea.ask(`POST ${ON_ISSUE}`, { issue_number: 1, body: ' ' })).status).toBe(422);
  });

  it('are listed in pages although the server has none, and of the whole repository', async () => {
    for (const body of ['two', 'three']) await gitea.ask(`POST ${ON_ISSUE}`, { issue_number: 1, body });
    const page = await gitea.ask(`GET ${ON_ISSUE}`, { issue_number: 1, per_page: 2, page: 2 });
    expect([page.data.map((one: Loose) => one.body), page.pages]).toEqual([['three'], { next: false, last: 2 }]);
    const all = await gitea.ask('GET /repos/{owner}/{repo}/issues/comments');
    expect(all.data.map((one: Loose) => one.body)).toEqual(['Hello *you*', 'On a pull request', 'two', 'three']);
    const newest = await gitea.ask('GET /repos/{owner}/{repo}/issues/comments', {
      sort: 'created',
      direction: 'desc',
      per_page: 1,
    });
    expect(newest.data[0].body).toBe('three');
    expect((await gitea.ask(`GET ${ON_ISSUE}`, { issue_number: 1, since: '2030-01-01T00:00:00Z' })).data).toEqual([]);
  });

  it('are edited and deleted by their id alone', async () => {
    const [first] = (await gitea.ask(`GET ${ON_ISSUE}`, { issue_number: 1 })).data;
    const edited = await gitea.ask(`PATCH ${ONE}`, { comment_id: first.id, body: 'Better' });
    expect([edited.status, edited.data.body]).toEqual([200, 'Better']);
    expect((await gitea.ask(`DELETE ${ONE}`, { comment_id: first.id })).status).toBe(204);
    for (const method of ['GET', 'PATCH', 'DELETE'])
      expect((await gitea.ask(`${method} ${ONE}`, { comment_id: first.id, body: 'x' })).status).toBe(404);
    expect(gitea.told().slice(-2)).toEqual([
      ['issue_comment', 'edited'],
      ['issue_comment', 'deleted'],
    ]);
    expect(
      (
        await gitea
          .as('carol')
          .request(`PATCH ${ONE}`, { owner: 'acme', repo: 'web', comment_id: first.id + 3, body: 'x' })
      ).status,
    ).toBeGreaterThan(400);
  });

  it('and issues get reactions with ids of ours', async () => {
    const [comment] = (await gitea.ask(`GET ${ON_ISSUE}`, { issue_number: 2 })).data;
    const places: [string, object][] = [
      ['/repos/{owner}/{repo}/issues/{issue_number}/reactions', { issue_number: 1 }],
      ['/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions', { comment_id: comment.id }],
    ];
    for (const [path, where] of places) {
      const made = await gitea.ask(`POST ${path}`, { ...where, content: 'eyes' });
      expect([made.status, made.data.content, made.data.user.login]).toEqual([201, 'eyes', 'forgeway-bot']);
      const twice = await gitea.ask(`POST ${path}`, { ...where, content: 'eyes' });
      expect([twice.status, twice.data.id]).toEqual([200, made.data.id]);
      await gitea.as('bob').request(`POST ${path}`, { owner: 'acme', repo: 'web', ...where, content: 'rocket' });
      const listed = await gitea.ask(`GET ${path}`, where);
      expect(listed.data.map((one: Loose) => one.content)).toEqual(['eyes', 'rocket']);
      expect((await gitea.ask(`GET ${path}`, { ...where, content: 'rocket' })).data.length).toBe(1);
      expect((await gitea.ask(`POST ${path}`, { ...where, content: 'cake' })).status).toBe(422);
      const gone = `DELETE ${path}/{reaction_id}`;
      expect((await gitea.ask(gone, { ...where, reaction_id: made.data.id })).status).toBe(204);
      expect((await gitea.ask(gone, { ...where, reaction_id: made.data.id })).status).toBe(404);
      expect((await gitea.ask(gone, { ...where, reaction_id: listed.data[1].id })).status).toBe(404);
      expect((await gitea.ask(`GET ${path}`, where)).data.map((one: Loose) => one.content)).toEqual(['rocket']);
    }
  });

  it('on a line get reactions, too', async () => {
    const made = await gitea.as('alice').request('POST /repos/{owner}/{repo}/pulls/{pull_number}/comments', {
      owner: 'acme',
      repo: 'web',
      pull_number: 2,
      path: 'a.txt',
      line: 2,
      body: 'Here',
    });
    const path = '/repos/{owner}/{repo}/pulls/comments/{comment_id}/reactions';
    const { id } = made.data as Loose;
    const heart = await gitea.ask(`POST ${path}`, { comment_id: id, content: 'heart' });
    expect(heart.status).toBe(201);
    expect((await gitea.ask(`GET ${path}`, { comment_id: id })).data[0].id).toBe(heart.data.id);
    expect(
      (await gitea.ask(`DELETE ${path}/{reaction_id}`, { comment_id: id, reaction_id: heart.data.id })).status,
    ).toBe(204);
  });

  it('stand in the timeline among the events, which GitHub names otherwise', async () => {
    await gitea.ask('PUT /repos/{owner}/{repo}/issues/{issue_number}/labels', { issue_number: 1, labels: ['bug'] });
    await gitea.ask('PATCH /repos/{owner}/{repo}/issues/{issue_number}', {
      issue_number: 1,
      title: 'Renamed',
      assignees: ['bob'],
      state: 'closed',
    });
    const all = await gitea.ask('GET /repos/{owner}/{repo}/issues/{issue_number}/timeline', { issue_number: 1 });
    expect(all.data.map((one: Loose) => one.event)).toEqual([
      'commented',
      'commented',
      'labeled',
      'renamed',
      'assigned',
      'closed',
    ]);
    expect(all.data[2]).toMatchObject({ label: { name: 'bug' }, actor: { login: 'forgeway-bot' } });
    expect(all.data[3].rename).toEqual({ from: 'An issue', to: 'Renamed' });
    const events = await gitea.ask('GET /repos/{owner}/{repo}/issues/{issue_number}/events', {
      issue_number: 1,
      per_page: 2,
    });
    expect([events.data.map((one: Loose) => one.event), events.pages]).toEqual([
      ['labeled', 'renamed'],
      { next: true, last: 2 },
    ]);
    const one = await gitea.ask('GET /repos/{owner}/{repo}/issues/events/{event_id}', { event_id: events.data[1].id });
    expect(one.data).toMatchObject({ ...events.data[1], issue: { number: 1, title: 'Renamed' } });
  });

  it('are not there in a repository that is not there', async () => {
    const more = { issue_number: 1, event_id: 1, comment_id: 1, reaction_id: 1, body: 'x', content: 'eyes' };
    for (const table of [issueComments, reactions, timeline]) await gitea.expectMissing(table, more);
  });

  it('are all proven', () => {
    gitea.expectEveryRow({ issueComments, reactions, timeline });
  });
});
