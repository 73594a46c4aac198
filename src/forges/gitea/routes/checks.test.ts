import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type GiteaRig, type Loose, startGitea } from '../../../../test/support/gitea-rig.js';
import { gitea as descriptor } from '../forge.js';
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

  it('are asked for by a push, with the suite that the routes know', async () => {
    const [pushed] = gitea.fake.webhooks.sent.filter(({ event }) => event === 'push');
    const delivery = { eventType: 'push', payload: pushed?.payload as Loose, receivedAt: new Date() };
    const classified = descriptor.classify('push', delivery.payload, {});
    const events = classified.kind === 'ignored' ? [] : classified.events;
    expect(events.map(({ name, action }) => [name, action])).toEqual([
      ['push', undefined],
      ['check_suite', 'requested'],
    ]);
    const base = { api: 'https://gitea.test/api/v3', web: 'https://gitea.test' };
    const ports = { base, wanted: new Set<string>(), records: gitea.rig.records };
    const told = (await descriptor.payload(delivery, events[1] as Loose, ports)) as Loose;
    expect(told).toMatchObject({
      action: 'requested',
      check_suite: { head_sha: sha, head_branch: 'feature/x', status: 'queued', after: sha },
    });
    const which = { check_suite_id: told.check_suite.id };
    expect((await gitea.ask('GET /repos/{owner}/{repo}/check-suites/{check_suite_id}', which)).data.head_sha).toBe(sha);
    const gone = { ...delivery.payload, before: sha, after: '0'.repeat(40) };
    const deleted = descriptor.classify('push', gone, {});
    expect(deleted.kind === 'ignored' ? [] : deleted.events.map(({ name }) => name)).toEqual(['push']);
  });

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
    expect([unknown.status, unknown.data.message]).toEqual([422, `No commit found for SHA: ${'f'.repeat(40)}`]);
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

  it('are listed for a commit: the newest of each name, and the jobs of Actions', async () => {
    const again = await gitea.ask(`POST ${RUNS}`, { name: 'dco', head_sha: 'feature/x', conclusion: 'success' });
    const { state } = gitea.fake;
    const web = state.repositories.find(({ owner, name }) => owner === 'acme' && name === 'web');
    web?.statuses.get(sha)?.push({
      id: state.nextId(),
      state: 'failure',
      context: 'ci.yml / test (push)',
      description: 'Failing after 3s',
      targetUrl: '/acme/web/actions/runs/1/jobs/0',
      creator: 'gitea-actions',
      created: state.now(),
    });
    const listed = await gitea.ask('GET /repos/{owner}/{repo}/commits/{ref}/check-runs', { ref: 'feature/x' });
    expect(listed.data.check_runs.map((run: Loose) => [run.name, run.conclusion, run.details_url]).sort()).toEqual([
      ['ci.yml / test (push)', 'failure', 'https://gitea.test/acme/web/actions/runs/1/jobs/0'],
      ['dco', 'success', `https://forgeway.test/checks/${again.data.id}`],
    ]);
    expect(listed.data.total_count).toBe(2);
    const all = await gitea.ask('GET /repos/{owner}/{repo}/commits/{ref}/check-runs', {
      ref: sha,
      filter: 'all',
      check_name: 'dco',
    });
    expect([all.data.total_count, all.data.check_runs.at(-1).id]).toEqual([2, again.data.id]);
  });

  it('of one name stand side by side on the page, and apps see neither of them marked', async () => {
    const head = await gitea.fake.push('acme', 'web', { branch: 'both', by: 'bob', files: { 'b.txt': 'b\n' } });
    const { data: run } = await gitea.ask(`POST ${RUNS}`, { name: 'both', head_sha: head, status: 'in_progress' });
    const status = await gitea.ask(STATUS, { sha: head, state: 'failure', context: 'both' });
    expect(status.data.context).toBe('both');
    await gitea.ask(`PATCH ${RUN}`, { check_run_id: run.id, conclusion: 'success' });
    const native = gitea.fake.state.repositories.find(({ name }) => name === 'web')?.statuses.get(head) ?? [];
    const latest = new Map(native.map((one) => [one.context, one.state]));
    expect([...latest.values()].sort()).toEqual(['failure', 'success']);
    const { data } = await gitea.ask('GET /repos/{owner}/{repo}/commits/{ref}/status', { ref: head });
    expect(data.statuses.map((one: Loose) => [one.context, one.state])).toEqual([['both', 'failure']]);
  });

  it('are no statuses, and a status of the same name is no check run', async () => {
    const own = await gitea.ask(STATUS, { sha, state: 'pending', context: 'dco', description: 'a status' });
    for (const what of ['status', 'statuses']) {
      const { data } = await gitea.ask(`GET /repos/{owner}/{repo}/commits/{ref}/${what}`, { ref: sha });
      const found = (what === 'status' ? data.statuses : data) as Loose[];
      expect(new Set(found.map((one) => one.context))).toEqual(new Set(['ci/build', 'ci/lint', 'dco']));
      expect(found.filter((one) => one.context === 'dco').map((one) => one.id)).toEqual([own.data.id]);
    }
    const { data } = await gitea.ask('GET /repos/{owner}/{repo}/commits/{ref}/check-runs', { ref: sha });
    expect(data.check_runs.map((run: Loose) => run.name).sort()).toEqual(['ci.yml / test (push)', 'dco']);
  });

  it('stand in one suite for each commit', async () => {
    const suites = await gitea.ask('GET /repos/{owner}/{repo}/commits/{ref}/check-suites', { ref: sha });
    expect(suites.data).toMatchObject({
      total_count: 1,
      check_suites: [{ head_sha: sha, status: 'completed', conclusion: 'failure', latest_check_runs_count: 2 }],
    });
    const [suite] = suites.data.check_suites;
    const one = { check_suite_id: suite.id };
    expect((await gitea.ask('GET /repos/{owner}/{repo}/check-suites/{check_suite_id}', one)).data).toEqual(suite);
    expect(
      (await gitea.ask('GET /repos/{owner}/{repo}/check-suites/{check_suite_id}/check-runs', one)).data.total_count,
    ).toBe(2);
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
