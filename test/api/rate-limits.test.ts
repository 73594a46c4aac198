/** How often callers may ask, and how each surface says that it was too often. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createBuckets } from '../../src/api/rate-limits.js';
import { type ApiRig, startApiRig } from './api-rig.js';

const clock = { ms: 0 };
const from = { address: '192.0.2.1' };
let rig: ApiRig;
beforeAll(async () => {
  const limits = { perCaller: 6, perAddress: 2, addressOf: () => from.address, now: () => clock.ms };
  rig = await startApiRig({ limits });
});
afterAll(() => rig.close());
/** Everybody's bucket is full again. */
beforeEach(() => {
  clock.ms += 60_000;
});

const get = (caller: Parameters<ApiRig['call']>[0], url = '/api/v1/repositories') => rig.call(caller, 'GET', url);
const spend = async (caller: Parameters<ApiRig['call']>[0], times: number) => {
  for (let i = 0; i < times; i += 1) expect((await get(caller)).statusCode).not.toBe(429);
};

describe('a bucket', () => {
  it('lets as many through as it holds, and then at an even pace', () => {
    const now = { ms: 0 };
    const take = createBuckets(60, () => now.ms);
    for (let i = 0; i < 60; i += 1) expect(take('a', 1).allowed).toBe(true);
    expect(take('a', 1)).toEqual({ allowed: false, limit: 60, remaining: 0, resetSeconds: 60, retryAfterSeconds: 1 });
    expect(take('b', 1).allowed).toBe(true);
    now.ms += 1_000;
    expect(take('a', 1)).toMatchObject({ allowed: true, remaining: 0 });
    expect(take('a', 1).allowed).toBe(false);
    now.ms += 10_000;
    expect(take('a', 11)).toMatchObject({ allowed: false, remaining: 10, retryAfterSeconds: 1 });
    now.ms += 3_600_000;
    expect(take('a', 61)).toMatchObject({ allowed: false, remaining: 60 });
    expect(take('a', 60)).toMatchObject({ allowed: true, remaining: 0, resetSeconds: 60 });
  });
});

describe('one too many', () => {
  it('is told beforehand, and refused with when to come back', async () => {
    const first = await get('viewer');
    expect(first.headers).toMatchObject({
      'ratelimit-policy': '6;w=60',
      'ratelimit-limit': '6',
      'ratelimit-remaining': '5',
      'ratelimit-reset': '10',
    });
    await spend('viewer', 5);
    const refused = await get('viewer');
    expect([refused.statusCode, refused.headers['retry-after'], refused.json()]).toEqual([
      429,
      '10',
      { error: { code: 'FORGEWAY_RATE_LIMITED', message: expect.stringContaining('Wait 10 s') } },
    ]);
    expect((await get('owner')).statusCode).toBe(200);
    clock.ms += 10_000;
    expect((await get('viewer')).statusCode).toBe(200);
  });

  it('is JSON:API there, and tRPC there, one call or several', async () => {
    await spend('viewer', 6);
    const document = await get('viewer', '/api/v2/organizations/mine/vcs-connections');
    expect([document.statusCode, document.headers['content-type'], document.json()]).toEqual([
      429,
      'application/vnd.api+json; charset=utf-8',
      {
        errors: [expect.objectContaining({ status: '429', code: 'FORGEWAY_RATE_LIMITED', title: 'Too many requests' })],
      },
    ]);
    const call = await get('viewer', '/api/trpc/organization.get');
    expect([call.statusCode, call.headers['retry-after'], call.json()]).toMatchObject([
      429,
      '10',
      { error: { code: -32029, data: { code: 'FORGEWAY_RATE_LIMITED', httpStatus: 429 } } },
    ]);
    const batch = await get('viewer', '/api/trpc/organization.get,repository.list?batch=1');
    expect(batch.json<object[]>()).toMatchObject([1, 2].map(() => ({ error: { data: { httpStatus: 429 } } })));
  });

  it('counts the calls of a batch', async () => {
    const batch = () =>
      get('member', '/api/trpc/organization.get,organization.get,organization.get,organization.get?batch=1');
    expect((await batch()).headers['ratelimit-remaining']).toBe('2');
    expect((await batch()).json<object[]>()[0]).toMatchObject({ error: { data: { httpStatus: 429 } } });
    await spend('member', 2);
  });

  it('is a batch of more calls than the limit, and none whose commas are hidden is answered', async () => {
    const path = (separator: string, calls: number) =>
      `${Array(calls).fill('organization.list').join(separator)}?batch=1`;
    const batch = await get('member', `/api/trpc/${path(',', 7)}`);
    expect(batch.json<object[]>()).toMatchObject(
      Array(7).fill({ error: { data: { httpStatus: 429 }, message: expect.stringContaining('Send smaller ones') } }),
    );
    expect((await get('member', `/api/%74rpc/${path('%2C', 4)}`)).headers['ratelimit-remaining']).toBe('2');
    for (const hidden of ['%252C', '%25252C', '%25%32%43'])
      expect((await get('viewer', `/api/trpc/${path(hidden, 6)}`)).json()).toMatchObject({
        error: { code: 'FORGEWAY_NOT_FOUND' },
      });
  });

  it('is counted for a person, and not for each of their tokens; tokens of an organization by themselves', async () => {
    const { organization } = rig.mine;
    const by = async (owner: Parameters<ApiRig['tokenOf']>[0]) => {
      const headers = { authorization: `Bearer ${(await rig.tokenOf(owner)).token}` };
      return (await rig.app.inject({ url: '/api/v1/repositories?organization=mine', headers })).statusCode;
    };
    await spend('maintainer', 6);
    expect(await by({ kind: 'user', userId: 'maintainer' })).toBe(429);
    await spend('machine', 6);
    expect(await by({ kind: 'machine', organizationId: organization, role: 'viewer' })).toBe(200);
  });

  it('is counted by address for those who are not known, of IPv6 by network', async () => {
    const wrong = () =>
      rig.app.inject({ url: '/api/v1/repositories', headers: { authorization: `Bearer fgw_${'a'.repeat(43)}` } });
    expect([(await get('anonymous', '/openapi.json')).statusCode, (await wrong()).statusCode]).toEqual([200, 401]);
    expect((await get('anonymous')).statusCode).toBe(429);
    expect((await wrong()).statusCode).toBe(429);
    from.address = '2001:db8::1';
    await spend('anonymous', 2);
    from.address = '2001:db8::2';
    expect((await get('anonymous')).statusCode).toBe(429);
    expect((await get('machine')).statusCode).toBe(200);
  });
});
