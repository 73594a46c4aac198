import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type GiteaRig, type Loose, startGitea } from '../../../../test/support/gitea-rig.js';
import { checks } from './checks.js';
import { statuses } from './statuses.js';

const STATUS = 'POST /repos/{owner}/{repo}/statuses/{sha}';
const RUNS = '/repos/{owner}/{repo}/check-runs';
const RUN = `${RUNS}/{check_run_id}`;

describe('statuses and checks on Gitea', () => {
  let gitea: GiteaRig;
  let sha: string;
  beforeAll(async () => {
    gitea = await startGitea();
    sha = await gitea.fake.push('acme', 'web', { branch: 'feature/x', by: 'bob', files: { 'a.txt': 'a\n' } });
  });
  afterAll(() => gitea.close());

  it('are set on a commit and added up', async () => {
    const made = await gitea.ask(STATUS, {
      sha,
      state: 'pending',
      context: 'ci/build',
      description: 'Wait',
      target_url: 'https://ci.test/1',
    });
    expect(gitea.rig.calls.at(-1)).toMatchObject({
      path: `/repos/acme/web/statuses/${sha}`,
      json: { state: 'pending', context: 'ci/build', description: 'Wait', target_url: 'https://ci.test/1' },
    });
    expect([made.status, made.data.state, made.data.context]).toEqual([201, 'pending', 'ci/build']);
    const sum = async () =>
      (await gitea.ask('GET /repos/{owner}/{repo}/commits/{ref}/status', { ref: 'feature/x' })).data;
    expect(await sum()).toMatchObject({ state: 'pending', total_count: 1, sha });
    await gitea.ask(STATUS, { sha, state: 'success', context: 'ci/build' });
    expect(await sum()).toMatchObject({ state: 'success', total_count: 1, statuses: [{ state: 'success' }] });
    await gitea.ask(STATUS, { sha, state: 'error', context: 'ci/lint' });
    expect(await sum()).toMatchObject({ state: 'failure', total_count: 2 });
    const listed = await gitea.ask('GET /repos/{owner}/{repo}/commits/{ref}/statuses', { ref: sha, per_page: 2 });
    expect(listed.data.map((one: Loose) => one.state)).toEqual(['error', 'success']);
    expect(listed.pages).toEqual({ next: true, last: 2 });
  });

  it('are refused for a commit that is not there, and in words that are none', async () => {
    const unknown = await gitea.ask(STATUS, { sha: 'f'.repeat(40), state: 'success' });
    expect([unknown.status, unknown.data.errors[0].message]).toEqual([
      422,
      `No commit found for SHA: ${'f'.repeat(40)}`,
    ]);
    expect((await gitea.ask(STATUS, { sha, state: 'great' })).status).toBe(422);
    for (const what of ['status', 'statuses', 'check-runs', 'check-suites'])
      expect((await gitea.ask(`GET /repos/{owner}/{repo}/commits/{ref}/${what}`, { ref: 'none' })).status).toBe(404);
  });

  it('that are check runs are kept here and shown as a status of the same name', async () => {
    const made = await gitea.ask(`POST ${RUNS}`, {
      name: 'dco',
      head_sha: sha,
      status: 'in_progress',
      external_id: 'x-1',
    });
    expect([made.status, made.data.status, made.data.conclusion, made.data.head_sha]).toEqual([
      201,
      'in_progress',
      null,
      sha,
    ]);
    expect(gitea.rig.calls.at(-1)).toMatchObject({
      method: 'POST',
      path: `/repos/acme/web/statuses/${sha}`,
      json: {
        state: 'pending',
        context: 'dco',
        description: 'in progress',
        target_url: `https://forgeway.test/checks/${made.data.id}`,
      },
    });
    const done = await gitea.ask(`PATCH ${RUN}`, {
      check_run_id: made.data.id,
      conclusion: 'action_required',
      output: {
        title: 'Sign off',
        summary: 'Two commits',
        annotations: [{ path: 'a.txt', start_line: 1, end_line: 1, annotation_level: 'failure', message: 'no' }],
      },
    });
    expect(done.data).toMatchObject({
      id: made.data.id,
      status: 'completed',
      conclusion: 'action_required',
      external_id: 'x-1',
      output: { title: 'Sign off', annotations_count: 1 },
    });
    expect(gitea.rig.calls.at(-1)?.json).toMatchObject({ state: 'failure', context: 'dco', description: 'Sign off' });
    expect((await gitea.ask(`GET ${RUN}`, { check_run_id: made.data.id })).data).toEqual(done.data);
    const notes = await gitea.ask(`GET ${RUN}/annotations`, { check_run_id: made.data.id });
    expect(notes.data).toMatchObject([{ path: 'a.txt', message: 'no' }]);
  });

  it('are listed for a commit: the newest of each name, and the statuses of others', async () => {
    const again = await gitea.ask(`POST ${RUNS}`, { name: 'dco', head_sha: 'feature/x', conclusion: 'success' });
    const listed = await gitea.ask('GET /repos/{owner}/{repo}/commits/{ref}/check-runs', { ref: 'feature/x' });
    expect(listed.data.check_runs.map((run: Loose) => [run.name, run.conclusion]).sort()).toEqual([
      ['ci/build', 'success'],
      ['ci/lint', 'failure'],
      ['dco', 'success'],
    ]);
    expect(listed.data.total_count).toBe(3);
    const all = await gitea.ask('GET /repos/{owner}/{repo}/commits/{ref}/check-runs', {
      ref: sha,
      filter: 'all',
      check_name: 'dco',
    });
    expect([all.data.total_count, all.data.check_runs.at(-1).id]).toEqual([2, again.data.id]);
  });

  it('stand in one suite for each commit', async () => {
    const suites = await gitea.ask('GET /repos/{owner}/{repo}/commits/{ref}/check-suites', { ref: sha });
    expect(suites.data).toMatchObject({
      total_count: 1,
      check_suites: [{ head_sha: sha, status: 'completed', conclusion: 'failure', latest_check_runs_count: 3 }],
    });
    const [suite] = suites.data.check_suites;
    const one = { check_suite_id: suite.id };
    expect((await gitea.ask('GET /repos/{owner}/{repo}/check-suites/{check_suite_id}', one)).data).toEqual(suite);
    expect(
      (await gitea.ask('GET /repos/{owner}/{repo}/check-suites/{check_suite_id}/check-runs', one)).data.total_count,
    ).toBe(3);
    const made = await gitea.ask('POST /repos/{owner}/{repo}/check-suites', { head_sha: sha });
    expect([made.status, made.data.id]).toEqual([201, suite.id]);
    expect(
      (await gitea.ask('GET /repos/{owner}/{repo}/check-suites/{check_suite_id}', { check_suite_id: 4711 })).status,
    ).toBe(404);
  });

  it('are refused when they say nothing, and told to no other repository', async () => {
    expect((await gitea.ask(`POST ${RUNS}`, { head_sha: sha })).status).toBe(422);
    expect((await gitea.ask(`POST ${RUNS}`, { name: 'x' })).status).toBe(422);
    expect((await gitea.ask(`POST ${RUNS}`, { name: 'x', head_sha: 'f'.repeat(40) })).status).toBe(422);
    expect((await gitea.ask(`POST ${RUNS}`, { name: 'x', head_sha: sha, status: 'completed' })).status).toBe(422);
    expect((await gitea.ask(`POST ${RUNS}`, { name: 'x', head_sha: sha, conclusion: 'great' })).status).toBe(422);
    const made = await gitea.ask(`POST ${RUNS}`, { name: 'private', head_sha: sha });
    const elsewhere = { owner: 'alice', repo: 'tool', check_run_id: made.data.id };
    for (const method of ['GET', 'PATCH']) expect((await gitea.ask(`${method} ${RUN}`, elsewhere)).status).toBe(404);
    expect((await gitea.ask('POST /repos/{owner}/{repo}/check-suites', {})).status).toBe(422);
  });

  it('are not there in a repository that is not there', async () => {
    const more = { sha, ref: 'main', state: 'success', name: 'x', head_sha: sha, check_run_id: 1, check_suite_id: 1 };
    for (const table of [statuses, checks]) await gitea.expectMissing(table, more);
  });

  it('are all proven', () => {
    gitea.expectEveryRow({ statuses, checks });
  });
});
