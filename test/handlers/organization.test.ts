/** Events about members are hints: they make their source due, and change nobody's role. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { rememberedRight, rememberRight } from '../../src/accounts/access/remembered.js';
import { createHarness, examplesOf, FORGE, type Harness, HOST, type Payload } from './harness.js';

let harness: Harness;
const LATER = new Date('2999-01-01T00:00:00Z');
const ORGANIZATION = 38_302_899;
const TEAM = 71;

beforeAll(async () => {
  harness = await createHarness();
  const [row] = await harness.rows<{ id: string }>(
    `INSERT INTO organization_source (organization_id, forge, host, remote_id, login, name, linked_by, due_at)
     VALUES ($1, $2, $3, $4, 'acme', 'Acme', 'test', $5) RETURNING id`,
    [harness.db.organizationId, FORGE, HOST, ORGANIZATION, LATER],
  );
  await harness.rows(
    `INSERT INTO team (organization_id, source_id, vcs_team_id, slug, name) VALUES ($1, $2, $3, 'core', 'Core')`,
    [harness.db.organizationId, row?.id, TEAM],
  );
});
afterAll(() => harness.db.drop());

/** Whether the event made the source due; puts it back. */
async function marks(event: string, payload: Payload): Promise<{ due: boolean; deleted: boolean }> {
  await harness.deliver(event, payload, { apps: ['mirror'] });
  const [row] = await harness.rows<{ due: boolean; deleted: boolean }>(
    'SELECT due_at < $1 AS due, told_deleted AS deleted FROM organization_source',
    [LATER],
  );
  await harness.rows('UPDATE organization_source SET due_at = $1, told_deleted = false', [LATER]);
  return row ?? { due: false, deleted: false };
}

const about = (event: string, action: string, organizationId: number, more: Payload = {}): Payload => {
  const [example] = examplesOf(event);
  const organization = { ...(example?.organization as Payload), id: organizationId };
  return { ...example, action, organization, ...more };
};

/** Whether what a forge said of somebody's right before still counts after the event. */
async function isRemembered(event: string, payload: Payload): Promise<boolean> {
  const { db } = harness;
  const of = { organizationId: db.organizationId, forge: FORGE, host: HOST };
  const { id } = payload.repository as { id: number };
  const right = { ...of, remoteRepositoryId: BigInt(id), accountId: 200n };
  const inTenant = db.store('worker').tenant;
  await harness.rows('DELETE FROM remembered_right');
  await inTenant(of.organizationId, (tx) => rememberRight(tx, right, 'write', new Date(Date.now() - 1_000)));
  await harness.deliver(event, payload, { apps: ['mirror'] });
  return inTenant(of.organizationId, async (tx) => (await rememberedRight(tx, right, new Date())) !== undefined);
}

describe('what a forge said of a right', () => {
  const [example] = examplesOf('member');
  const told = (memberId: number, repositoryId: number): Payload => ({
    ...example,
    action: 'removed',
    member: { ...(example?.member as Payload), id: memberId },
    repository: { ...(example?.repository as Payload), id: repositoryId },
  });
  const id = Number((example?.repository as Payload | undefined)?.id);

  it('counts no more once the member or the repository has changed', async () => {
    expect(await isRemembered('member', told(200, id))).toBe(false);
    expect(await isRemembered('member', told(201, id))).toBe(true);
    const [transferred] = examplesOf('repository');
    expect(await isRemembered('repository', { ...transferred })).toBe(false);
  });

  it.each(['organization', 'membership', 'team'])('counts no more after an event %s', async (event) => {
    const payload = { ...about(event, 'changed', ORGANIZATION), repository: { id } };
    expect(await isRemembered(event, payload)).toBe(false);
  });
});

describe('events about members', () => {
  it.each([
    ['organization', 'member_added'],
    ['organization', 'member_removed'],
    ['organization', 'renamed'],
    ['membership', 'added'],
    ['membership', 'removed'],
    ['team', 'created'],
    ['team', 'deleted'],
  ])('%s.%s makes the source due', async (event, action) => {
    expect(await marks(event, about(event, action, ORGANIZATION))).toEqual({ due: true, deleted: false });
  });

  it('notes that the organization was deleted, and of no other event', async () => {
    expect(await marks('organization', about('organization', 'deleted', ORGANIZATION))).toEqual({
      due: true,
      deleted: true,
    });
    expect(await marks('team', about('team', 'deleted', ORGANIZATION))).toEqual({ due: true, deleted: false });
  });

  it('finds the source of a team below it, and none of another organization', async () => {
    const team = { ...(examplesOf('team')[0]?.team as Payload), id: TEAM };
    expect(await marks('team', about('team', 'edited', 5, { team }))).toEqual({ due: true, deleted: false });
    expect(await marks('organization', about('organization', 'member_removed', TEAM))).toEqual({
      due: true,
      deleted: false,
    });
    expect(await marks('organization', about('organization', 'deleted', TEAM))).toEqual({ due: true, deleted: false });
    expect(await marks('organization', about('organization', 'member_added', 6))).toEqual({
      due: false,
      deleted: false,
    });
  });

  it('gives nobody a role', async () => {
    const payload = about('organization', 'member_added', ORGANIZATION);
    const membership = { ...(payload.membership as Payload), role: 'admin' };
    await marks('organization', { ...payload, membership });
    expect(await harness.rows('SELECT FROM member')).toEqual([]);
    expect(await harness.rows('SELECT FROM forge_membership')).toEqual([]);
  });

  it('leaves what a rehearsal would have done undone', async () => {
    await harness.deliver('organization', about('organization', 'member_added', ORGANIZATION), {
      apps: ['mirror'],
      writes: 'rehearsal',
    });
    expect(await harness.rows('SELECT FROM organization_source WHERE due_at < $1', [LATER])).toEqual([]);
  });
});
