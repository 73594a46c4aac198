/** What differs between versions of the forges, asked of a small client that answers as they do. */
import { describe, expect, it } from '@jest/globals';
import { probeForge } from '../../src/accounts/connecting/probe.js';
import { fixedToken, type OpenConnection } from '../../src/accounts/connections.js';
import type { HookTarget, HookWish } from '../../src/forges/administration.js';
import { administration as giteaAdministration } from '../../src/forges/gitea/hooks.js';
import { gitlab } from '../../src/forges/gitlab/forge.js';
import { administration as gitlabAdministration } from '../../src/forges/gitlab/hooks.js';
import type { NativeClient, NativeRequest } from '../../src/forges/kit/native-client.js';
import { RouteFailure } from '../../src/forges/kit/route.js';
import { ForgewayError } from '../../src/lib/errors.js';

interface Asked {
  call: string;
  json: Record<string, unknown>;
}
type Answer = unknown | ((json: Record<string, unknown>, query: NativeRequest['query']) => unknown);

/** Answers by `METHOD /path`; what is not listed is 404. */
function clientOf(answers: Readonly<Record<string, Answer>>): { native: NativeClient; asked: Asked[] } {
  const asked: Asked[] = [];
  const send: NativeClient['send'] = async (method, path, request = {}) => {
    const json = (request.json ?? {}) as Record<string, unknown>;
    const call = `${method} ${path}`;
    asked.push({ call, json });
    if (!(call in answers)) throw new RouteFailure(404, 'Not Found');
    const answer = answers[call];
    const data = typeof answer === 'function' ? answer(json, request.query) : answer;
    return { status: 200, headers: new Headers(), data };
  };
  const get: NativeClient['get'] = async (path, query) => (await send('GET', path, { query })).data;
  const find: NativeClient['find'] = (path, query) =>
    get(path, query).catch((error: unknown) => {
      if (error instanceof RouteFailure && error.status === 404) return undefined;
      throw error;
    });
  return { native: { send, get, find }, asked };
}

const refuse =
  (status: number, message = 'refused') =>
  () => {
    throw new RouteFailure(status, message);
  };
const target: HookTarget = { level: 'repository', owner: 'acme~sub', name: 'web' };
const wish: HookWish = {
  url: 'https://forgeway.example.com/api/webhooks/x/1',
  secret: 'plain',
  signingSecret: `whsec_${Buffer.alloc(32).toString('base64')}`,
  confidential: false,
};

describe('a GitLab’s hooks', () => {
  const path = '/projects/acme%2Fsub%2Fweb/hooks';
  const made = { id: 5, url: wish.url };

  it('are signed where the version says that it took the signing token, and carry the plain token elsewhere', async () => {
    const newer = clientOf({ [`POST ${path}`]: { ...made, signing_token_present: true } });
    expect(await gitlabAdministration.createHook(newer.native, target, wish)).toMatchObject({
      secret: wish.signingSecret,
    });
    const older = clientOf({ [`POST ${path}`]: made });
    expect(await gitlabAdministration.createHook(older.native, target, wish)).toMatchObject({ secret: 'plain' });
    expect(older.asked[0]?.json).toMatchObject({ confidential_note_events: false, merge_requests_events: true });
  });

  it('are edited in place, but made anew when GitLab had switched them off', async () => {
    const on = clientOf({ [`GET ${path}/5`]: { ...made, alert_status: 'executable' }, [`PUT ${path}/5`]: made });
    expect(await gitlabAdministration.repairHook(on.native, target, '5', wish)).toEqual({
      hookId: '5',
      secret: 'plain',
    });
    const off = clientOf({
      [`GET ${path}`]: [{ ...made, alert_status: 'temporarily_disabled', disabled_until: '2026-01-01T00:00:00Z' }],
      [`GET ${path}/5`]: { ...made, alert_status: 'disabled' },
      [`POST ${path}`]: { ...made, id: 6 },
      [`DELETE ${path}/5`]: undefined,
    });
    expect(await gitlabAdministration.listHooks(off.native, target)).toMatchObject([
      { trouble: 'GitLab switched it off after failed deliveries, until 2026-01-01T00:00:00Z.' },
    ]);
    expect(await gitlabAdministration.repairHook(off.native, target, '5', wish)).toEqual({
      hookId: '6',
      secret: 'plain',
    });
    expect(off.asked.map(({ call }) => call).slice(-2)).toEqual([`POST ${path}`, `DELETE ${path}/5`]);
  });

  it.each([
    [{ push_events_branch_filter: 'release/*', branch_filter_strategy: 'wildcard' }, ['release/*']],
    [{ push_events_branch_filter: '^v', branch_filter_strategy: 'regex' }, ['^v']],
    // Versions that know no strategy.
    [{ push_events_branch_filter: 'main' }, ['main']],
    [{ push_events_branch_filter: 'main', branch_filter_strategy: 'all_branches' }, []],
    [{ push_events_branch_filter: '', branch_filter_strategy: 'wildcard' }, []],
    [{ push_events_branch_filter: null }, []],
  ])('tell the branches that a filter leaves out: %j', async (filter, names) => {
    const { native } = clientOf({ [`GET ${path}`]: [{ ...made, ...filter }] });
    expect(await gitlabAdministration.listHooks(native, target)).toMatchObject([
      { unheard: names.map((name) => `pushes to branches other than ${name}`) },
    ]);
  });

  it('are not tested by versions without that call, nor in an empty project; another refusal is the answer', async () => {
    const test = (answer: Answer) =>
      gitlabAdministration.testHook(clientOf({ [`POST ${path}/5/test/push_events`]: answer }).native, target, '5');
    expect(await gitlabAdministration.testHook(clientOf({}).native, target, '5')).toBe(false);
    expect(await test(refuse(422, 'Ensure the project has at least one commit.'))).toBe(false);
    expect(await test({ message: '201 Created' })).toBe(true);
    await expect(test(refuse(422, 'Hook execution failed: 401'))).rejects.toThrow('401');
  });

  it('say what to do about a refusal', () => {
    const advice = (status: number, message: string, at: HookTarget = target) =>
      gitlabAdministration.hookAdvice(new RouteFailure(status, message), at);
    expect(advice(422, 'Url is blocked: Requests to localhost are not allowed')).toMatch(/Outbound requests/);
    expect(advice(422, 'Invalid url given')).toMatch(/resolve the name.*Outbound requests/);
    expect(advice(422, 'Maximum number of project hooks (100) exceeded')).toMatch(/--organization/);
    expect(advice(429, 'Rate limit exceeded')).toBeUndefined();
    expect(advice(403, '403 Forbidden')).toMatch(/scope "api" and the role Maintainer/);
    expect(advice(404, 'Not Found', { level: 'organization', owner: 'acme' })).toMatch(/Premium/);
    expect(advice(500, 'oops')).toBeUndefined();
  });
});

describe('a GitLab’s token', () => {
  const user = { id: 7, username: 'project_3_bot_9', bot: undefined as boolean | undefined };
  it('is a bot’s by its name where the version does not say so, and a person’s otherwise', async () => {
    const bot = clientOf({ 'GET /user': user, 'GET /version': { version: '16.0.0' } });
    expect(await gitlabAdministration.probe(bot.native)).toMatchObject({
      isPerson: false,
      version: '16.0.0',
      edition: 'community',
      capabilities: ['read', 'comment', 'status', 'hooks'],
      warnings: [],
    });
    const old = clientOf({ 'GET /user': user, 'GET /version': { version: '15.11.0-ee' } });
    expect((await gitlabAdministration.probe(old.native)).warnings).toEqual([
      expect.stringMatching(/^GitLab 15\.11\.0-ee is older than 16/),
    ]);
    const person = clientOf({
      'GET /user': { ...user, username: 'ann', bot: false, is_admin: true },
      'GET /metadata': { version: '18.1.0', enterprise: true },
      'GET /personal_access_tokens/self': { scopes: ['api'], expires_at: '2026-12-24' },
    });
    expect(await gitlabAdministration.probe(person.native)).toMatchObject({
      isPerson: true,
      edition: 'enterprise',
      capabilities: ['read', 'comment', 'status', 'hooks', 'admin'],
      expiresAt: new Date('2026-12-24'),
      warnings: [expect.stringMatching(/belongs to ann, a person/)],
    });
  });
});

describe('a Gitea’s hooks', () => {
  const path = '/repos/acme~sub/web/hooks';
  const made = { id: 5, active: true, config: { url: wish.url } };

  it('leave out newer events where the version refuses them, and pass on any other refusal', async () => {
    const refusing = ({ events }: Record<string, unknown>) => {
      if (Array.isArray(events) && events.includes('workflow_run')) throw new RouteFailure(422, 'Invalid event');
      return made;
    };
    const older = clientOf({ [`POST ${path}`]: refusing });
    expect(await giteaAdministration.createHook(older.native, target, wish)).toMatchObject({
      secret: 'plain',
      hook: { id: '5' },
    });
    expect(older.asked).toHaveLength(2);
    expect(older.asked[1]?.json.events).toEqual(expect.arrayContaining(['pull_request_sync', 'push']));
    await expect(
      giteaAdministration.createHook(clientOf({ [`POST ${path}`]: refuse(403) }).native, target, wish),
    ).rejects.toMatchObject({ status: 403 });
  });

  it('are listed to the end also where the server’s pages are shorter than what was asked for', async () => {
    const pages = [[made, { ...made, id: 6 }], [{ ...made, id: 7 }], []];
    const { native } = clientOf({
      [`GET ${path}`]: (_json: unknown, query: NativeRequest['query']) => pages[Number(query?.page) - 1],
    });
    expect((await giteaAdministration.listHooks(native, target)).map(({ id }) => id)).toEqual(['5', '6', '7']);
  });
});

describe('a Gitea’s token', () => {
  const repository = {
    id: 1,
    name: 'web',
    owner: { login: 'acme' },
    html_url: 'https://git.example.com/acme/web',
    permissions: { admin: true },
  };
  const answers = {
    'GET /user': { id: 3, login: 'bot' },
    'GET /version': { version: '7.0.1+gitea-1.22.0' },
    'GET /user/repos': (_json: unknown, query: NativeRequest['query']) => (query?.page === 1 ? [repository] : []),
  };
  it('is measured on what does not exist', async () => {
    const may = clientOf(answers);
    expect(await giteaAdministration.probe(may.native)).toMatchObject({
      edition: 'forgejo',
      capabilities: ['read', 'comment', 'status', 'hooks'],
      // That comments have a name is no fault of the token.
      warnings: [],
      notes: [expect.stringContaining('under the name of bot')],
    });
    const mayNot = clientOf({
      ...answers,
      'PATCH /repos/acme/web/issues/comments/0': refuse(403),
      'DELETE /repos/acme/web/hooks/0': refuse(403),
    });
    for (const [version, warned] of [
      ['1.19.4', /^Gitea 1\.19\.4 is older than 1\.20/],
      ['6.0.1+gitea-1.21.0', /^Forgejo 6\.0\.1\S* is older than 7/],
      [
        'development',
        /^Gitea tells "development" as its version: it is taken for a current one\. If it is older than 1\.20/,
      ],
      ['1.22.0+dev-3-gabc', undefined],
    ] as const) {
      const older = clientOf({ ...answers, 'GET /version': { version } });
      const { warnings } = await giteaAdministration.probe(older.native);
      expect([version, warnings.filter((one) => one.includes('older'))]).toEqual([
        version,
        warned === undefined ? [] : [expect.stringMatching(warned)],
      ]);
    }
    const facts = await giteaAdministration.probe(mayNot.native);
    expect(facts.capabilities).toEqual(['read']);
    expect(facts.warnings.join('\n')).toMatch(/write:issue.*\n.*write:repository/);
  });
});

describe('an address', () => {
  const connection = { forge: gitlab, baseUrl: 'https://git.example.com', ...fixedToken('t') } as OpenConnection;
  const reason = async (message: string) => {
    const failing = async () => {
      throw new ForgewayError('FORGEWAY_FORGE_UNREACHABLE', message);
    };
    const native: NativeClient = { send: failing, get: failing, find: failing };
    const probed = await probeForge(connection, () => native);
    return probed.ok ? '' : probed.reason;
  };
  it('that speaks no TLS, or shows a certificate that nobody knows, is told from one that is not there', async () => {
    expect(await reason('failed: SSL routines:ssl3_get_record:wrong version number')).toMatch(
      /speaks no TLS.*http:\/\//,
    );
    expect(await reason('failed: self-signed certificate')).toMatch(/--ca-file/);
    expect(await reason('failed: getaddrinfo ENOTFOUND')).toMatch(/cannot be reached .*ENOTFOUND/);
  });
});
