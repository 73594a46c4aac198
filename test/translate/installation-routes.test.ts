import { describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { ProbotOctokit } from 'probot';
import { createMetrics } from '../../src/lib/metrics.js';
import { connectionCredential } from '../../src/translate/credential.js';
import { installationRoutes } from '../../src/translate/installation-routes.js';
import { memoryState } from '../../src/translate/memory-state.js';
import { createVirtualForges } from '../../src/translate/virtual-fetch.js';
import { toy } from '../conformance/toy-forge/forge.js';
import { connectionTo, WEB } from './virtual-rig.js';

const clock = { now: () => new Date('2026-03-02T10:00:00Z') };

function rig(repositories: readonly string[] = ['web', 'api', 'docs']) {
  const connection = connectionTo(toy);
  const state = memoryState(connection, clock);
  for (const [at, name] of repositories.entries())
    state.add({
      remoteId: BigInt(at + 1),
      owner: 'acme',
      name,
      url: `${WEB}/acme/${name}`,
      private: at === 1,
      archived: false,
      defaultBranch: 'main',
    });
  const credential = connectionCredential(connection);
  const virtual = createVirtualForges({
    state,
    log: pino({ level: 'silent' }),
    metrics: createMetrics(),
    clock,
    fetchFor: () => async () => {
      throw new Error('The forge was asked.');
    },
  });
  const fetch = virtual.fetchFor(credential);
  return {
    id: Number(connection.virtualId),
    octokit: new ProbotOctokit({
      baseUrl: credential.baseUrl,
      request: { fetch },
      retry: { enabled: false },
      throttle: { enabled: false },
    }),
  };
}

const place = { owner: 'acme', repo: 'web' };

describe('what GitHub answers about Apps, without asking the forge', () => {
  it('is one App and one installation', async () => {
    const { octokit, id } = rig();
    expect((await octokit.rest.apps.getAuthenticated()).data).toMatchObject({
      slug: 'forgeway',
      owner: { login: 'bot' },
    });
    expect((await octokit.rest.apps.getBySlug({ app_slug: 'forgeway' })).data).toMatchObject({ slug: 'forgeway' });
    const installations = await octokit.paginate(octokit.rest.apps.listInstallations);
    expect(installations).toMatchObject([{ id, account: { id: 7, login: 'bot' }, repository_selection: 'selected' }]);
    expect((await octokit.rest.apps.getInstallation({ installation_id: id })).data.id).toBe(id);
    expect((await octokit.rest.apps.getOrgInstallation({ org: 'acme' })).data.id).toBe(id);
    // Whose repositories are served, and the account of the connection itself.
    expect((await octokit.rest.apps.getUserInstallation({ username: 'Acme' })).data.id).toBe(id);
    expect((await octokit.rest.apps.getUserInstallation({ username: 'bot' })).data.id).toBe(id);
    await expect(octokit.rest.apps.getUserInstallation({ username: 'bob' })).rejects.toMatchObject({ status: 404 });
    expect((await octokit.rest.apps.listInstallationsForAuthenticatedUser()).data).toMatchObject({ total_count: 1 });
  });

  it('is nothing of other installations', async () => {
    const { octokit } = rig();
    const missing = { status: 404 };
    await expect(octokit.rest.apps.getInstallation({ installation_id: 5 })).rejects.toMatchObject(missing);
    await expect(octokit.rest.apps.createInstallationAccessToken({ installation_id: 5 })).rejects.toMatchObject(
      missing,
    );
    await expect(
      octokit.rest.apps.listInstallationReposForAuthenticatedUser({ installation_id: 5 }),
    ).rejects.toMatchObject(missing);
  });

  it('is the repositories that are served, page by page', async () => {
    const { octokit, id } = rig();
    const list = await octokit.paginate(octokit.rest.apps.listReposAccessibleToInstallation, { per_page: 2 });
    expect(list.map(({ full_name }) => full_name)).toEqual(['acme/web', 'acme/api', 'acme/docs']);
    expect(list[1]).toMatchObject({
      id: 2,
      private: true,
      url: `${WEB}/api/v3/repos/acme/api`,
      html_url: `${WEB}/acme/api`,
    });
    const { data } = await octokit.rest.apps.listInstallationReposForAuthenticatedUser({
      installation_id: id,
      per_page: 1,
    });
    expect(data).toMatchObject({ total_count: 3, repositories: [{ name: 'web' }] });
    expect((await rig([]).octokit.rest.apps.listReposAccessibleToInstallation()).data.total_count).toBe(0);
  });

  it('is an installation for those repositories alone, whatever their case', async () => {
    const { octokit, id } = rig();
    expect((await octokit.rest.apps.getRepoInstallation({ ...place, owner: 'ACME' })).data.id).toBe(id);
    await expect(octokit.rest.apps.getRepoInstallation({ ...place, repo: 'other' })).rejects.toMatchObject({
      status: 404,
    });
  });

  it('is the token of the connection, which cannot be taken back by an app', async () => {
    const { octokit, id } = rig();
    const { status, data } = await octokit.rest.apps.createInstallationAccessToken({ installation_id: id });
    expect([status, data.token]).toEqual([201, 'secret-token']);
    expect(Date.parse(data.expires_at)).toBeGreaterThan(Date.now());
    expect((await octokit.rest.apps.revokeInstallationAccessToken()).status).toBe(204);
  });

  it('is a limit that lets it go on, and no marketplace', async () => {
    const { octokit } = rig();
    expect((await octokit.rest.rateLimit.get()).data.rate.remaining).toBeGreaterThan(0);
    expect((await octokit.rest.meta.get()).status).toBe(200);
    for (const asking of [
      octokit.rest.apps.listPlans(),
      octokit.rest.apps.getSubscriptionPlanForAccount({ account_id: 1 }),
      octokit.rest.apps.getSubscriptionPlanForAccountStubbed({ account_id: 1 }),
    ])
      await expect(asking).rejects.toMatchObject({ status: 404 });
  });
});

it('every route of ours says what it is', () => {
  expect(Object.values(installationRoutes).map(({ support }) => support)).not.toContain('partial');
});
