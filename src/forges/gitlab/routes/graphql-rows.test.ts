import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type GitLabRig, type Loose, startGitLab } from '../../../../test/support/gitlab-rig.js';
import { graphqlRows } from './graphql-rows.js';

const R = '/repos/{owner}/{repo}';
const PULL = `${R}/pulls/{pull_number}`;
const at = {} as { gitlab: GitLabRig };

beforeAll(async () => {
  at.gitlab = await startGitLab();
});
afterAll(() => at.gitlab.close());

const ask = (route: string, parameters: object = {}): Promise<Loose> => at.gitlab.ask(route, parameters);
const headOf = async (pull_number: number): Promise<string> =>
  (await ask(`GET ${PULL}`, { pull_number })).data.head.sha;
const status = (sha: string, state: string) => ask(`POST ${R}/statuses/{sha}`, { sha, state, context: 'build' });

describe('merging by itself on GitLab', () => {
  it('is set with a method and words, told where the pull request is read, and cancelled', async () => {
    const pull_number = await at.gitlab.openMergeRequest('later');
    const sha = await headOf(pull_number);
    await status(sha, 'pending');
    const wish = { pull_number, merge_method: 'squash', commit_title: 'All of it', commit_message: 'See #1', sha };
    const set = await ask(`PUT ${PULL}/auto-merge`, wish);
    const told = {
      enabled_by: expect.objectContaining({ login: 'forgeway-bot' }),
      merge_method: 'squash',
      commit_title: 'All of it',
      commit_message: 'See #1',
    };
    expect([set.status, set.data.auto_merge]).toEqual([200, told]);
    const sent: Loose = at.gitlab.rig.calls.findLast(({ method, path }) => method === 'PUT' && path.endsWith('/merge'));
    expect(sent.json).toMatchObject({ squash: true, auto_merge: true, merge_when_pipeline_succeeds: true, sha });
    expect(sent.json.squash_commit_message).toMatch(/^All of it\n\nSee /);
    const read = await ask(`GET ${PULL}`, { pull_number });
    expect(read.data).toMatchObject({ state: 'open', merged: false, merged_by: null, auto_merge: told });
    const listed = await ask(`GET ${R}/pulls`, { head: 'acme~platform:later' });
    expect(listed.data.map((one: Loose) => one.auto_merge)).toEqual([told]);
    expect((await ask(`DELETE ${PULL}/auto-merge`, { pull_number })).data.auto_merge).toBeNull();
    expect((await ask(`GET ${PULL}`, { pull_number })).data.auto_merge).toBeNull();
    const again = await ask(`DELETE ${PULL}/auto-merge`, { pull_number });
    expect([again.status, again.data.message]).toEqual([422, "Can't disable auto-merge for this pull request"]);
  });

  it('is told without words when it was set on the page', async () => {
    const pull_number = await at.gitlab.openMergeRequest('on-page');
    Object.assign(at.gitlab.web.mergeRequests.at(-1) as object, {
      autoMerge: { userId: at.gitlab.people.bob.id, message: undefined },
      squash: true,
    });
    expect((await ask(`GET ${PULL}`, { pull_number })).data.auto_merge).toMatchObject({
      enabled_by: { login: 'bob' },
      merge_method: 'squash',
      commit_title: null,
    });
  });

  it('merges at once what has succeeded, and tells no auto-merge of what is merged', async () => {
    const pull_number = await at.gitlab.openMergeRequest('green');
    await status(await headOf(pull_number), 'success');
    const merged = await ask(`PUT ${PULL}/auto-merge`, { pull_number });
    expect(merged.data).toMatchObject({ merged: true, auto_merge: null, merged_by: { login: 'forgeway-bot' } });
    expect((await ask(`PUT ${PULL}/auto-merge`, { pull_number })).status).toBe(405);
  });

  it('is refused to another head, to a rebase that GitLab would not do, and where there is nothing to wait for', async () => {
    const pull_number = await at.gitlab.openMergeRequest('refused', { 'refused.txt': 'x\n' });
    expect((await ask(`PUT ${PULL}/auto-merge`, { pull_number, sha: '0'.repeat(40) })).status).toBe(409);
    const rebase = await ask(`PUT ${PULL}/auto-merge`, { pull_number, merge_method: 'rebase' });
    expect([rebase.status, rebase.data.message]).toEqual([422, 'Rebase merges are not allowed on this repository.']);
    const clean = await ask(`PUT ${PULL}/auto-merge`, { pull_number });
    expect([clean.status, clean.data.message]).toEqual([422, 'Pull request is in clean status']);
    await status(await headOf(pull_number), 'pending');
    const named = { owner: 'acme~platform', repo: 'web', pull_number };
    const other = await at.gitlab.as('carol').request(`PUT ${PULL}/auto-merge`, named);
    expect([403, 404]).toContain(other.status);
    at.gitlab.web.settings.merge_method = 'ff';
    expect(
      (await ask(`PUT ${PULL}/auto-merge`, { pull_number, merge_method: 'rebase' })).data.auto_merge,
    ).toMatchObject({
      merge_method: 'rebase',
    });
    at.gitlab.web.settings.merge_method = 'merge';
  });
});

describe('drafts on GitLab', () => {
  it('are made and ended by their titles', async () => {
    const pull_number = await at.gitlab.openMergeRequest('drafted', { 'drafted.txt': 'x\n' });
    const made = await ask(`PUT ${PULL}/draft`, { pull_number, draft: true });
    expect(made.data).toMatchObject({ draft: true, title: 'Draft: Merge drafted' });
    expect((await ask(`GET ${PULL}`, { pull_number })).data.draft).toBe(true);
    at.gitlab.rig.forget();
    await ask(`PUT ${PULL}/draft`, { pull_number, draft: true });
    expect(at.gitlab.rig.calls.filter(({ method }) => method !== 'GET')).toEqual([]);
    await ask(`PUT ${PULL}/draft`, { pull_number, draft: false });
    expect((await ask(`GET ${PULL}`, { pull_number })).data).toMatchObject({ draft: false, title: 'Merge drafted' });
    await ask(`PATCH ${PULL}`, { pull_number, title: '[Draft] (draft) Twice' });
    expect((await ask(`PUT ${PULL}/draft`, { pull_number, draft: false })).data.title).toBe('Twice');
    expect((await ask(`PUT ${PULL}/draft`, { pull_number })).status).toBe(422);
  });
});

describe('threads on GitLab', () => {
  it('are told with their comments, resolved and opened again by any of them', async () => {
    const pull_number = await at.gitlab.openMergeRequest('talked', { 'talked.txt': 'one\ntwo\n' });
    const place = { pull_number, path: 'talked.txt', side: 'RIGHT' };
    const first = await ask(`POST ${PULL}/comments`, { ...place, line: 1, body: 'First' });
    await ask(`POST ${PULL}/comments`, { ...place, line: 2, body: 'Second' });
    const reply = await ask(`POST ${PULL}/comments/{comment_id}/replies`, {
      pull_number,
      comment_id: first.data.id,
      body: 'Indeed',
    });
    await ask(`POST ${R}/issues/{issue_number}/comments`, { issue_number: pull_number, body: 'On no line' });
    const told = async () =>
      (await ask(`GET ${PULL}/threads`, { pull_number })).data.map((one: Loose) => [
        one.resolved,
        one.resolved_by?.login,
        one.comments.map((comment: Loose) => comment.body),
      ]);
    expect(await told()).toEqual([
      [false, undefined, ['First', 'Indeed']],
      [false, undefined, ['Second']],
    ]);
    const resolution = { pull_number, comment_id: reply.data.id, resolved: true };
    const set = await ask(`PUT ${PULL}/threads/{comment_id}/resolution`, resolution);
    expect(set.data).toMatchObject({ resolved: true, comments: [{ id: first.data.id }, { id: reply.data.id }] });
    expect(await told()).toEqual([
      [true, 'forgeway-bot', ['First', 'Indeed']],
      [false, undefined, ['Second']],
    ]);
    const page = await ask(`GET ${PULL}/threads`, { pull_number, per_page: 1, page: 2 });
    expect([page.data.length, page.pages]).toEqual([1, { next: false, last: 2 }]);
    await ask(`PUT ${PULL}/threads/{comment_id}/resolution`, { ...resolution, resolved: false });
    expect((await told())[0]).toEqual([false, undefined, ['First', 'Indeed']]);
    expect((await ask(`PUT ${PULL}/threads/{comment_id}/resolution`, { ...resolution, comment_id: 4711 })).status).toBe(
      404,
    );
    expect((await ask(`PUT ${PULL}/threads/{comment_id}/resolution`, { ...resolution, resolved: 'yes' })).status).toBe(
      422,
    );
  });
});

describe('a repository on GitLab', () => {
  it('is found by its number', async () => {
    const named = await ask(`GET ${R}`);
    const found = await ask('GET /repositories/{repository_id}', { repository_id: named.data.id });
    expect(found.data).toEqual(named.data);
    expect((await ask('GET /repositories/{repository_id}', { repository_id: 4711 })).status).toBe(404);
  });
});

it('every row here has an effect and an error case', async () => {
  const { 'GET /repositories/{repository_id}': _byId, ...rows } = graphqlRows;
  await at.gitlab.expectMissing(rows, { pull_number: 1, comment_id: 1, draft: true, resolved: true });
  at.gitlab.expectEveryRow({ graphqlRows });
});
