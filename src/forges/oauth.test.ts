import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { RouteFailure } from './kit/route.js';
import { authorizationUrl, readTokenAnswer, tokenRequest } from './oauth.js';
import { forgeById, forges } from './registry.js';

const at = new Date('2026-11-26T12:00:00Z');
const client = { id: 'client-1', secret: 's3cret&=' };

function forge(id: string) {
  const descriptor = forgeById(id);
  if (descriptor?.oauth === undefined) throw new Error(`${id} has no OAuth`);
  return { descriptor, oauth: descriptor.oauth };
}

/** Answers by path; an answer that is an Error is thrown. */
const native = (answers: Record<string, unknown>) => ({
  get: async (path: string) => {
    const answer = answers[path];
    if (answer === undefined) throw new RouteFailure(404, 'Not Found');
    if (answer instanceof Error) throw answer;
    return answer;
  },
});

describe('addresses', () => {
  it.each([
    ['github', 'https://github.com', 'https://github.com/login/oauth/authorize', '/login/oauth/access_token'],
    ['github', 'https://ghe.example.com', 'https://ghe.example.com/login/oauth/authorize', '/login/oauth/access_token'],
    ['gitlab', 'https://gitlab.com', 'https://gitlab.com/oauth/authorize', '/oauth/token'],
    ['gitlab', 'https://x.example:8443/git/lab/', 'https://x.example:8443/git/lab/oauth/authorize', '/oauth/token'],
    ['gitea', 'https://x.example/gitea', 'https://x.example/gitea/login/oauth/authorize', '/login/oauth/access_token'],
    ['forgejo', 'https://codeberg.org', 'https://codeberg.org/login/oauth/authorize', '/login/oauth/access_token'],
  ])('%s at %s', (id, base, authorize, token) => {
    const { descriptor, oauth } = forge(id);
    const endpoint = descriptor.endpoint(base);
    expect(oauth.authorizeUrl(endpoint)).toBe(authorize);
    expect(oauth.tokenUrl(endpoint)).toBe(`${base.replace(/\/$/, '')}${token}`);
  });

  it('a browser is sent with the hash of the verifier, never the verifier', () => {
    const { descriptor, oauth } = forge('gitlab');
    const verifier = 'v'.repeat(43);
    const href = authorizationUrl(oauth, descriptor.endpoint('https://x.example/git'), {
      client,
      redirectUri: 'https://me.example/api/auth/callback/gitlab-x?a=1',
      state: 'st+te',
      scopes: ['read_user', 'read_api'],
      verifier,
    });
    const { searchParams } = new URL(href);
    expect(Object.fromEntries(searchParams)).toEqual({
      response_type: 'code',
      client_id: 'client-1',
      redirect_uri: 'https://me.example/api/auth/callback/gitlab-x?a=1',
      state: 'st+te',
      scope: 'read_user read_api',
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
    });
    expect(href).not.toContain(verifier);
    expect(href).not.toContain('s3cret');
  });

  it('ending a grant names its tokens in the body alone, to the client’s own address', () => {
    const requestsOf = (id: string, base: string) => {
      const { descriptor, oauth } = forge(id);
      const tokens = { accessToken: 'gone/1', refreshToken: 'gone/2' };
      return oauth.revocation?.requests(descriptor.endpoint(base), client, tokens) ?? [];
    };
    const gitlab = requestsOf('gitlab', 'https://x.example/git');
    expect(gitlab.map(({ url }) => url)).toEqual(Array(2).fill('https://x.example/git/oauth/revoke'));
    expect(gitlab.map(({ init }) => new URLSearchParams(init.body).get('token'))).toEqual(['gone/2', 'gone/1']);
    const [github, ...more] = requestsOf('github', 'https://ghe.example.com');
    expect(more).toEqual([]);
    expect(github?.url).toBe('https://ghe.example.com/api/v3/applications/client-1/token');
    expect(JSON.parse(github?.init.body ?? '')).toEqual({ access_token: 'gone/1' });
    // There only the owner does it, and is told where.
    expect(requestsOf('gitea', 'https://x.example')).toEqual([]);
    const { descriptor, oauth } = forge('gitea');
    expect(oauth.grantsUrl(descriptor.endpoint('https://x.example/git'))).toBe(
      'https://x.example/git/user/settings/applications',
    );
  });
});

describe('token requests', () => {
  const { descriptor, oauth } = forge('gitea');
  const endpoint = descriptor.endpoint('https://x.example');
  const formOf = (body = '') => Object.fromEntries(new URLSearchParams(body));

  it('exchange a code with its verifier', () => {
    const grant = { type: 'code', code: 'c/1', redirectUri: 'https://me.example/cb', verifier: 'v' } as const;
    const { init } = tokenRequest(oauth, endpoint, client, grant);
    expect(init.method).toBe('POST');
    expect(formOf(init.body)).toEqual({
      grant_type: 'authorization_code',
      code: 'c/1',
      redirect_uri: 'https://me.example/cb',
      code_verifier: 'v',
      client_id: 'client-1',
      client_secret: 's3cret&=',
    });
  });

  it('refresh, and leave out the secret of a public client', () => {
    const { init } = tokenRequest(oauth, endpoint, { id: 'public' }, { type: 'refresh', refreshToken: 'r+1' });
    expect(formOf(init.body)).toEqual({ grant_type: 'refresh_token', refresh_token: 'r+1', client_id: 'public' });
  });
});

describe('token answers', () => {
  const read = (status: number, body: unknown) =>
    readTokenAnswer(status, typeof body === 'string' ? body : JSON.stringify(body), at);

  it('a full one, counted from our own clock', () => {
    const body = {
      access_token: 'a',
      refresh_token: 'r',
      expires_in: 7200,
      refresh_token_expires_in: '15897600',
      scope: 'repo,read:org user',
      created_at: 1,
    };
    expect(read(200, body)).toEqual({
      kind: 'granted',
      tokens: {
        accessToken: 'a',
        refreshToken: 'r',
        expiresAt: new Date('2026-11-26T14:00:00Z'),
        refreshTokenExpiresAt: new Date(at.getTime() + 15_897_600_000),
        scopes: ['repo', 'read:org', 'user'],
      },
    });
  });

  it('one that lives until it is revoked', () => {
    const body = { access_token: 'a', expires_in: null, refresh_token: '', token_type: 'bearer' };
    expect(read(200, body)).toEqual({ kind: 'granted', tokens: { accessToken: 'a' } });
  });

  it.each([
    // GitHub says no with success.
    [200, { error: 'bad_refresh_token', error_description: 'expired' }, 'bad_refresh_token'],
    [400, { error: 'invalid_grant', error_description: 'gone' }, 'invalid_grant'],
    [401, { error: 'invalid_client' }, 'invalid_client'],
    [404, 'Not Found', 'http_404'],
  ])('%i %j is a refusal', (status, body, error) => {
    expect(read(status, body)).toMatchObject({ kind: 'refused', error });
  });

  it.each([
    [500, { error: 'invalid_grant' }],
    [429, { error: 'slow_down' }],
    [502, '<html>'],
    [200, '<html>maintenance</html>'],
    [200, { token: 'other' }],
    [200, { access_token: '' }],
    [200, '{"access_token":"a'],
    [200, 'null'],
    [302, ''],
  ])('%i %j may have given tokens or not', (status, body) => {
    expect(read(status, body).kind).toBe('unclear');
  });
});

describe('who a token speaks for', () => {
  const github = { id: 7, login: 'mona', name: null, email: 'shown@example.com', avatar_url: 'https://a.example/7' };

  it('GitHub: the primary address, never the one that is shown', async () => {
    const list = [
      { email: 'other@example.com', primary: false, verified: true },
      { email: 'mona@example.com', primary: true, verified: true },
    ];
    expect(await forge('github').oauth.identity(native({ '/user': github, '/user/emails': list }))).toEqual({
      id: 7n,
      login: 'mona',
      name: null,
      email: 'mona@example.com',
      emailVerified: true,
      avatarUrl: 'https://a.example/7',
    });
  });

  it('without the scope for addresses there is none', async () => {
    const answers = { '/user': github, '/user/emails': new RouteFailure(403, 'no') };
    expect(await forge('github').oauth.identity(native(answers))).toMatchObject({ email: null, emailVerified: false });
    const broken = { '/user': github, '/user/emails': new RouteFailure(502, 'broken') };
    await expect(forge('github').oauth.identity(native(broken))).rejects.toThrow('broken');
  });

  it('GitLab: an address counts once the account is confirmed', async () => {
    const user = { id: '9007199254740993', username: 'ann', name: 'Ann', email: 'ann@example.com', avatar_url: null };
    const of = (confirmed_at: string | null) =>
      forge('gitlab').oauth.identity(native({ '/user': { ...user, confirmed_at } }));
    expect(await of('2020-01-01')).toEqual({
      id: 9007199254740993n,
      login: 'ann',
      name: 'Ann',
      email: 'ann@example.com',
      emailVerified: true,
      avatarUrl: null,
    });
    expect(await of(null)).toMatchObject({ email: 'ann@example.com', emailVerified: false });
  });

  it('Gitea: an address that was not confirmed is not verified', async () => {
    const user = { id: 3, login: 'ben', full_name: '', email: 'ben@example.com', avatar_url: 'https://a.example/3' };
    const list = [{ email: 'ben@example.com', primary: true, verified: false }];
    for (const id of ['gitea', 'forgejo'])
      expect(await forge(id).oauth.identity(native({ '/user': user, '/user/emails': list }))).toEqual({
        id: 3n,
        login: 'ben',
        name: null,
        email: 'ben@example.com',
        emailVerified: false,
        avatarUrl: 'https://a.example/3',
      });
  });

  it('an answer without an id signs nobody in', async () => {
    for (const { oauth } of [...forges.values()].filter((one) => one.oauth !== undefined))
      for (const user of [{}, { login: 'x', username: 'x' }, { id: -1, login: 'x', username: 'x' }, []])
        await expect(oauth?.identity(native({ '/user': user }))).rejects.toThrow();
  });
});
