/** Deployments on a server that has none: kept by us, shown as a status of their commit. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type GiteaRig, type Loose, startGitea } from '../../../../test/support/gitea-rig.js';
import { deployments } from './deployments.js';

const R = '/repos/{owner}/{repo}';
const ONE = `${R}/deployments/{deployment_id}`;

describe('deployments on Gitea', () => {
  let gitea: GiteaRig;
  let sha: string;
  beforeAll(async () => {
    gitea = await startGitea();
    sha = await gitea.fake.push('acme', 'web', { branch: 'topic', by: 'bob', files: { 'a.txt': 'a\n' } });
  });
  afterAll(() => gitea.close());

  const wish = {
    ref: 'topic',
    environment: 'staging',
    task: 'deploy:web',
    payload: { build: 7 },
    description: 'Nightly',
  };
  const combined = async () => (await gitea.ask(`GET ${R}/commits/{ref}/status`, { ref: sha })).data;
  /** What people see on the commit. */
  const seen = (): Loose[] => gitea.fake.state.repositories.find(({ name }) => name === 'web')?.statuses.get(sha) ?? [];

  it('are made, listed, and shown as a status that no app takes for one', async () => {
    expect((await gitea.ask(`POST ${R}/deployments`, { ...wish, ref: 'nowhere' })).data.message).toBe(
      'No ref found for: nowhere',
    );
    expect((await gitea.ask(`POST ${R}/deployments`, { ...wish, required_contexts: ['ci'] })).status).toBe(409);
    const made = await gitea.ask(`POST ${R}/deployments`, { ...wish, required_contexts: [] });
    expect(made).toMatchObject({ status: 201, data: { ...wish, sha, production_environment: false } });
    expect(seen()).toMatchObject([{ context: 'deploy/staging', state: 'pending', description: 'Nightly' }]);
    expect((await combined()).total_count).toBe(0);
    expect((await gitea.ask(`GET ${R}/deployments`, { environment: 'staging', ref: 'topic' })).data).toEqual([
      made.data,
    ]);
    expect((await gitea.ask(`GET ${R}/deployments`, { environment: 'production' })).data).toEqual([]);

    const which = { deployment_id: made.data.id };
    expect((await gitea.ask(`GET ${ONE}`, which)).data).toEqual(made.data);
    expect((await gitea.ask(`GET ${ONE}/statuses`, which)).data).toEqual([]);
    const log = 'https://ci.example.org/7';
    const said = await gitea.ask(`POST ${ONE}/statuses`, { ...which, state: 'success', log_url: log });
    expect(said).toMatchObject({ status: 201, data: { state: 'success', target_url: log, environment: 'staging' } });
    expect(seen().find((one) => one.state === 'success')).toMatchObject({
      ...{ context: 'deploy/staging', targetUrl: log, description: 'Deployment of topic: success' },
    });
    const one = { ...which, status_id: said.data.id };
    expect((await gitea.ask(`GET ${ONE}/statuses/{status_id}`, one)).data).toEqual(said.data);
    expect((await gitea.ask(`GET ${ONE}/statuses/{status_id}`, { ...which, status_id: made.data.id })).status).toBe(
      404,
    );
    expect((await combined()).total_count).toBe(0);
    expect((await gitea.ask(`POST ${ONE}/statuses`, { ...which, state: 'great' })).status).toBe(422);

    const next = await gitea.ask(`POST ${R}/deployments`, { ...wish, ref: sha, required_contexts: [] });
    await gitea.ask(`POST ${ONE}/statuses`, { deployment_id: next.data.id, state: 'success' });
    expect((await gitea.ask(`GET ${ONE}/statuses`, which)).data[0]).toMatchObject({ state: 'inactive' });

    const active = await gitea.ask(`DELETE ${ONE}`, { deployment_id: next.data.id });
    expect([active.status, active.data.message]).toEqual([422, expect.stringContaining('active deployment')]);
    expect((await gitea.ask(`DELETE ${ONE}`, which)).status).toBe(204);
    for (const row of [`GET ${ONE}`, `GET ${ONE}/statuses`, `DELETE ${ONE}`])
      expect([row, (await gitea.ask(row, which)).status]).toEqual([row, 404]);
    expect((await gitea.ask(`GET ${R}/deployments`)).data).toEqual([expect.objectContaining({ id: next.data.id })]);
    // What it left on the commit is no status of an app's.
    expect(seen().length).toBeGreaterThan(1);
    expect((await combined()).total_count).toBe(0);
    expect((await gitea.ask(`DELETE ${ONE}`, { deployment_id: next.data.id })).status).toBe(204);
  });

  it('are of their repository, and missing with it', async () => {
    const { data } = await gitea.ask(`POST ${R}/deployments`, { ...wish, environment: 'x', required_contexts: [] });
    await gitea.expectMissing(deployments, {
      deployment_id: data.id,
      status_id: data.id,
      state: 'success',
      ref: 'main',
    });
    for (const row of [`GET ${ONE}`, `GET ${ONE}/statuses`])
      expect((await gitea.ask(row, { deployment_id: 1 })).status).toBe(404);
    gitea.expectEveryRow({ deployments });
  });
});
