/** Requests that are sent twice: with a key, without one, at the same moment, and after the server was killed in between. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { createApiConnections } from '../../src/entry/api-connections.js';
import { gitea } from '../../src/forges/gitea/forge.js';
import type { ForgeFake } from '../../src/forges/kit/fake/forge-fake.js';
import { prune } from '../../src/inbox/prune.js';
import { createMetrics } from '../../src/lib/metrics.js';
import { type Bridge, createBridge } from '../../src/translate/bridge.js';
import { TEST_KEYS } from '../support/database.js';
import { loopback } from '../support/loopback.js';
import { alwaysClosed } from '../translate/bridge-rig.js';
import { type ApiRig, type Caller, startApiRig } from './api-rig.js';

const log = pino({ level: 'silent' });
const shop = { owner: 'acme', name: 'shop' };
let rig: ApiRig;
let folder: string;
let fake: ForgeFake;
/** `silent`: what is written arrives, and no answer ever comes, as when the process is killed in between. */
const forge: { answers: 'all' | 'silent' | 'reset'; written(): void; writes: number; forget: (() => void)[] } = {
  answers: 'all',
  written: () => undefined,
  writes: 0,
  forget: [],
};
const reset = () => new TypeError('fetch failed', { cause: Object.assign(new Error('reset'), { code: 'ECONNRESET' }) });

const send: typeof fetch = async (url, init) => {
  const method = init?.method ?? 'GET';
  const response = await fetch(url, init);
  if (method === 'GET') return response;
  forge.writes += 1;
  if (forge.answers === 'all') return response;
  await response.arrayBuffer();
  forge.written();
  if (forge.answers === 'silent') return new Promise((_resolve, reject) => forge.forget.push(() => reject(reset())));
  throw reset();
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'forgeway-once-'));
  fake = (await gitea.startFake?.({
    folder,
    sendWebhook: async () => new Response(null, { status: 202 }),
  })) as ForgeFake;
  await fake.addPerson('alice');
  const repository = await fake.addRepository({ ...shop, people: { alice: 'write' } });
  const alice = fake.as('alice', shop);
  await alice.push({ branch: 'topic', files: { 'a.txt': 'a' }, message: 'a' });
  const number = await alice.openPullRequest({ head: 'topic', title: 'A' });
  rig = await startApiRig({
    connections: (db) =>
      createApiConnections({
        store: db.store('worker'),
        keys: TEST_KEYS,
        outbound: loopback,
        publicUrl: undefined,
        log,
      }),
    requestsOf(db) {
      let bridge: Promise<Bridge> | undefined;
      return async (organizationId, repositoryId) => {
        const store = db.store('worker');
        const options = { github: undefined, apps: [], store, keys: TEST_KEYS, log, metrics: createMetrics() };
        bridge ??= createBridge({ ...options, fetch: send, settleMs: 0, circuits: alwaysClosed } as never);
        return (await bridge).octokitFor(organizationId, repositoryId);
      };
    },
  });
  const made = await rig.call('owner', 'POST', '/api/v1/connections', {
    ...{ forge: 'gitea', url: fake.url, token: fake.token, hooks: 'none' },
  });
  const { connection } = made.json<{ connection: { id: string; host: string } }>();
  await rig.rows(
    `UPDATE repository SET forge = 'gitea', host = $2, remote_id = $3, remote_owner = 'acme', remote_name = 'shop',
       installation_id = (SELECT id FROM installation WHERE connection_id = $4) WHERE id = $1`,
    [rig.mine.repository, connection.host, repository.id, connection.id],
  );
  await rig.rows('UPDATE pull_request SET number = $2 WHERE id = $1', [rig.mine.pullRequest, number]);
});
afterAll(async () => {
  await rig.close();
  await fake.close();
  await rm(folder, { recursive: true, force: true });
});
// The process that was killed would not hold its connection to the forge any more.
afterEach(() => {
  for (const forget of forge.forget.splice(0)) forget();
});
beforeEach(() => {
  Object.assign(forge, { answers: 'all', writes: 0, written: () => undefined });
});

const comment = (body: string, key?: string, caller: Caller = 'owner') =>
  rig.call(
    caller,
    'POST',
    `/api/v1/pull-requests/${rig.mine.pullRequest}/comments`,
    { body },
    key === undefined ? {} : { 'idempotency-key': key },
  );
const codeOf = (answer: { json(): unknown }) => (answer.json() as { error: { code: string } }).error.code;
const killed = () =>
  rig.rows(`UPDATE api_request SET running_until = now() - interval '1 second' WHERE answered_at IS NULL`);
/** Sent, done by the forge, and the process dies before it hears of it. */
async function interrupted(body: string, key?: string): Promise<void> {
  forge.answers = 'silent';
  const arrived = new Promise<void>((resolve) => {
    forge.written = resolve;
  });
  comment(body, key).catch(() => undefined);
  await arrived;
  forge.answers = 'all';
}

describe('with an Idempotency-Key', () => {
  it('the same request is done once and answered the same, to the byte', async () => {
    const first = await comment('once', '"k-1"');
    const second = await comment('once', 'k-1');
    expect([first.statusCode, second.statusCode, second.body]).toEqual([200, 200, first.body]);
    expect(forge.writes).toBe(1);
    const viaTrpc = await rig.call(
      'owner',
      'POST',
      '/api/trpc/pullRequest.comment',
      { id: rig.mine.pullRequest, body: 'once' },
      { 'idempotency-key': 'k-1' },
    );
    expect(viaTrpc.json()).toEqual({ result: { data: first.json() } });
    expect(forge.writes).toBe(1);
  });

  it('another request is refused, and somebody else’s key is another key', async () => {
    await comment('mine', 'k-2');
    const other = await comment('other', 'k-2');
    expect([other.statusCode, codeOf(other)]).toEqual([422, 'FORGEWAY_IDEMPOTENCY_KEY_REUSED']);
    expect((await comment('other', 'k-2', 'admin')).statusCode).toBe(200);
    expect(forge.writes).toBe(2);
  });

  it('says that the first is under way, and finds what it wrote when its process was killed', async () => {
    await interrupted('killed', 'k-3');
    const early = await comment('killed', 'k-3');
    expect([early.statusCode, codeOf(early)]).toEqual([409, 'FORGEWAY_REQUEST_UNDER_WAY']);
    expect(Number(early.headers['retry-after'])).toBeGreaterThan(0);
    await killed();
    const late = await comment('killed', 'k-3');
    expect(late.statusCode).toBe(200);
    expect(late.json()).toMatchObject({ url: expect.stringContaining('#issuecomment-') });
    expect(forge.writes).toBe(1);
    expect((await comment('killed', 'k-3')).body).toBe(late.body);
  });

  it('may be used for the request as it should have been, where nothing was done', async () => {
    expect((await comment('', 'k-4')).statusCode).toBe(422);
    expect((await comment('right', 'k-4')).statusCode).toBe(200);
  });

  it('is refused when it is no key, and of several calls together', async () => {
    expect((await comment('x', 'two words')).statusCode).toBe(422);
    const batch = await rig.call(
      'owner',
      'POST',
      '/api/trpc/pullRequest.comment,pullRequest.comment?batch=1',
      { 0: { id: rig.mine.pullRequest, body: 'x' }, 1: { id: rig.mine.pullRequest, body: 'x' } },
      { 'idempotency-key': 'k-5' },
    );
    expect(batch.json()).toMatchObject([
      { error: { data: { httpStatus: 422 } } },
      { error: { data: { httpStatus: 422 } } },
    ]);
    expect(forge.writes).toBe(0);
  });

  it('never keeps a secret that is told once', async () => {
    const token = () =>
      rig.call(
        'owner',
        'POST',
        '/api/v1/tokens',
        { kind: 'machine', role: 'viewer', name: 'ci', scopes: ['read'] },
        { 'idempotency-key': 'k-6' },
      );
    expect((await token()).statusCode).toBe(201);
    const again = await token();
    expect([again.statusCode, codeOf(again)]).toEqual([409, 'FORGEWAY_CONFLICT']);
    expect(await rig.rows(`SELECT answer FROM api_request WHERE idempotency_key = 'k-6'`)).toEqual([{ answer: null }]);
  });

  it('is refused where it could not be kept to, and nothing is done', async () => {
    const tokens = () => rig.rows(`SELECT FROM api_token WHERE user_id = 'member'`);
    const before = (await tokens()).length;
    const wish = { name: 'x', scopes: ['read'] };
    const answer = await rig.call('member', 'POST', '/api/v1/user/tokens', wish, { 'idempotency-key': 'own-1' });
    expect([answer.statusCode, answer.json()]).toMatchObject([
      422,
      { error: { issues: [{ path: ['Idempotency-Key'], message: expect.stringContaining('is not taken here') }] } },
    ]);
    expect(await tokens()).toHaveLength(before);
    const read = await rig.call('member', 'GET', '/api/v1/user/tokens', undefined, { 'idempotency-key': 'own-1' });
    expect(read.statusCode).toBe(200);
    expect((await rig.call('member', 'POST', '/api/v1/user/tokens', wish)).statusCode).toBe(201);
  });

  it('is known for a day', async () => {
    await comment('yesterday', 'k-7');
    await rig.rows(`UPDATE api_request SET created_at = now() - interval '25 hours' WHERE idempotency_key = 'k-7'`);
    expect((await comment('today', 'k-7')).statusCode).toBe(200);
    await rig.rows(`UPDATE api_request SET created_at = now() - interval '25 hours' WHERE idempotency_key = 'k-7'`);
    await prune(rig.db.store('worker').pool, { bodyDays: 14, rowDays: 30 });
    expect(await rig.rows(`SELECT id FROM api_request WHERE idempotency_key = 'k-7'`)).toEqual([]);
  });

  it('makes one connection and answers the second like the first', async () => {
    const attributes = {
      name: 'keyed',
      provider: 'gitlab',
      'server-url': 'http://127.0.0.1:9',
      token: 'glpat-keyed000',
    };
    const make = () =>
      rig.call(
        'admin',
        'POST',
        '/api/v2/organizations/mine/vcs-connections',
        { data: { type: 'vcs-connections', attributes } },
        { 'idempotency-key': 'k-8' },
      );
    const first = await make();
    const second = await make();
    expect([first.statusCode, second.statusCode, second.body]).toEqual([201, 201, first.body]);
    expect(second.headers.location).toBe(first.headers.location);
  });
});

describe('without a key', () => {
  it('two equal requests are two, unless the first was never answered', async () => {
    await comment('twice');
    await comment('twice');
    expect(forge.writes).toBe(2);
    forge.answers = 'reset';
    const lost = await comment('lost');
    expect([lost.statusCode, codeOf(lost)]).toEqual([502, 'FORGEWAY_FORGE_UNREACHABLE']);
    forge.answers = 'all';
    expect((await comment('lost')).statusCode).toBe(200);
    expect(forge.writes).toBe(3);
    await interrupted('cut off');
    await killed();
    expect((await comment('cut off')).statusCode).toBe(200);
    expect(forge.writes).toBe(4);
  });
});
