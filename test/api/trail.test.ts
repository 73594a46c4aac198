/** What the API decides is written down: once for what changes something, together for what only looks. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { createAccess } from '../../src/accounts/access/access.js';
import { listDecisions } from '../../src/accounts/access/trail.js';
import { type ApiRig, startApiRig } from './api-rig.js';

let rig: ApiRig;
beforeAll(async () => {
  rig = await startApiRig();
});
afterAll(() => rig.close());

const written = async (organizationId: string) => {
  await rig.access.close();
  const rows = await listDecisions(rig.db.store('api'), organizationId, { limit: 100 });
  // The row that populateTenant makes is nobody's.
  const decided = rows.filter(({ actor }) => actor !== 'ada');
  return decided.map(({ actor, action, subject, allowed, times }) => {
    const who = actor.replace(/ token:.*/, '').replace(/^machine:.*/, 'machine');
    return `${who} ${allowed ? 'may' : 'may not'} ${action} ${subject}${times > 1 ? ` x${times}` : ''}`;
  });
};

it('has who did what to which thing, who looked and how often, and who was refused', async () => {
  const { connection, pullRequest, repository } = rig.mine;
  for (let n = 0; n < 3; n += 1) await rig.call('viewer', 'GET', '/api/v1/repositories');
  for (let n = 0; n < 2; n += 1) await rig.call('viewer', 'DELETE', `/api/v1/connections/${crypto.randomUUID()}`);
  await rig.call('machine', 'POST', `/api/v1/pull-requests/${pullRequest}/comments`, { body: 'hello' });
  await rig.call('admin', 'PUT', `/api/v1/repositories/${repository}/connection`, { connectionId: connection });
  await rig.call('admin', 'DELETE', `/api/v2/vcs-connections/vcs-${connection}`);
  const rows = await written(rig.mine.organization);
  expect(rows.toSorted()).toEqual(
    [
      'user:viewer may repository.read repository',
      'user:viewer may repository.read repository x2',
      'user:viewer may not connection.manage connection',
      'user:viewer may not connection.manage connection',
      `machine may pull-request.write pull-request ${pullRequest}`,
      `user:admin may repository.manage repository ${repository}`,
      `user:admin may connection.read connection ${connection}`,
      `user:admin may connection.manage connection ${connection}`,
    ].toSorted(),
  );
});

it('has who looked and who was refused before they are answered, and only the number of repeats later', async () => {
  const before = (await listDecisions(rig.db.store('api'), rig.mine.organization, { limit: 1 }))[0]?.id ?? 0n;
  for (let n = 0; n < 3; n += 1) await rig.call('maintainer', 'GET', '/api/v1/deliveries');
  await rig.call('maintainer', 'GET', '/api/v1/tokens');
  // Nothing is closed here: this is what a process that is killed now leaves behind.
  const rows = await listDecisions(rig.db.store('api'), rig.mine.organization, { limit: 100 });
  const fresh = rows.filter(({ id }) => id > before).map(({ action, allowed, times }) => [action, allowed, times]);
  expect(fresh).toEqual([
    ['token.manage', false, 1],
    ['delivery.read', true, 1],
  ]);
});

it('is read through the API page by page, without what was there already', async () => {
  await rig.access.close();
  const url = '/api/v1/audit/decisions?limit=2&denied=true&organization=mine';
  for (const path of ['/api/v1/deliveries', '/api/v1/tokens', '/api/v1/audit/decisions']) {
    await rig.call('member', 'GET', path);
    await rig.access.close();
  }
  interface Page {
    items: { actor: string; action: string; because: string; why: string }[];
    nextCursor: string | null;
  }
  const first = (await rig.call('admin', 'GET', url)).json<Page>();
  expect(first.items).toMatchObject([
    { actor: expect.stringMatching(/^user:member token:/), action: 'audit.read', because: 'role' },
    { action: 'token.manage', why: 'They are member; token.manage needs admin.' },
  ]);
  const next = (await rig.call('admin', 'GET', `${url}&cursor=${first.nextCursor}`)).json<Page>();
  expect(next.items[0]).toMatchObject({ action: 'delivery.read' });
});

it('of strangers is that of this server, and nobody writes into the trail of others', async () => {
  const before = await written(rig.theirs.organization);
  await rig.call('owner', 'GET', `/api/v1/repositories?organization=${rig.theirs.organization}`);
  await rig.call('owner', 'GET', `/api/v1/repositories?organization=${crypto.randomUUID()}`);
  await rig.call('anonymous', 'POST', '/api/v2/organizations/theirs/vcs-connections', {});
  expect(await written(rig.theirs.organization)).toEqual(before);
  expect(await written(rig.db.organizationId)).toEqual(
    expect.arrayContaining([
      'user:owner may not repository.read repository',
      'anonymous may not connection.manage organization',
    ]),
  );
});

it('lets nothing happen that cannot be written down', async () => {
  const store = rig.db.store('api');
  const broken = { ...store, tenant: () => Promise.reject(new Error('the database is away')) };
  const access = createAccess({ store: broken, log: pino({ level: 'silent' }), organizationId: rig.db.organizationId });
  const actor = { kind: 'machine' as const, tokenId: 't', name: 't', organizationId: rig.mine.organization };
  const admin = { ...actor, role: 'admin' as const, scopes: ['manage'] as const };
  const thing = { organizationId: rig.mine.organization, name: 'connection' };
  await expect(access.check(admin, 'connection.manage', thing)).rejects.toThrow('the database is away');
});
