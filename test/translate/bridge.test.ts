import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Probot } from 'probot';
import { virtualInstallationId } from '../../src/accounts/virtual-installation.js';
import type { Dispatcher } from '../../src/inbox/dispatch.js';
import { currentDelivery } from '../../src/lib/delivery-scope.js';
import { nock } from '../support/nock.js';
import { createRig, fixture, type Rig } from './bridge-rig.js';

const API = 'https://api.github.com';
const signal = new AbortController().signal;
const answersToken = (installation: number, token = `ghs_of${installation}`) =>
  nock(API)
    .post(`/app/installations/${installation}/access_tokens`)
    .matchHeader('authorization', /^Bearer eyJ/)
    .reply(201, {
      token,
      expires_at: new Date(Date.now() + 3_600_000).toISOString(),
      permissions: { contents: 'read' },
      repository_selection: 'all',
    });

let rig: Rig;
let hookId: string;

beforeAll(async () => {
  rig = await createRig();
  hookId = await rig.hook({ scope: 'app' });
});
afterAll(() => rig.database.drop());
beforeEach(() => void rig.lines.splice(0));

const app = (load: (probot: Probot) => void, name = 'greeter') => ({ name, load });

describe('an app written for GitHub', () => {
  it('reads its configuration, pages through lists, comments and signs in, all through our fetch', async () => {
    const seen: unknown[] = [];
    const bridge = await rig.bridge([
      app((probot) => {
        probot.on('pull_request.opened', async (context) => {
          const config = await context.config<{ greeting: string }>('greeter.yml');
          const files = await context.octokit.paginate(context.octokit.rest.pulls.listFiles, context.pullRequest());
          await context.octokit.rest.issues.createComment(
            context.issue({ body: `${config?.greeting} ${files.length}` }),
          );
          const other = await probot.auth(43);
          seen.push((await other.rest.repos.get(context.repo())).data.id, currentDelivery()?.organizationId);
          seen.push((await (await probot.auth()).rest.apps.getAuthenticated()).data?.slug);
        });
      }),
    ]);
    answersToken(42);
    answersToken(43);
    const as42 = nock(API, { reqheaders: { authorization: 'token ghs_of42' } });
    as42
      .get('/repos/acme/web/contents/.github%2Fgreeter.yml')
      .reply(200, 'greeting: Hello\n', { 'content-type': 'application/vnd.github.raw; charset=utf-8' });
    as42
      .get('/repos/acme/web/pulls/12/files')
      .reply(200, [{}, {}], { link: `<${API}/repos/acme/web/pulls/12/files?page=2>; rel="next"` });
    as42.get('/repos/acme/web/pulls/12/files?page=2').reply(200, [{}]);
    as42.post('/repos/acme/web/issues/12/comments', { body: 'Hello 3' }).reply(201, { id: 1 });
    nock(API, { reqheaders: { authorization: 'token ghs_of43' } })
      .get('/repos/acme/web')
      .reply(200, { id: 7001 });
    nock(API, { reqheaders: { authorization: /^Bearer eyJ/ } })
      .get('/app')
      .reply(200, { slug: 'forgeway' });

    const result = await bridge.run(rig.delivery({ name: 'pull_request.opened', hookId }), signal);
    expect(result).toEqual({ kind: 'done' });
    expect(seen).toEqual([7001, rig.database.organizationId, 'forgeway']);
    const log = rig.lines.join('');
    expect(log).toContain('"request":"POST /repos/{}/{}/issues/{}/comments"');
    expect(log).not.toMatch(/ghs_|eyJ|Greet visitors|"body"/);
  });

  it('asks for one token when fifty listeners want one', async () => {
    const bridge = await rig.bridge([
      app((probot) => {
        for (let listener = 0; listener < 50; listener += 1)
          probot.on('push', async (context) => {
            await context.octokit.rest.repos.get(context.repo());
          });
      }),
    ]);
    answersToken(42);
    nock(API).get('/repos/acme/web').times(50).reply(200, {});
    await bridge.run(rig.delivery({ name: 'push', hookId }), signal);
  });

  it('can hand the token itself to git', async () => {
    const tokens: unknown[] = [];
    const told = { permissions: { contents: 'read' }, repositorySelection: 'all', repositoryIds: [7] };
    const bridge = await rig.bridge([
      app((probot) => {
        probot.on('push', async (context) => {
          tokens.push(await context.octokit.auth({ type: 'installation', repositoryIds: [7] }));
        });
      }),
    ]);
    answersToken(42);
    await bridge.run(rig.delivery({ name: 'push', hookId }), signal);
    expect(tokens).toEqual([
      expect.objectContaining({ type: 'token', tokenType: 'installation', token: 'ghs_of42', ...told }),
    ]);
  });

  it('can hand on the signature of the App, with whose it is and how long it lasts', async () => {
    const signatures: unknown[] = [];
    const bridge = await rig.bridge([
      app((probot) => {
        probot.on('push', async (context) => {
          signatures.push(await context.octokit.auth({ type: 'app' }));
        });
      }),
    ]);
    await bridge.run(rig.delivery({ name: 'push', hookId }), signal);
    const expiresAt = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:]+\.000Z$/);
    expect(signatures).toEqual([{ type: 'app', token: expect.stringMatching(/^ey/), appId: 12345, expiresAt }]);
  });

  it('has no credential once the App is removed', async () => {
    const bridge = await rig.bridge([
      app((probot) => {
        probot.on('installation.deleted', async (context) => {
          await context.octokit.rest.apps.listReposAccessibleToInstallation();
        });
      }),
    ]);
    const payload = { ...fixture('installation.created'), action: 'deleted' };
    const run = bridge.run(rig.delivery({ name: 'installation', payload, hookId }), signal);
    await expect(run).rejects.toMatchObject({ cause: { code: 'FORGEWAY_INSTALLATION_UNKNOWN' } });
    await run.catch((error) => expect(bridge.isPermanent(error)).toBe(true));
  });
});

describe('failures', () => {
  const failing = (listener: (context: { octokit: { request(route: string): Promise<unknown> } }) => unknown) =>
    rig.bridge([
      app((probot) => {
        probot.on('push', async (context) => {
          await listener(context as never);
        });
      }),
    ]);
  const outcome = async (listener: Parameters<typeof failing>[0]) => {
    const bridge = await failing(listener);
    const error: unknown = await bridge.run(rig.delivery({ name: 'push', hookId }), signal).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    return { error, permanent: bridge.isPermanent(error) };
  };

  it('come back as the app threw them, without the payload', async () => {
    const mine = new Error('no such greeting');
    const { error, permanent } = await outcome(() => {
      throw mine;
    });
    expect(error).toBe(mine);
    expect(error).not.toHaveProperty('event');
    expect(permanent).toBe(false);
    expect(rig.lines.join('')).not.toContain('pusher');
  });

  it.each(['text', undefined, null, 7])('come back as errors when the app throws %p', async (thrown) => {
    const { error } = await outcome(() => Promise.reject(thrown));
    expect(error).toBeInstanceOf(Error);
  });

  it.each([
    [404, {}, true],
    [410, {}, true],
    [422, {}, true],
    [451, {}, true],
    [501, {}, true],
    [403, {}, true],
    [401, {}, false],
    [409, {}, false],
    [500, {}, false],
  ])('with status %i %j: permanent is %s', async (status, headers, permanent) => {
    answersToken(42);
    nock(API).post('/repos/acme/web/labels').reply(status, { message: 'no' }, headers);
    const result = await outcome((context) => context.octokit.request('POST /repos/acme/web/labels'));
    expect(result).toMatchObject({ error: { status, name: 'HttpError' }, permanent });
  });

  it.each([
    [403, { 'retry-after': '1800' }],
    [403, { 'x-ratelimit-remaining': '0' }],
    [429, { 'retry-after': '1800' }],
  ])("with status %i %j are the forge's wish to be asked less, and no failure of the app", async (status, headers) => {
    answersToken(42);
    nock(API).post('/repos/acme/web/labels').reply(status, { message: 'no' }, headers);
    const { error, permanent } = await outcome((context) => context.octokit.request('POST /repos/acme/web/labels'));
    expect({ error, permanent }).toMatchObject({ error: { code: 'FORGEWAY_FORGE_LIMIT' }, permanent: false });
    expect((error as Error).cause).toMatchObject({ name: 'HttpError', status });
  });

  it('of the network reach the app as a RequestError, and are worth another try', async () => {
    answersToken(42);
    nock(API)
      .post('/repos/acme/web/labels')
      .replyWithError(Object.assign(new Error('reset'), { code: 'ECONNRESET' }));
    const result = await outcome((context) => context.octokit.request('POST /repos/acme/web/labels'));
    expect(result).toMatchObject({
      error: { name: 'HttpError', cause: { code: 'FORGEWAY_FORGE_UNREACHABLE' } },
      permanent: false,
    });
  });

  it('of an installation without a token are not taken for a missing file', async () => {
    nock(API).post('/app/installations/42/access_tokens').reply(404, { message: 'Not Found' });
    const bridge = await rig.bridge([
      app((probot) => {
        probot.on('push', async (context) => {
          await context.config('greeter.yml');
        });
      }),
    ]);
    const run = bridge.run(rig.delivery({ name: 'push', hookId }), signal);
    await expect(run).rejects.toMatchObject({ status: 500, cause: { code: 'FORGEWAY_INSTALLATION_UNKNOWN' } });
    await run.catch((error) => expect(bridge.isPermanent(error)).toBe(true));
  });

  it('of one app leave the others alone; one that may pass keeps all of an app’s alive', async () => {
    const ran: string[] = [];
    const bridge = await rig.bridge([
      app((probot) => {
        probot.on('push', () => Promise.reject(Object.assign(new Error('one'), { name: 'HttpError' })));
        probot.on('push', () => Promise.reject(new Error('two')));
      }, 'broken'),
      app((probot) => {
        probot.on('push', async () => void ran.push('fine'));
      }, 'fine'),
    ]);
    const broken = bridge.run(rig.delivery({ name: 'push', hookId, app: 'broken' }), signal);
    await expect(broken).rejects.toThrow('one; two');
    await bridge.run(rig.delivery({ name: 'push', hookId, app: 'fine' }), signal);
    expect(ran).toEqual(['fine']);
  });

  it('end with the handler’s signal when a request hangs', async () => {
    const controller = new AbortController();
    answersToken(42);
    nock(API).get('/repos/acme/web').delay(60_000).reply(200, {});
    const bridge = await failing((context) => {
      setImmediate(() => controller.abort());
      return context.octokit.request('GET /repos/acme/web');
    });
    const run = bridge.run(rig.delivery({ name: 'push', hookId }), controller.signal);
    await expect(run).rejects.toMatchObject({ cause: { code: 'FORGEWAY_HANDLER_TIMEOUT' } });
    nock.abortPendingRequests();
    nock.cleanAll();
  });

  it('of a body are permanent', async () => {
    const bridge = await failing(() => undefined);
    const broken = { ...rig.delivery({ name: 'push', hookId }), body: Buffer.from('[]') };
    const run = bridge.run(broken, signal);
    await expect(run).rejects.toMatchObject({ code: 'FORGEWAY_PAYLOAD_INVALID' });
    await run.catch((error) => expect(bridge.isPermanent(error)).toBe(true));
  });
});

describe('subscriptions', () => {
  it('are what the app asked Probot for, in any of its ways', async () => {
    const nothing = async () => undefined;
    const bridge: Dispatcher = await rig.bridge([
      app((probot) => probot.on(['issues.opened', 'push'], nothing), 'both'),
      app((probot) => probot.onAny(nothing), 'any'),
      app((probot) => probot.webhooks.on('issues', nothing), 'webhooks'),
      app((probot) => probot.webhooks.onAny(nothing), 'any-webhooks'),
      app((probot) => probot.onError(nothing), 'none'),
    ]);
    const any = ['any', 'any-webhooks'];
    expect(bridge.subscribers('issues', 'opened').toSorted()).toEqual([...any, 'both', 'webhooks']);
    expect(bridge.subscribers('issues', 'closed').toSorted()).toEqual([...any, 'webhooks']);
    expect(bridge.subscribers('push', undefined).toSorted()).toEqual([...any, 'both']);
    expect(bridge.subscribers('quantum_merge', 'x').toSorted()).toEqual(any);
  });

  it('include events that Probot has never heard of', async () => {
    const seen: unknown[] = [];
    const bridge = await rig.bridge([
      app((probot) =>
        probot.on('quantum_merge' as never, async (context: { name: string }) => void seen.push(context.name)),
      ),
    ]);
    const payload = { repository: fixture('push').repository };
    await bridge.run(rig.delivery({ name: 'quantum_merge', payload, hookId }), signal);
    expect(seen).toEqual(['quantum_merge']);
  });

  it('end the start when an app does not load', async () => {
    const load = () => {
      throw new Error('no key');
    };
    await expect(rig.bridge([app(load)])).rejects.toMatchObject({ code: 'FORGEWAY_APP_UNUSABLE' });
  });

  it('of an app that is gone are ignored with a reason', async () => {
    const bridge = await rig.bridge([]);
    expect(await bridge.run(rig.delivery({ name: 'push', hookId }), signal)).toMatchObject({ kind: 'ignored' });
  });
});

describe('which installation speaks', () => {
  const seeing = async () => {
    const ids: unknown[] = [];
    const bridge = await rig.bridge([
      app((probot) => {
        probot.on('push', async (context) => {
          ids.push((context.payload as { installation?: { id: number } }).installation?.id);
          await context.octokit.rest.repos.get(context.repo());
        });
      }),
    ]);
    return { bridge, ids };
  };

  it('keeps the default App’s numbers, and notes the installation', async () => {
    const { bridge, ids } = await seeing();
    answersToken(42);
    nock(API).get('/repos/acme/web').reply(200, {});
    await bridge.run(rig.delivery({ name: 'push', hookId }), signal);
    expect(ids).toEqual([42]);
    const row = await rig.database
      .store('worker')
      .pool.query(`SELECT app_id, virtual_id FROM installation WHERE installation_id = 42 AND host = 'github.com'`);
    expect(row.rows).toEqual([{ app_id: '12345', virtual_id: 42n }]);
  });

  it.each([
    ['host', { host: 'ghe.example.com', appId: '12345' }],
    ['App', { host: 'github.com', appId: '999' }],
  ])('shows those of another %s under another number, and never lends them our key', async (_what, other) => {
    const { bridge, ids } = await seeing();
    const otherHook = await rig.hook({ scope: 'app', ...other });
    const run = bridge.run(rig.delivery({ name: 'push', hookId: otherHook, host: other.host }), signal);
    await expect(run).rejects.toMatchObject({ cause: { code: 'FORGEWAY_INSTALLATION_UNKNOWN' } });
    expect(ids).toEqual([Number(virtualInstallationId({ forge: 'github', ...other, installationId: 42n }))]);
  });

  it('does not believe the hook of a repository that names an installation', async () => {
    const { bridge, ids } = await seeing();
    const ofRepository = await rig.hook({ scope: 'repository', appId: null });
    const foreign = { ...fixture('push'), repository: { ...(fixture('push').repository as object), id: 7999 } };
    const run = bridge.run(rig.delivery({ name: 'push', payload: foreign, hookId: ofRepository }), signal);
    await expect(run).rejects.toMatchObject({ cause: { code: 'FORGEWAY_INSTALLATION_UNKNOWN' } });
    expect(ids).toEqual([undefined]);
  });

  it('gives that hook the installation that covers its repository', async () => {
    const { bridge, ids } = await seeing();
    await rig.repository({ remoteId: 7100, name: 'web', installation: { id: 51 } });
    const ofRepository = await rig.hook({ scope: 'repository', appId: null });
    const payload = { ...fixture('push'), repository: { ...(fixture('push').repository as object), id: 7100 } };
    answersToken(51);
    nock(API, { reqheaders: { authorization: 'token ghs_of51' } })
      .get('/repos/acme/web')
      .reply(200, {});
    await bridge.run(rig.delivery({ name: 'push', payload, hookId: ofRepository }), signal);
    expect(ids).toEqual([51]);
  });
});

describe('for jobs', () => {
  const narrowed = (remoteId: number, permissions?: Record<string, string>) =>
    nock(API)
      .post('/app/installations/60/access_tokens', { repository_ids: [remoteId], ...(permissions && { permissions }) })
      .reply(201, { token: `ghs_only${remoteId}`, expires_at: new Date(Date.now() + 3_600_000).toISOString() });

  it('an Octokit reaches its repository alone', async () => {
    const id = await rig.repository({ remoteId: 7201, name: 'one', installation: { id: 60 } });
    const bridge = await rig.bridge([]);
    narrowed(7201);
    nock(API, { reqheaders: { authorization: 'token ghs_only7201' } })
      .get('/repos/acme/one')
      .reply(200, { id: 7201 });
    const octokit = await bridge.octokitFor(rig.database.organizationId, id);
    expect((await octokit.rest.repos.get({ owner: 'acme', repo: 'one' })).data.id).toBe(7201);
  });

  it('git gets a password that reads it, and where to use it', async () => {
    const id = await rig.repository({ remoteId: 7202, name: 'two', installation: { id: 60 } });
    const bridge = await rig.bridge([]);
    narrowed(7202, { contents: 'read' });
    expect(await bridge.gitAccess(rig.database.organizationId, id)).toEqual({
      url: 'https://github.com/acme/two.git',
      username: 'x-access-token',
      password: 'ghs_only7202',
      origin: 'https://github.com',
      pullRequestRef: expect.any(Function),
    });
  });

  it.each([
    ['suspended', { id: 61, status: 'suspended' }],
    ['deleted', { id: 62, status: 'deleted' }],
    ['none', undefined],
  ])('there is neither when the installation is %s', async (what, installation) => {
    const id = await rig.repository({ remoteId: 7300 + what.length, name: what, installation });
    const bridge = await rig.bridge([]);
    const unknown = { code: 'FORGEWAY_INSTALLATION_UNKNOWN', message: expect.stringContaining('Install the App') };
    await expect(bridge.octokitFor(rig.database.organizationId, id)).rejects.toMatchObject(unknown);
    await expect(bridge.gitAccess(rig.database.organizationId, id)).rejects.toMatchObject(unknown);
  });

  it.each([
    [7401, '..'],
    [7402, 'a/b'],
    [7403, 'x?y'],
    [7404, 'a b'],
    [7405, ''],
  ])('git gets nothing for repository %i, called %p', async (remoteId, name) => {
    const id = await rig.repository({ remoteId, name, installation: { id: 60 } });
    const bridge = await rig.bridge([]);
    await expect(bridge.gitAccess(rig.database.organizationId, id)).rejects.toMatchObject({
      code: 'FORGEWAY_INSTALLATION_UNKNOWN',
    });
  });
});

it('does not hand an event to an app apart from us when its writes are to be held back', async () => {
  const seen: string[] = [];
  const bridge = await rig.bridge([
    { ...app((probot) => probot.on('push', async () => void seen.push('run'))), apart: true },
  ]);
  for (const writes of ['shadow', 'rehearsal'] as const)
    expect(await bridge.run(rig.delivery({ name: 'push', hookId, writes }), signal)).toEqual({
      kind: 'ignored',
      reason: 'greeter runs in a process of its own, whose writes cannot be held back.',
    });
  await bridge.run(rig.delivery({ name: 'push', hookId }), signal);
  expect(seen).toEqual(['run']);
});

it('loads apps and makes no request while no App is set up', async () => {
  const bridge = await rig.bridge(
    [
      app((probot) => {
        probot.on('push', async (context) => {
          await context.octokit.rest.repos.get(context.repo());
        });
      }),
    ],
    null,
  );
  expect(bridge.subscribers('push', undefined)).toEqual(['greeter']);
  const run = bridge.run(rig.delivery({ name: 'push', hookId }), signal);
  await expect(run).rejects.toMatchObject({ cause: { message: expect.stringContaining('set APP_ID') } });
});

it('tells an app what was made ready for it, once', async () => {
  const seen: unknown[] = [];
  const bridge = await rig.bridge([
    app((probot) => probot.on('push', async ({ payload }) => void seen.push(payload.ref))),
  ]);
  const told = (ref: string, over: object = {}) =>
    rig.delivery({ name: 'push', payload: { ...fixture('push'), ref }, hookId, ...over });
  const early = told('refs/heads/early');
  bridge.prepare(early);
  // Under the same number, so that it shows which of the two was translated.
  const late = { ...told('refs/heads/late'), deliveryId: early.deliveryId };
  await bridge.run(late, signal);
  await bridge.run(late, signal);
  bridge.prepare({ ...early, app: 'gone' });
  bridge.prepare({ ...early, body: Buffer.from('{'), payload: undefined });
  await expect(bridge.run(late, signal)).rejects.toMatchObject({ code: 'FORGEWAY_PAYLOAD_INVALID' });
  expect(seen).toEqual(['refs/heads/early', 'refs/heads/late']);
});
