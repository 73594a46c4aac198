/** An app that asks as itself: schedulers, which work through every installation by the clock. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Context, Probot } from 'probot';
import { forges } from '../../src/forges/registry.js';
import { type DeliveryScope, runInDelivery } from '../../src/lib/delivery-scope.js';
import { ForgewayError } from '../../src/lib/errors.js';
import { createLogger } from '../../src/lib/logger.js';
import { createAppInstallations } from '../../src/translate/app-installations.js';
import { noCredential } from '../../src/translate/credential.js';
import { type FakeInstance, place, startInstance, translated } from './fake-instance.js';

describe.each(translated.map((forge) => [forge.label, forge] as const))(
  'on %s, without an App on GitHub',
  (_label, forge) => {
    const probots: Probot[] = [];
    let instance: FakeInstance;
    const load = (app: Probot) => {
      probots.push(app);
      app.on('schedule.repository' as 'issues', async (context: Context<'issues'>) => {
        await context.octokit.rest.issues.create(context.repo({ title: 'Made by the clock' }));
      });
    };
    beforeAll(async () => {
      instance = await startInstance(forge, [{ name: 'scheduler', load }]);
    });
    afterAll(() => instance.close());

    it('lists the connection as an installation, and its repositories', async () => {
      const app = probots[0] as Probot;
      const octokit = await app.auth();
      const installations = await octokit.paginate(octokit.rest.apps.listInstallations, { per_page: 100 });
      expect(installations).toMatchObject([
        { id: instance.rehearsal.installationId, account: { login: instance.fake.bot.login } },
      ]);
      const one = await octokit.rest.apps.getInstallation({ installation_id: instance.rehearsal.installationId });
      expect(one.data.id).toBe(instance.rehearsal.installationId);
      expect((await octokit.rest.apps.getAuthenticated()).data).toMatchObject({ slug: 'forgeway' });
      const found = await octokit.rest.apps.getRepoInstallation({ owner: place.owner, repo: place.name });
      expect(found.data.id).toBe(instance.rehearsal.installationId);
      const inside = await app.auth(instance.rehearsal.installationId);
      const served = await inside.paginate(inside.rest.apps.listReposAccessibleToInstallation);
      expect(served).toMatchObject([{ full_name: 'acme/web', owner: { login: 'acme' } }]);
    });

    it('tells what a token is as GitHub does, also when nobody says of which kind', async () => {
      const inside = await (probots[0] as Probot).auth(instance.rehearsal.installationId);
      const told = {
        ...{ type: 'token', tokenType: 'installation', token: instance.fake.token, repositorySelection: 'selected' },
        installationId: instance.rehearsal.installationId,
        permissions: expect.objectContaining({ contents: 'write', metadata: 'read' }),
      };
      for (const question of [{ type: 'installation' }, undefined]) {
        const answer = (await inside.auth(question as never)) as { createdAt: string; expiresAt: string };
        expect(answer).toMatchObject(told);
        expect(Date.parse(answer.expiresAt) - Date.parse(answer.createdAt)).toBe(3_600_000);
      }
    });

    it('signs as the App that it is told of, and asks with that', async () => {
      const octokit = await (probots[0] as Probot).auth();
      const signed = (await octokit.auth({ type: 'app' })) as Record<string, string>;
      expect(signed).toMatchObject({ type: 'app', token: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/) });
      expect(Date.parse(String(signed.expiresAt)) - Date.now()).toBeGreaterThan(8 * 60_000);
      const headers = { authorization: `Bearer ${signed.token}` };
      const { data } = await octokit.request('GET /app', { headers });
      expect(data).toMatchObject({ id: signed.appId, slug: 'forgeway' });
      const listed = await octokit.request('GET /app/installations', { headers });
      expect(listed.data).toMatchObject([{ id: instance.rehearsal.installationId }]);
    });

    it('may make events itself, and speak for the installation in them', async () => {
      const app = probots[0] as Probot;
      const payload = {
        action: 'repository',
        installation: { id: instance.rehearsal.installationId },
        repository: { name: place.name, owner: { login: place.owner } },
      };
      await app.receive({ id: 'by the clock', name: 'schedule', payload } as never);
      const { issues } = await instance.fake.state(place);
      expect(issues).toMatchObject([{ title: 'Made by the clock', author: instance.fake.bot.login }]);
    });
  },
);

describe('beside an App on GitHub', () => {
  const log = createLogger({ level: 'silent', format: 'json' });
  const endpoint = [...forges.values()][0]?.endpoint('https://github.com');
  if (endpoint === undefined) throw new Error('no forge');
  const app = noCredential(endpoint, 'never asked');
  const connection = { ...app, baseUrl: 'https://forge.test/api/v3', connection: {} as never };
  const asked: string[] = [];
  const open = (answer: (url: URL) => Response, ids: readonly bigint[] = [900n, 901n], hasApp = true) =>
    createAppInstallations({
      app,
      hasApp,
      lookup: { connected: async () => ids },
      ofHook: async ({ hookId }) =>
        hookId === 'ours' ? { ...connection, connection: { virtualId: 900n } as never } : undefined,
      async ofInstallation(id) {
        if (id === 901n) throw new ForgewayError('FORGEWAY_CONNECTION_UNUSABLE', 'It was removed.');
        return connection;
      },
      fetchFor: (credential) => async (input) => {
        asked.push(input);
        if (credential === connection) return Response.json(input.endsWith('s') ? [{ id: 900 }] : { id: 900 });
        return answer(new URL(input));
      },
      log,
    }).fetch;
  const list = (page: number) => `${app.baseUrl}/app/installations?page=${page}`;

  it('adds ours after the last of theirs, and leaves out what cannot be used', async () => {
    const send = open((url) =>
      url.searchParams.get('page') === '1'
        ? Response.json([{ id: 1 }], { headers: { link: `<${list(2)}>; rel="next"` } })
        : Response.json([{ id: 2 }]),
    );
    expect(await (await send(list(1))).json()).toEqual([{ id: 1 }]);
    const last = await send(list(2));
    expect(last.url).toBe(list(2));
    expect(await last.json()).toEqual([{ id: 2 }, { id: 900 }]);
  });

  it('asks GitHub for its own installations, and passes its failures on', async () => {
    const send = open(() => Response.json({ message: 'Bad credentials' }, { status: 401 }));
    expect((await send(list(1))).status).toBe(401);
    asked.splice(0);
    await send(`${app.baseUrl}/app/installations/5`);
    await send(`${app.baseUrl}/app/installations/900`);
    expect(asked).toEqual([`${app.baseUrl}/app/installations/5`, 'https://forge.test/api/v3/app/installations/900']);
  });

  it('says as GitHub does that GraphQL is asked as an installation, where there is no App on GitHub to ask', async () => {
    asked.splice(0);
    const post = { method: 'POST', body: '{"query":"{ viewer { login } }"}' };
    for (const url of [`${app.baseUrl}/graphql`, `${app.baseUrl}/api/graphql`]) {
      const answer = await open(() => Response.json({}), [900n], false)(url, post);
      expect([answer.status, await answer.json()]).toMatchObject([
        401,
        { message: expect.stringContaining('authenticated') },
      ]);
    }
    expect(asked).toEqual([]);
    await open(() => Response.json({}))(`${app.baseUrl}/graphql`, post);
    expect(asked).toEqual([`${app.baseUrl}/graphql`]);
  });

  it('never guesses whose repository it is', async () => {
    const missing = () => Response.json({ message: 'Not Found' }, { status: 404 });
    const path = `${app.baseUrl}/repos/acme/web/installation`;
    expect(await (await open(missing)(path)).json()).toEqual({ id: 900 });
    for (const hasApp of [true, false]) {
      const several = await open(missing, [900n, 902n], hasApp)(path);
      const said = { message: expect.stringMatching(/^Several installations have a place of this name/) };
      expect([several.status, await several.json()]).toMatchObject([404, said]);
    }
  });

  it('takes the connection that told of what an app runs on, before a place of that name anywhere else', async () => {
    const send = open(() => Response.json({ id: 5 }), [900n, 902n]);
    const from = (hookId: string, path: string) =>
      runInDelivery({ hookId } as DeliveryScope, async () => (await send(`${app.baseUrl}${path}`)).json());
    for (const path of ['/repos/acme/web/installation', '/orgs/acme/installation', '/users/acme/installation'])
      expect([path, await from('ours', path), await from('an App’s', path)]).toEqual([path, { id: 900 }, { id: 5 }]);
  });

  it('finds nothing in the words of GitHub where there is no App there, and needs none for what is the same for all', async () => {
    const never = () => Response.json({ message: 'No App' }, { status: 418 });
    const none = await open(never, [901n], false)(`${app.baseUrl}/orgs/acme/installation`);
    expect([none.status, await none.json()]).toMatchObject([404, { message: 'Not Found' }]);
    for (const path of ['/app', '/rate_limit', '/meta', '/apps/forgeway'])
      expect([path, (await open(never, [900n], false)(`${app.baseUrl}${path}`)).status]).toEqual([path, 200]);
  });
});
