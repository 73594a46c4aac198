/** Pull requests by our API, on each forge: what was asked for is done there, shows here at once, and is told to the session it is of. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { createAccess } from '../../src/accounts/access/access.js';
import { createToken } from '../../src/accounts/api-tokens/rows.js';
import type { Services } from '../../src/api/procedures/services.js';
import { createResources, type Resources } from '../../src/api/resources.js';
import { createApiWorkspaces } from '../../src/entry/api-workspaces.js';
import { openStore, type Store } from '../../src/store/database.js';
import { type AgentRig, place, startAgentRig } from '../agent-sessions/session-rig.js';
import { playedForges } from '../support/connected-forge.js';
import { TEST_KEYS } from '../support/database.js';

const log = pino({ level: 'silent' });

describe.each(playedForges.map((forge) => ({ name: forge.label, forge })))('pull requests on $name', ({ forge }) => {
  let rig: AgentRig;
  let store: Store;
  let api: Resources;
  let token: string;
  let repositoryId: string;
  beforeAll(async () => {
    rig = await startAgentRig(forge);
    for (const branch of ['one', 'two', 'three'])
      await rig.as('dave').push({ branch, files: { [`${branch}.txt`]: `${branch}\n` }, message: `feat: ${branch}` });
    await rig.as('dave').openIssue({ title: 'So that it is known' });
    await rig.quiet();
    const { organizationId, bridge, pokes } = rig;
    [{ id: repositoryId }] = (await rig.rows<{ id: string }>('SELECT id FROM repository')) as [{ id: string }];
    store = openStore(rig.database, 'api', { max: 4 });
    const services = {
      ...{ store, log, access: createAccess({ store, log, organizationId }), agents: rig.planned },
      requestsOf: bridge.octokitFor,
      syncSoon: (key) => pokes.sync.poke(key),
      sessionSoon: async () => undefined,
      workspaces: createApiWorkspaces({
        ...{ store, keys: TEST_KEYS, archives: { compressedBytes: 1_000, bytes: 1_000, entries: 1 } },
        runSoon: async () => undefined,
      }),
    } satisfies Partial<Services>;
    // Of the services of other procedures none is asked for.
    api = await createResources({
      services: services as unknown as Services,
      publicOrigin: () => 'https://forgeway.example',
    });
    const owner = { kind: 'machine', organizationId, role: 'maintainer' } as const;
    const made = await createToken(store, {
      ...{ owner, name: 'ci', scopes: ['read', 'run', 'manage'], expiresAt: null, createdBy: 'test' },
    });
    token = made.token;
  });
  afterAll(async () => {
    await api?.app.close();
    await store?.close();
    await rig?.close();
  });

  async function call(method: 'GET' | 'POST' | 'PATCH' | 'PUT', path: string, body?: object) {
    const answer = await api.app.inject({
      ...{ method, url: `/api/v1${path}` },
      headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { payload: JSON.stringify(body) }),
    });
    return { status: answer.statusCode, body: answer.json() };
  }
  const stateOf = async (number: number) => {
    const found = (await rig.fake.state(place)).pullRequests.find((one) => one.number === number);
    if (found === undefined) throw new Error(`there is no #${number}`);
    return found;
  };
  const draft = (headBranch: string, sessionId?: string) =>
    call('POST', `/repositories/${repositoryId}/pull-requests`, { headBranch, title: headBranch, sessionId });
  const session = async () => {
    const id = randomUUID();
    await rig.rows(
      `INSERT INTO agent_session (id, organization_id, repository_id, forge, host, remote_repository_id, number, on_pull_request,
         command_key, requested_by, agent, triggered_at, limit_seconds, status)
       SELECT $1, organization_id, id, forge, host, remote_id, 1, false, $2, 'ada', 'scripted', now(), 60, 'completed'
       FROM repository`,
      [id, `asked-${id}`],
    );
    return id;
  };

  it('go from a draft to the merge, and the forge and our mirror say the same at each step', async () => {
    const opened = await draft('one');
    expect(opened.status).toBe(201);
    const { id, number } = opened.body;
    expect(await stateOf(number)).toMatchObject({ state: 'open', draft: true, head: 'one', base: 'main' });
    const pull = `/pull-requests/${id}`;
    expect((await call('GET', pull)).body).toMatchObject({ number, status: 'draft', headBranch: 'one' });
    const listed = await call('GET', `/repositories/${repositoryId}/pull-requests`);
    expect(listed.body.items.map((one: { id: string }) => one.id)).toEqual([id]);

    expect((await call('PATCH', pull, { title: 'Another title', body: 'Why' })).status).toBe(200);
    expect(await stateOf(number)).toMatchObject({ title: expect.stringMatching(/Another title$/), body: 'Why' });
    await call('POST', `${pull}/comments`, { body: 'Said by the API' });
    const { headSha, comments } = await stateOf(number);
    expect(comments.map(({ body }) => body)).toContain('Said by the API');

    for (const [verb, state] of [
      ['close', 'closed'],
      ['reopen', 'open'],
    ] as const) {
      expect((await call('POST', `${pull}/${verb}`)).status).toBe(200);
      expect((await stateOf(number)).state).toBe(state);
    }
    expect((await call('POST', `${pull}/sync`)).body).toEqual({ id, queued: true });
    await rig.until('its commits are read', async () => {
      const { body } = await call('GET', `${pull}/commits`);
      return body.items.length === 1 && body.items[0].sha === headSha;
    });
    await rig.as('dave').editPullRequest(number, { draft: false });
    expect((await call('PUT', `${pull}/merge`, { sha: '1'.repeat(40) })).status).toBe(409);
    expect((await call('PUT', `${pull}/merge`, { sha: headSha })).status).toBe(200);
    expect((await stateOf(number)).state).toBe('merged');
    await rig.until('the mirror says so', async () => (await call('GET', pull)).body.status === 'merged');
    expect((await call('POST', `${pull}/reopen`)).status).toBe(409);
  });

  it('of others are reviewed', async () => {
    const number = await rig.as('dave').openPullRequest({ head: 'three', title: 'Three' });
    await rig.quiet();
    const [row] = await rig.rows<{ id: string }>('SELECT id FROM pull_request WHERE number = $1', [number]);
    const pull = `/pull-requests/${row?.id}`;
    expect((await call('POST', `${pull}/change-requests`, { body: 'Not yet' })).status).toBe(200);
    const before = await stateOf(number);
    const said = [...before.reviews, ...before.comments].map(({ body }) => body);
    expect(said.some((text) => text.includes('Not yet'))).toBe(true);
    const approve = (sha: string) => call('POST', `${pull}/approvals`, { sha });
    expect((await approve(before.headSha)).status).toBe(200);
    expect((await stateOf(number)).reviews.map(({ state }) => state)).toContain('approved');
  });

  it('belong to the session that they were made for, once, and not to another that asks for the same branch', async () => {
    const [first, second] = [await session(), await session()];
    const made = await draft('two', first);
    expect(made.status).toBe(201);
    const { id, number } = made.body;
    const of = async (sessionId: string) =>
      (await call('GET', `/sessions/${sessionId}/pull-requests`)).body.items.map((one: { id: string }) => one.id);
    expect(await of(first)).toEqual([id]);
    const told = () =>
      rig.rows<{ data: unknown }>(`SELECT data FROM session_event WHERE session_id = $1 AND kind = 'pr.created'`, [
        first,
      ]);
    expect(await told()).toMatchObject([{ data: { pullRequestId: id, number } }]);

    expect((await draft('two', first)).body).toMatchObject({ id, number });
    const refused = await draft('two', second);
    expect([refused.status, refused.body.error?.code]).toEqual([409, 'FORGEWAY_CONFLICT']);
    expect([await of(first), await of(second)]).toEqual([[id], []]);
    expect(await told()).toHaveLength(1);
    const [audited] = await rig.rows<{ count: number }>(
      `SELECT count(*)::int AS count FROM audit_entry WHERE action = 'pull-request.created' AND subject = $1`,
      [id],
    );
    expect(audited?.count).toBe(1);
  });
});
