import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { decodeProtectedHeader, jwtVerify } from 'jose';
import { createAppAuth, needsAppSignature } from './app-auth.js';

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
/** PKCS#1, as GitHub hands it out. */
const pem = privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();
const START = Date.parse('2026-03-02T10:00:00Z');

function rig(respond?: (count: number) => Response) {
  const requests: { url: string; body: unknown }[] = [];
  const time = { now: START };
  const minted = () =>
    Response.json(
      { token: `ghs_${requests.length}`, expires_at: new Date(time.now + 3_600_000).toISOString() },
      { status: 201 },
    );
  const auth = createAppAuth({
    appId: '12345',
    privateKey: pem,
    apiUrl: 'https://api.github.com',
    clock: { now: () => new Date(time.now) },
    send: async (url, init) => {
      requests.push({ url, body: JSON.parse(String(init.body)) });
      return respond?.(requests.length) ?? minted();
    },
  });
  return { auth, requests, time };
}

const of42 = { installationId: 42n };

describe('the signature', () => {
  it('is RS256, begins a minute ago and ends in less than ten', async () => {
    const { auth } = rig();
    const { token, expiresAt } = await auth.signature();
    expect(decodeProtectedHeader(token).alg).toBe('RS256');
    const { payload } = await jwtVerify(token, publicKey, { currentDate: new Date(START) });
    const now = START / 1_000;
    expect(payload).toEqual({ iss: '12345', iat: now - 60, exp: now + 540 });
    expect(expiresAt).toEqual(new Date((now + 540) * 1_000));
  });

  it('is what routes of the App itself want, and no others', () => {
    for (const path of ['/app', '/app/installations/1', '/repos/a/b/installation', '/orgs/a/installation'])
      expect(needsAppSignature(path)).toBe(true);
    for (const path of ['/apps/x', '/installation/repositories', '/repos/a/b', '/repos/a/app/installation/x'])
      expect(needsAppSignature(path)).toBe(false);
  });
});

describe('installation tokens', () => {
  it('are asked for once by fifty callers at the same time', async () => {
    const { auth, requests } = rig();
    const tokens = await Promise.all(Array.from({ length: 50 }, () => auth.installationToken(of42)));
    expect(new Set(tokens.map(({ token }) => token))).toEqual(new Set(['ghs_1']));
    expect(requests).toEqual([{ url: 'https://api.github.com/app/installations/42/access_tokens', body: {} }]);
  });

  it('are kept fifty minutes and then replaced once by fifty callers', async () => {
    const { auth, requests, time } = rig();
    await auth.installationToken(of42);
    time.now = START + 50 * 60_000 - 1;
    expect((await auth.installationToken(of42)).token).toBe('ghs_1');
    time.now = START + 50 * 60_000;
    const tokens = await Promise.all(Array.from({ length: 50 }, () => auth.installationToken(of42)));
    expect(new Set(tokens.map(({ token }) => token))).toEqual(new Set(['ghs_2']));
    expect(requests).toHaveLength(2);
  });

  it('are apart by installation, repositories and permissions', async () => {
    const { auth, requests } = rig();
    const narrow = { installationId: 42n, repositoryIds: [7n, 5n], permissions: { contents: 'read' } };
    const scopes = [of42, { installationId: 43n }, narrow, { ...narrow, repositoryIds: [5n, 7n] }];
    const tokens = await Promise.all(scopes.map(async (scope) => (await auth.installationToken(scope)).token));
    expect(tokens).toEqual(['ghs_1', 'ghs_2', 'ghs_3', 'ghs_3']);
    expect(requests[2]?.body).toEqual({ repository_ids: [7, 5], permissions: { contents: 'read' } });
  });

  it('are not kept when there is none: the next caller asks again', async () => {
    const { auth, requests } = rig((count) =>
      count === 1
        ? new Response('', { status: 502 })
        : Response.json({ token: 'ghs_late', expires_at: '2026-03-02T11:00:00Z' }),
    );
    await expect(auth.installationToken(of42)).rejects.toMatchObject({ code: 'FORGEWAY_FORGE_UNREACHABLE' });
    expect((await auth.installationToken(of42)).token).toBe('ghs_late');
    expect(requests).toHaveLength(2);
  });

  it.each([
    [401, {}, 'FORGEWAY_APP_REFUSED'],
    [403, {}, 'FORGEWAY_INSTALLATION_UNKNOWN'],
    [404, {}, 'FORGEWAY_INSTALLATION_UNKNOWN'],
    [422, {}, 'FORGEWAY_INSTALLATION_UNKNOWN'],
    [403, { 'retry-after': '60' }, 'FORGEWAY_FORGE_UNREACHABLE'],
    [429, {}, 'FORGEWAY_FORGE_UNREACHABLE'],
    [500, {}, 'FORGEWAY_FORGE_UNREACHABLE'],
    [200, {}, 'FORGEWAY_FORGE_UNREACHABLE'],
  ])('end with a reason when the forge answers %i %j', async (status, headers, code) => {
    const { auth } = rig(() => new Response('<html>', { status, headers }));
    await expect(auth.installationToken(of42)).rejects.toMatchObject({ code });
  });

  it('are replaced after a refusal, but not more often than every thirty seconds', async () => {
    const { auth, requests, time } = rig();
    const { token } = await auth.installationToken(of42);
    expect(await auth.reject(of42, token)).toBe(false);
    expect((await auth.installationToken(of42)).token).toBe('ghs_1');
    time.now += 30_000;
    expect(await auth.reject(of42, token)).toBe(true);
    expect((await auth.installationToken(of42)).token).toBe('ghs_2');
    expect(await auth.reject(of42, token)).toBe(true);
    expect((await auth.installationToken(of42)).token).toBe('ghs_2');
    expect(requests).toHaveLength(2);
  });
});
