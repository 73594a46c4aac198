import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type GiteaRig, type Loose, startGitea } from '../../../../test/support/gitea-rig.js';
import { graphqlRows } from './graphql-rows.js';

const PULL = '/repos/{owner}/{repo}/pulls/{pull_number}';
const LATER = `${PULL}/auto-merge`;
const THREADS = `${PULL}/threads`;
const RESOLUTION = `PUT ${THREADS}/{comment_id}/resolution`;
const TIMELINE = 'GET /repos/{owner}/{repo}/issues/{issue_number}/timeline';

async function open(gitea: GiteaRig, branch: string): Promise<number> {
  await gitea.fake.push('acme', 'web', { branch, by: 'bob', files: { [`${branch}.txt`]: 'one\ntwo\n' } });
  const made = await gitea.ask('POST /repos/{owner}/{repo}/pulls', {
    title: `A ${branch}`,
    head: branch,
    base: 'main',
  });
  return made.data.number;
}

const protect = (gitea: GiteaRig) =>
  gitea.ask('PUT /repos/{owner}/{repo}/branches/{branch}/protection', {
    branch: 'main',
    required_status_checks: { strict: false, contexts: ['build'] },
    enforce_admins: null,
    required_pull_request_reviews: null,
    restrictions: null,
  });

describe.each([{ version: '1.21.4' }, { version: '1.26.0' }])('by GraphQL alone, on Gitea $version', ({ version }) => {
  const resolves = version === '1.26.0';
  let gitea: GiteaRig;
  beforeAll(async () => {
    gitea = await startGitea(resolves ? { version } : {});
  });
  afterAll(() => gitea.close());
  const nativeOf = (number: number): Loose =>
    gitea.fake.state.repositories[0]?.issues.find((one) => one.number === number)?.pull;

  it('makes drafts and ends them, by their titles', async () => {
    const pull_number = await open(gitea, 'draft');
    const made = await gitea.ask(`PUT ${PULL}/draft`, { pull_number, draft: true });
    expect(made.data).toMatchObject({ draft: true, title: 'WIP: A draft' });
    expect((await gitea.ask(`GET ${PULL}`, { pull_number })).data.draft).toBe(true);
    gitea.rig.forget();
    await gitea.ask(`PUT ${PULL}/draft`, { pull_number, draft: true });
    expect(gitea.rig.calls.filter(({ method }) => method !== 'GET')).toEqual([]);
    await gitea.ask(`PUT ${PULL}/draft`, { pull_number, draft: false });
    expect((await gitea.ask(`GET ${PULL}`, { pull_number })).data).toMatchObject({ draft: false, title: 'A draft' });
    expect((await gitea.ask(`PUT ${PULL}/draft`, { pull_number })).status).toBe(422);
  });

  it('merges at once where nothing is asked for', async () => {
    const pull_number = await open(gitea, 'green');
    const merged = await gitea.ask(`PUT ${LATER}`, { pull_number, merge_method: 'squash' });
    expect(merged.data).toMatchObject({ merged: true, auto_merge: null });
    expect((await gitea.ask(`PUT ${LATER}`, { pull_number })).status).toBe(405);
  });

  it('merges later, which is told, changed and cancelled', async () => {
    await protect(gitea);
    const pull_number = await open(gitea, 'later');
    const { sha } = (await gitea.ask(`GET ${PULL}`, { pull_number })).data.head;
    const wish = { pull_number, merge_method: 'squash', commit_title: 'All of it', commit_message: 'At last.', sha };
    const set = await gitea.ask(`PUT ${LATER}`, wish);
    const told = {
      enabled_by: expect.objectContaining({ login: 'forgeway-bot' }),
      merge_method: 'squash',
      commit_title: 'All of it',
      commit_message: 'At last.',
    };
    expect([set.status, set.data.auto_merge]).toEqual([200, told]);
    expect(nativeOf(pull_number).autoMerge).toEqual({
      by: 'forgeway-bot',
      style: 'squash',
      message: 'All of it\n\nAt last.',
    });
    expect((await gitea.ask(`GET ${PULL}`, { pull_number })).data).toMatchObject({ state: 'open', auto_merge: told });
    const again = await gitea.ask(`PUT ${LATER}`, { pull_number });
    expect(again.data.auto_merge).toMatchObject({ merge_method: 'merge', commit_title: null });
    expect(nativeOf(pull_number).autoMerge.style).toBe('merge');
    expect((await gitea.ask(`DELETE ${LATER}`, { pull_number })).data.auto_merge).toBeNull();
    expect((await gitea.ask(`GET ${PULL}`, { pull_number })).data.auto_merge).toBeNull();
    expect(nativeOf(pull_number).autoMerge).toBeUndefined();
    const none = await gitea.ask(`DELETE ${LATER}`, { pull_number });
    expect([none.status, none.data.message]).toEqual([422, "Can't disable auto-merge for this pull request"]);
    const events = (await gitea.ask(TIMELINE, { issue_number: pull_number })).data.map((one: Loose) => one.event);
    expect(events.filter((event: string) => event.startsWith('auto_merge'))).toEqual([
      'auto_merge_enabled',
      'auto_merge_disabled',
      'auto_merge_enabled',
      'auto_merge_disabled',
    ]);
  });

  it('sees that somebody cancelled it on the page', async () => {
    const pull_number = await open(gitea, 'page');
    await gitea.ask(`PUT ${LATER}`, { pull_number });
    const cancelled = await fetchAs(gitea, 'alice', 'DELETE', `/repos/acme/web/pulls/${pull_number}/merge`);
    expect(cancelled.status).toBe(204);
    expect((await gitea.ask(`GET ${PULL}`, { pull_number })).data.auto_merge).toBeNull();
    expect(await gitea.rig.records.list('auto_merge', '')).toEqual([]);
  });

  it('refuses another head, an unknown method, a draft, and to cancel what somebody else asked for', async () => {
    const pull_number = await open(gitea, 'refused');
    expect((await gitea.ask(`PUT ${LATER}`, { pull_number, sha: '0'.repeat(40) })).status).toBe(409);
    expect((await gitea.ask(`PUT ${LATER}`, { pull_number, merge_method: 'octopus' })).status).toBe(422);
    await gitea.ask(`PUT ${PULL}/draft`, { pull_number, draft: true });
    expect((await gitea.ask(`PUT ${LATER}`, { pull_number })).status).toBe(405);
    await gitea.ask(`PUT ${PULL}/draft`, { pull_number, draft: false });
    await gitea.ask(`PUT ${LATER}`, { pull_number });
    const named = { owner: 'acme', repo: 'web', pull_number };
    expect((await gitea.as('bob').request(`DELETE ${LATER}`, named)).status).toBe(403);
    expect(nativeOf(pull_number).autoMerge.by).toBe('forgeway-bot');
  });

  it('tells threads, and resolves them where the server can', async () => {
    const pull_number = await open(gitea, 'talked');
    const { first, reply } = await talk(gitea, pull_number);
    const threads = async () => (await gitea.ask(`GET ${THREADS}`, { pull_number })).data.map(summary);
    const unresolved = [
      [false, undefined, ['First', 'Indeed']],
      [false, undefined, ['Second']],
    ];
    const listed = await gitea.ask(`GET ${THREADS}`, { pull_number });
    expect([listed.data.map(summary), listed.data[0].comments[1].in_reply_to_id]).toEqual([unresolved, first]);
    const page = await gitea.ask(`GET ${THREADS}`, { pull_number, per_page: 1, page: 2 });
    expect([page.data.map(summary), page.pages]).toEqual([[unresolved[1]], { next: false, last: 2 }]);
    const set = await gitea.ask(RESOLUTION, { pull_number, comment_id: reply, resolved: true });
    if (resolves) {
      expect(set.data).toMatchObject({ resolved: true, comments: [{ id: first }, { id: reply }] });
      expect(await threads()).toEqual([[true, 'forgeway-bot', ['First', 'Indeed']], unresolved[1]]);
      await gitea.ask(RESOLUTION, { pull_number, comment_id: first, resolved: false });
    } else
      expect([set.status, set.data.message]).toEqual([
        501,
        'This server cannot resolve conversations by its API: Gitea 1.26 can.',
      ]);
    expect(await threads()).toEqual(unresolved);
    expect((await gitea.ask(RESOLUTION, { pull_number, comment_id: 4711, resolved: true })).status).toBe(404);
    expect((await gitea.ask(RESOLUTION, { pull_number, comment_id: first })).status).toBe(422);
  });

  it('finds nothing in a repository that is not there', () =>
    gitea.expectMissing(graphqlRows, { pull_number: 1, comment_id: 1, draft: true, resolved: true }));

  it('is all proven', () => {
    const { [RESOLUTION]: _newer, ...older } = graphqlRows;
    if (resolves) gitea.expectEveryRow({ graphqlRows });
    else gitea.expectEveryRow({ 'graphqlRows.older': older });
  });
});

const summary = (thread: Loose) => [
  thread.resolved,
  thread.resolved_by?.login,
  thread.comments.map((one: Loose) => one.body),
];

async function talk(gitea: GiteaRig, pull_number: number): Promise<{ first: number; reply: number }> {
  const path = 'talked.txt';
  const first = await gitea.ask(`POST ${PULL}/comments`, { pull_number, path, line: 1, body: 'First' });
  await gitea.ask(`POST ${PULL}/comments`, { pull_number, path, line: 2, body: 'Second' });
  const to = { pull_number, comment_id: first.data.id, body: 'Indeed' };
  const reply = await gitea.ask(`POST ${PULL}/comments/{comment_id}/replies`, to);
  return { first: first.data.id, reply: reply.data.id };
}

const fetchAs = ({ fake }: GiteaRig, login: string, method: string, path: string): Promise<Response> =>
  fake.api.handle(
    new Request(`${fake.apiUrl}${path}`, { method, headers: { authorization: `token ${fake.addToken(login)}` } }),
  );
