import { describe, expect, it } from '@jest/globals';
import type { JsonObject } from '../forge.js';
import { composedRoutes } from './composed-routes.js';
import { type RouteAnswer, type RouteContext, RouteFailure } from './route.js';
import { createRouter, runRoute } from './router.js';

const R = '/repos/{owner}/{repo}';
const BASE = { api: 'https://forge.test/api/v3', web: 'https://forge.test' };
const router = createRouter(composedRoutes);

/** Lists of other rows, by route: pages of 100 are cut from them. A row that is not named is not there. */
function forge(rows: Readonly<Record<string, unknown>>) {
  const asked: [string, JsonObject][] = [];
  const github = async (route: string, parameters: JsonObject) => {
    asked.push([route, parameters]);
    const found = rows[route];
    if (found === undefined) throw new RouteFailure(404, 'Not Found');
    const from = (Number(parameters.page ?? 1) - 1) * 100;
    const cut = (list: unknown) => (Array.isArray(list) ? list.slice(from, from + 100) : list);
    if (Array.isArray(found)) return cut(found);
    return Object.fromEntries(Object.entries(Object(found)).map(([key, value]) => [key, cut(value)]));
  };
  const context = { github, base: BASE } as unknown as RouteContext;
  const ask = async (path: string, accept = 'application/json'): Promise<RouteAnswer> => {
    const match = router.match('GET', path);
    if (match === undefined) throw new Error(`Nothing answers ${path}.`);
    return runRoute(match, { method: 'GET', path, headers: new Headers({ accept }), body: undefined }, context);
  };
  return { ask, asked };
}

const repository = { url: `${BASE.api}/repos/acme/web`, html_url: `${BASE.web}/acme/web` };

describe('branches where a commit is the head', () => {
  it('are found behind the first page', async () => {
    const others = Array.from({ length: 130 }, (_, at) => ({ name: `b${at}`, commit: { sha: 'b' } }));
    const wanted = { name: 'main', commit: { sha: 'a1' }, protected: true };
    const { ask } = forge({ [`GET ${R}/commits/{ref}`]: {}, [`GET ${R}/branches`]: [...others, wanted] });
    expect((await ask('/repos/acme/web/commits/a1/branches-where-head')).data).toEqual([wanted]);
    expect((await ask('/repos/acme/web/commits/c3/branches-where-head')).data).toEqual([]);
  });

  it('are of a commit that is there', async () => {
    const { ask } = forge({ [`GET ${R}/branches`]: [] });
    await expect(ask('/repos/acme/web/commits/a1/branches-where-head')).rejects.toMatchObject({ status: 404 });
  });
});

describe('runs of one workflow', () => {
  const runs = [7, 8, 7].map((workflow_id, at) => ({ id: at + 1, workflow_id }));
  const rows = {
    [`GET ${R}/actions/workflows/{workflow_id}`]: { id: 7 },
    [`GET ${R}/actions/runs`]: { total_count: 3, workflow_runs: runs },
  };

  it('are those of all that are of it, filtered as they are, page by page', async () => {
    const { ask, asked } = forge(rows);
    const path = '/repos/acme/web/actions/workflows/ci.yml/runs?branch=main&per_page=1&page=2';
    expect(await ask(path)).toEqual({
      data: { total_count: 2, workflow_runs: [runs[2]] },
      pages: { next: false, last: 2 },
    });
    expect(asked).toEqual([
      [`GET ${R}/actions/workflows/{workflow_id}`, { owner: 'acme', repo: 'web', workflow_id: 'ci.yml' }],
      [`GET ${R}/actions/runs`, { owner: 'acme', repo: 'web', branch: 'main', page: 1, per_page: 100 }],
    ]);
  });

  it('are none of a workflow that is not there', async () => {
    const { ask } = forge({ [`GET ${R}/actions/runs`]: rows[`GET ${R}/actions/runs`] });
    await expect(ask('/repos/acme/web/actions/workflows/9/runs')).rejects.toMatchObject({ status: 404 });
  });
});

describe('whether a team reaches a repository', () => {
  const reached = { full_name: 'Acme/Web', permissions: { push: true } };
  const { ask } = forge({ 'GET /orgs/{org}/teams/{team_slug}/repos': [reached] });

  it('is answered without words, or with the repository for whoever asks for it', async () => {
    expect(await ask('/orgs/acme/teams/core/repos/acme/web')).toEqual({ status: 204 });
    const accept = 'application/vnd.github.v3.repository+json';
    expect(await ask('/orgs/acme/teams/core/repos/acme/web', accept)).toEqual({ data: reached });
    await expect(ask('/orgs/acme/teams/core/repos/acme/other')).rejects.toMatchObject({ status: 404 });
  });
});

describe('invitations', () => {
  it('are none, of a repository that is there', async () => {
    const there = forge({ [`GET ${R}`]: repository });
    expect((await there.ask('/repos/acme/web/invitations')).data).toEqual([]);
    await expect(forge({}).ask('/repos/acme/web/invitations')).rejects.toMatchObject({ status: 404 });
  });
});

describe('environments', () => {
  const deployments = [
    { id: 9, environment: 'staging', created_at: '3', updated_at: '3' },
    { id: 8, environment: 'review/a b', created_at: '2', updated_at: '2' },
    { id: 7, environment: 'staging', created_at: '1', updated_at: '2' },
  ];
  const { ask } = forge({ [`GET ${R}`]: repository, [`GET ${R}/deployments`]: deployments });

  it('are those that something was deployed to, once each, since the first time', async () => {
    expect((await ask('/repos/acme/web/environments')).data).toMatchObject({
      total_count: 2,
      environments: [
        { id: 8, name: 'review/a b', url: `${repository.url}/environments/review%2Fa%20b` },
        { id: 7, name: 'staging', created_at: '1', updated_at: '3', protection_rules: [] },
      ],
    });
    expect((await ask('/repos/acme/web/environments?per_page=1&page=2')).data).toMatchObject({
      total_count: 2,
      environments: [{ name: 'staging' }],
    });
  });

  it('are found by their name', async () => {
    expect((await ask('/repos/acme/web/environments/review%2Fa%20b')).data).toMatchObject({ id: 8 });
    await expect(ask('/repos/acme/web/environments/none')).rejects.toMatchObject({ status: 404 });
  });
});
