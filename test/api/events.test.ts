/** The stream of events, sessions of browsers, and the lists' cursors. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import type { Person } from '../../src/accounts/access/actor.js';
import { revokeToken } from '../../src/accounts/api-tokens/rows.js';
import { type ApiRig, startApiRig } from './api-rig.js';

let rig: ApiRig;
let url: string;
const PUBLIC = 'https://forgeway.example';
const session: { person?: Person } = {};
beforeAll(async () => {
  rig = await startApiRig({
    sessionActor: async ({ cookie }) => (cookie === 'session=good' ? session.person : undefined),
    eventTiming: { pollMs: 20, heartbeatMs: 200, recheckMs: 50, stuckMs: 1_000 },
  });
  session.person = {
    kind: 'user',
    userId: 'owner',
    name: 'owner',
    platformAdmin: false,
    suspended: false,
    memberships: new Map([[rig.mine.organization, 'owner']]),
  };
  url = await rig.app.listen({ port: 0, host: '127.0.0.1' });
});
afterAll(() => rig.close());

interface Told {
  id: string;
  event: string;
  data: { kind?: string; id?: string; change?: string; at?: string };
}

/** Reads the stream until `count` events with data about something have come, or it ends. */
async function listen(headers: Record<string, string>, query = '') {
  const stop = new AbortController();
  const answer = await fetch(`${url}/api/events?organization=mine${query}`, { headers, signal: stop.signal });
  const told: Told[] = [];
  let text = '';
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  const pull = async (): Promise<boolean> => {
    const part = await reader?.read();
    if (part === undefined || part.done) return false;
    text += part.value;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const fields = new Map(
        text
          .slice(0, end)
          .split('\n')
          .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()] as const),
      );
      text = text.slice(end + 2);
      if (fields.has('data'))
        told.push({
          id: fields.get('id') ?? '',
          event: fields.get('event') ?? '',
          data: JSON.parse(fields.get('data') ?? '{}'),
        });
      else told.push({ id: '', event: 'heartbeat', data: {} });
    }
    return true;
  };
  return {
    answer,
    told,
    async until(found: (told: readonly Told[]) => boolean): Promise<void> {
      while (!found(told)) if (!(await pull())) throw new Error(`the stream ended: ${JSON.stringify(told)}`);
    },
    async ended(): Promise<void> {
      while (await pull());
    },
    stop: () => stop.abort(),
  };
}

const changePull = (organizationId: string, title: string) =>
  rig.db.store('worker').tenant(organizationId, (tx) => tx.query('UPDATE pull_request SET title = $1', [title]));
/** By the database's clock. A stream may begin a little in the past: where the oldest transaction of the server still runs. */
let begun = '';
beforeEach(async () => {
  const [row] = await rig.rows<{ now: Date }>('SELECT clock_timestamp() AS now');
  begun = row?.now.toISOString() ?? '';
});
const about = (told: readonly Told[]) =>
  told.filter(({ event, data }) => event !== 'ready' && event !== 'heartbeat' && (data.at ?? '') >= begun);

describe('the stream of events', () => {
  it('tells what changed, of one tenant alone, and goes on after the last id that was seen', async () => {
    const stream = await listen(rig.headers('viewer'));
    expect(stream.answer.headers.get('content-type')).toMatch(/^text\/event-stream/);
    await stream.until((told) => told.length > 0);
    await changePull(rig.theirs.organization, 'theirs');
    await changePull(rig.mine.organization, 'one');
    await stream.until((told) => about(told).length > 0);
    expect(about(stream.told)).toMatchObject([
      { event: 'pull_request', data: { kind: 'pull_request', id: rig.mine.pullRequest, change: 'changed' } },
    ]);
    const last = stream.told.at(-1)?.id ?? '';
    stream.stop();
    // While nobody listens.
    await changePull(rig.mine.organization, 'two');
    const resumed = await listen({ ...rig.headers('viewer'), 'last-event-id': last });
    await resumed.until((told) => about(told).length > 0);
    expect(about(resumed.told)).toMatchObject([{ data: { id: rig.mine.pullRequest } }]);
    resumed.stop();
  });

  it('passes over nothing that commits after what came later', async () => {
    const early = new pg.Client(rig.db.database.poolConfig('worker'));
    await early.connect();
    const stream = await listen(rig.headers('viewer'), '&kinds=preview,pull_request');
    try {
      await stream.until((told) => told.length > 0);
      await early.query('begin');
      await early.query(`select set_config('app.organization_id', $1, true)`, [rig.mine.organization]);
      await early.query(`update preview set message = 'early'`);
      await changePull(rig.mine.organization, 'late');
      // Long enough for several looks: the later change is not told before the earlier one is settled.
      await stream.until((told) => told.filter(({ event }) => event === 'heartbeat').length >= 2);
      expect(about(stream.told)).toEqual([]);
      await early.query('commit');
      await stream.until((told) => about(told).length >= 2);
      expect(
        about(stream.told)
          .map(({ event }) => event)
          .sort(),
      ).toEqual(['preview', 'pull_request']);
    } finally {
      stream.stop();
      await early.end();
    }
  });

  it('tells of deliveries those who may see them, and asks again who listens', async () => {
    const made = await rig.tokenOf({ kind: 'machine', organizationId: rig.mine.organization, role: 'maintainer' });
    const [maintainer, viewer] = [
      await listen({ authorization: `Bearer ${made.token}` }),
      await listen(rig.headers('viewer')),
    ];
    await maintainer.until((told) => told.length > 0);
    await viewer.until((told) => told.length > 0);
    await rig.db
      .store('worker')
      .pool.query(`UPDATE webhook_delivery SET status = 'done' WHERE id = $1`, [rig.mine.delivery]);
    await changePull(rig.mine.organization, 'three');
    await maintainer.until((told) => about(told).length >= 2);
    await viewer.until((told) => about(told).length >= 1);
    expect(about(maintainer.told)).toMatchObject([
      { event: 'delivery', data: { id: rig.mine.delivery, change: 'finished' } },
      { event: 'pull_request' },
    ]);
    expect(about(viewer.told)).toMatchObject([{ event: 'pull_request' }]);
    viewer.stop();
    await revokeToken(rig.db.store('api'), { organizationId: rig.mine.organization }, made.id, 'test');
    await maintainer.ended();
    expect((await listen({ authorization: `Bearer ${made.token}` })).answer.status).toBe(401);
  });

  it('says when too long was missed, and refuses ids that it did not give, strangers, and too many', async () => {
    const reset = await listen({ ...rig.headers('viewer'), 'last-event-id': `1-1-${Date.now() - 24 * 3_600_000}` });
    await reset.until((told) => told.length > 0);
    expect(reset.told[0]?.event).toBe('reset');
    reset.stop();
    // Of before the database was put back from a copy, whose numbers begin lower.
    const ahead = await listen({ ...rig.headers('viewer'), 'last-event-id': `999999999999999-7-${Date.now()}` });
    await ahead.until((told) => told.length > 0);
    expect(ahead.told[0]?.event).toBe('reset');
    await changePull(rig.mine.organization, 'after the copy');
    await ahead.until((told) => about(told).some(({ event }) => event === 'pull_request'));
    ahead.stop();
    expect((await listen({ ...rig.headers('viewer'), 'last-event-id': "1'; --" })).answer.status).toBe(422);
    for (const [caller, status] of [
      ['anonymous', 401],
      ['other owner', 404],
      ['suspended', 403],
    ] as const)
      expect((await listen(rig.headers(caller))).answer.status).toBe(status);
    // Of one person, whichever of their tokens it is.
    const { token } = await rig.tokenOf({ kind: 'user', userId: 'member' });
    const both = [rig.headers('member'), { authorization: `Bearer ${token}` }];
    const many = await Promise.all(Array.from({ length: 12 }, (_, at) => listen(both[at % 2] ?? {})));
    expect(many.map(({ answer }) => answer.status).sort()).toEqual([...Array(10).fill(200), 429, 429]);
    for (const one of many) one.stop();
  });
});

describe('the session of a browser', () => {
  const ask = (method: 'GET' | 'POST', headers: Record<string, string>, path = '/api/v1/organizations') =>
    rig.app.inject({ method, url: path, headers: { cookie: 'session=good', ...headers } });
  const sync = () => `/api/v1/pull-requests/${rig.mine.pullRequest}/sync`;

  it('may do what its person may, from our own pages alone', async () => {
    expect((await ask('GET', {})).statusCode).toBe(200);
    expect((await ask('GET', { cookie: 'session=bad' })).statusCode).toBe(401);
    expect((await ask('POST', { origin: PUBLIC }, sync())).statusCode).toBe(200);
    expect((await ask('POST', { 'sec-fetch-site': 'same-origin' }, sync())).statusCode).toBe(200);
    for (const origin of ['https://evil.example', 'null', `${PUBLIC}.evil.example`, 'http://forgeway.example', ''])
      expect([origin, (await ask('POST', { origin, 'sec-fetch-site': 'same-origin' }, sync())).statusCode]).toEqual([
        origin,
        403,
      ]);
    for (const site of ['cross-site', 'same-site', 'none'])
      expect((await ask('POST', { 'sec-fetch-site': site }, sync())).statusCode).toBe(403);
    expect((await ask('POST', {}, sync())).statusCode).toBe(403);
  });

  it('is never fallen back on when a token does not hold', async () => {
    for (const authorization of ['Bearer fgw_x', 'Bearer ', 'Basic eDp4', 'fgw_x', ''])
      expect([authorization, (await ask('GET', { authorization })).statusCode]).toEqual([authorization, 401]);
  });
});

describe('cursors', () => {
  it('go through a list once, in order, whatever shares a moment', async () => {
    await rig.rows(
      `INSERT INTO issue (organization_id, repository_id, forge, host, remote_repository_id, remote_id, number, title, state, url,
         remote_updated_at, updated_at)
       SELECT organization_id, id, forge, host, remote_id, 1000 + n, 1000 + n, 't', 'open', 'u', now(), '2026-01-01T00:00:00.000123Z'
       FROM repository, generate_series(1, 25) n WHERE organization_id = $1`,
      [rig.mine.organization],
    );
    const seen: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const query: string = cursor === '' ? '' : `&cursor=${cursor}`;
      const answer = await rig.call('viewer', 'GET', `/api/v1/issues?limit=4${query}`);
      const page: { items: { id: string }[]; nextCursor: string | null } = answer.json();
      seen.push(...page.items.map(({ id }) => id));
      cursor = page.nextCursor;
    }
    expect([seen.length, new Set(seen).size]).toEqual([26, 26]);
    const forged = Buffer.from(JSON.stringify(['99999999999999999', 'x'])).toString('base64url');
    for (const bad of [forged, 'x', '%00', Buffer.from('[]').toString('base64url')])
      expect((await rig.call('viewer', 'GET', `/api/v1/issues?cursor=${bad}`)).statusCode).toBe(422);
  });
});

it('where a session has worked is told page by page, of its tenant alone', async () => {
  const { organization, session: sessionId, pullRequest } = rig.mine;
  await rig.rows(
    `INSERT INTO worktree_link (organization_id, session_id, worktree_id, pull_request_id, created_at)
     SELECT $1, $2::uuid, $2::uuid::text || '/' || n, $3, '2026-01-01T00:00:00.000123Z' FROM generate_series(1, 7) n`,
    [organization, sessionId, pullRequest],
  );
  interface Place {
    worktreeId: string;
    taskId: string | null;
    pullRequestId: string | null;
  }
  const seen: Place[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const query: string = cursor === '' ? '' : `&cursor=${cursor}`;
    const answer = await rig.call('viewer', 'GET', `/api/v1/sessions/${sessionId}/worktrees?limit=3${query}`);
    const page: { items: Place[]; nextCursor: string | null } = answer.json();
    seen.push(...page.items);
    cursor = page.nextCursor;
  }
  const ofPull = seen.filter(({ pullRequestId }) => pullRequestId === pullRequest);
  expect(new Set(ofPull.map(({ worktreeId }) => worktreeId)).size).toBe(7);
  expect(seen.filter(({ taskId }) => taskId !== null)).toHaveLength(1);
  expect(seen).toHaveLength(8);
  const foreign = await rig.call('viewer', 'GET', `/api/v1/sessions/${rig.theirs.session}/worktrees`);
  expect(foreign.statusCode).toBe(404);
});

describe('tokens by the API', () => {
  const make = (caller: Parameters<ApiRig['call']>[0], wish: object) =>
    rig.call(caller, 'POST', '/api/v1/tokens', {
      kind: 'machine',
      name: 'x',
      scopes: ['read'],
      role: 'viewer',
      ...wish,
    });

  it('give nobody more than they have', async () => {
    expect((await make('admin', { role: 'owner' })).statusCode).toBe(403);
    expect((await make('admin', { kind: 'organization', role: 'admin' })).statusCode).toBe(201);
    expect((await make('owner', { role: 'admin' })).statusCode).toBe(403);
    const narrow = await rig.tokenOf({ kind: 'user', userId: 'admin' }, ['manage']);
    const answer = await rig.app.inject({
      method: 'POST',
      url: '/api/v1/tokens',
      headers: { authorization: `Bearer ${narrow.token}` },
      payload: { kind: 'machine', name: 'x', scopes: ['read'], role: 'viewer' },
    });
    expect([answer.statusCode, answer.json<{ error: { code: string } }>().error.code]).toEqual([
      403,
      'FORGEWAY_FORBIDDEN',
    ]);
  });

  it('made with a token end no later than that one', async () => {
    const { id, token } = await rig.tokenOf({ kind: 'user', userId: 'admin' });
    const end = new Date('2036-01-02T03:04:05.000Z');
    const made = async (url: string, wish: object) => {
      const headers = { authorization: `Bearer ${token}` };
      const answer = await rig.app.inject({
        method: 'POST',
        url,
        headers,
        payload: { name: 'x', scopes: ['read'], ...wish },
      });
      return answer.json<{ token: { expiresAt: string | null } }>().token.expiresAt;
    };
    const machine = { kind: 'machine', role: 'viewer' };
    expect(await made('/api/v1/tokens', { ...machine, expiresInDays: null })).toBeNull();
    await rig.rows('UPDATE api_token SET expires_at = $2 WHERE id = $1', [id, end]);
    for (const expiresInDays of [null, 3_650]) {
      expect(await made('/api/v1/tokens', { ...machine, expiresInDays })).toBe(end.toISOString());
      expect(await made('/api/v1/user/tokens', { expiresInDays })).toBe(end.toISOString());
    }
    const soon = await made('/api/v1/user/tokens', { expiresInDays: 1 });
    expect(Date.parse(soon ?? '')).toBeLessThan(Date.now() + 2 * 86_400_000);
  });

  it('work at once and end at once', async () => {
    const { token, secret } = (await make('admin', {})).json<{ token: { id: string }; secret: string }>();
    const use = () => rig.app.inject({ url: '/api/v1/repositories', headers: { authorization: `Bearer ${secret}` } });
    expect((await use()).statusCode).toBe(200);
    expect((await rig.call('admin', 'DELETE', `/api/v1/tokens/${token.id}`)).statusCode).toBe(200);
    expect((await use()).statusCode).toBe(401);
  });
});
