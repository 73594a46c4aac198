/** Section H of the test plan for workspaces: roles x endpoints and tenants, each caller with a workspace of their own. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createBlobs } from '../../src/accounts/blobs.js';
import { createVault } from '../../src/accounts/vault.js';
import { withConnection } from '../../src/store/connection.js';
import { TEST_KEYS } from '../support/database.js';
import { statementsOf } from '../support/statements.js';
import { type ApiRig, type Caller, callers, startApiRig } from './api-rig.js';
import { signedRoutes, type WorkspaceIds, workspaceRoutes } from './workspace-expectations.js';

const STATE = JSON.stringify({
  version: 4,
  serial: 1,
  lineage: 'l',
  outputs: { greeting: { type: 'string', value: 'hello' } },
  resources: [],
});

let rig: ApiRig;
/** Of both tenants, by organization. */
const blobs = new Map<string, { configuration: string; state: string; team: string }>();
beforeAll(async () => {
  rig = await startApiRig();
  const store = createBlobs({ store: rig.db.store('worker'), vault: createVault(TEST_KEYS.versions) });
  for (const { organization } of [rig.mine, rig.theirs]) {
    const [configuration, state] = await Promise.all([
      store.write(organization, 'configuration', [Buffer.from('archive')], { limit: 100 }),
      store.write(organization, 'state', [Buffer.from(STATE)], { limit: 1_000 }),
    ]);
    const [team] = await rig.rows<{ id: string }>('SELECT id FROM team WHERE organization_id = $1', [organization]);
    blobs.set(organization, { configuration: configuration.id, state: state.id, team: team?.id ?? '' });
  }
});
afterAll(() => rig.close());

interface WorkspaceWish {
  locked: boolean;
  /** Else it waits to be confirmed, which holds the workspace. */
  runIsOver: boolean;
}

/** As many workspaces, each with one of everything, in one round trip. */
async function makeWorkspaces(organization: string, count: number, wish: WorkspaceWish): Promise<WorkspaceIds[]> {
  const of = blobs.get(organization);
  const statements: string[] = [];
  const made = Array.from({ length: count }, (): WorkspaceIds => {
    const id = Object.fromEntries(
      ['workspace', 'variable', 'cv', 'run', 'plan', 'apply', 'state', 'access'].map((name) => [name, randomUUID()]),
    );
    const lock = wish.locked ? `now(), 'user:somebody'` : 'NULL, NULL';
    const common = `'${organization}', '${id.workspace}'`;
    statements.push(
      `INSERT INTO workspace (organization_id, id, name, created_by, locked_at, locked_by) VALUES (${common}, 'w-${id.workspace}', 'x', ${lock})`,
      `INSERT INTO workspace_variable (organization_id, workspace_id, id, key, category, value) VALUES (${common}, '${id.variable}', 'k', 'terraform', 'v')`,
      `INSERT INTO workspace_team (organization_id, workspace_id, id, team_id, access) VALUES (${common}, '${id.access}', '${of?.team}', 'read')`,
      `INSERT INTO configuration_version (organization_id, workspace_id, id, source, status, created_by, blob_id) VALUES (${common}, '${id.cv}', 'api', 'uploaded', 'x', '${of?.configuration}')`,
      `INSERT INTO run (organization_id, workspace_id, id, configuration_version_id, source, created_by, status) VALUES (${common}, '${id.run}', '${id.cv}', 'api', 'x', '${wish.runIsOver ? 'applied' : 'planned'}')`,
      `INSERT INTO run_phase (organization_id, run_id, id, phase, shown_blob_id) VALUES ('${organization}', '${id.run}', '${id.plan}', 'plan', '${of?.state}'), ('${organization}', '${id.run}', '${id.apply}', 'apply', NULL)`,
      `INSERT INTO state_version (organization_id, workspace_id, id, serial, lineage, md5, status, state_blob_id, outputs, created_by) VALUES (${common}, '${id.state}', 1, 'l', 'm', 'finalized', '${of?.state}', '[{"name": "greeting", "type": "string", "sensitive": false}]', 'x')`,
      `UPDATE workspace SET current_state_version_id = '${id.state}' WHERE id = '${id.workspace}'`,
    );
    return {
      name: `w-${id.workspace}`,
      workspace: `ws-${id.workspace}`,
      variable: `var-${id.variable}`,
      configuration: `cv-${id.cv}`,
      run: `run-${id.run}`,
      plan: `plan-${id.plan}`,
      apply: `apply-${id.apply}`,
      state: `sv-${id.state}`,
      output: `wsout-${id.state}.${Buffer.from('greeting').toString('base64url')}`,
      team: `team-${of?.team}`,
      access: `tws-${id.access}`,
    };
  });
  await withConnection(rig.db.superuser, (client) => client.query(statements.join(';\n')));
  return made;
}

function asked(route: string, ids: WorkspaceIds, organization = 'mine') {
  const [method = '', path = ''] = route.split(' ');
  const { body, query } = workspaceRoutes[route] ?? {};
  const at = path.replace(/:(\w+)/g, (_, name: string) =>
    name === 'organization' ? organization : ids[name as keyof WorkspaceIds],
  );
  return { method, url: query === undefined ? at : `${at}?${query(ids)}`, body: body?.(ids) };
}

/** One for all callers where nothing is changed. A run is only to be asked of where that is what the route is for. */
async function ready(organization: string, route: string, count: number): Promise<WorkspaceIds[]> {
  const wish = { locked: workspaceRoutes[route]?.locked ?? false, runIsOver: !/:run\/actions/.test(route) };
  if (!route.startsWith('GET ')) return makeWorkspaces(organization, count, wish);
  const made = await makeWorkspaces(organization, 1, wish);
  return Array.from({ length: count }, () => made[0] as WorkspaceIds);
}

/** As the router writes it, with our names for the places. */
const asRegistered = (route: string) =>
  route.replace(/:(?:workspace|configuration|run|plan|apply|state|output|access)\b/g, ':id');

describe('who may do what with workspaces', () => {
  it('is said for every route that there is, and for none that there is not', () => {
    const here = rig.routes.filter((route) => route.includes(' /api/v2/') && !route.includes('vcs-connections'));
    expect(here.toSorted()).toEqual([...Object.keys(workspaceRoutes).map(asRegistered), ...signedRoutes].sort());
    for (const { expected } of Object.values(workspaceRoutes)) expect(expected).toHaveLength(callers.length);
  });

  it.each(Object.keys(workspaceRoutes))('%s', async (route) => {
    const found = [];
    const all = await ready(rig.mine.organization, route, callers.length);
    for (const [index, caller] of callers.entries()) {
      const { method, url, body } = asked(route, all[index] as WorkspaceIds);
      const { statusCode } = await rig.call(caller, method, url, body);
      found.push(statusCode >= 200 && statusCode < 300 ? 'ok' : String(statusCode));
    }
    expect(found).toEqual(workspaceRoutes[route]?.expected);
  });

  it.each(signedRoutes)('%s is nothing without an address that we signed, for anybody', async (route) => {
    const [method = '', path = ''] = route.split(' ');
    const forged = `${rig.mine.organization}.${randomUUID()}.99999999999.${'0'.repeat(64)}`;
    for (const caller of ['anonymous', 'owner'] as Caller[])
      expect((await rig.call(caller, method, path.replace(':name', forged))).statusCode).toBe(404);
  });
});

describe('tenants', () => {
  const never = (ids: WorkspaceIds): WorkspaceIds =>
    Object.fromEntries(
      Object.entries(ids).map(([name, id]) => [
        name,
        id.replace(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/, randomUUID()),
      ]),
    ) as unknown as WorkspaceIds;

  it('are told the same of each other’s workspaces as of none, by the same statements, and change nothing there', async () => {
    for (const route of Object.keys(workspaceRoutes)) {
      if (
        !/:(?!organization\b)\w+|filter|POST \/api\/v2\/(?:runs|team-workspaces)/.test(route) &&
        !workspaceRoutes[route]?.query
      )
        continue;
      const [theirs] = (await ready(rig.theirs.organization, route, 1)) as [WorkspaceIds];
      const before = await rig.rows(
        `SELECT w.*, (SELECT count(*) FROM run r WHERE r.workspace_id = w.id) AS runs FROM workspace w WHERE id = $1`,
        [theirs.workspace.slice(3)],
      );
      const ask = (ids: WorkspaceIds) => async () => {
        const { method, url, body } = asked(route, ids);
        const { result, statements } = await statementsOf(
          () => rig.call('owner', method, url, body),
          'access_decision',
        );
        return { status: result.statusCode, body: result.body, statements };
      };
      const [foreign, none] = [await ask(theirs)(), await ask(never(theirs))()];
      expect([route, foreign.status]).toEqual([route, 404]);
      expect([route, foreign]).toEqual([route, none]);
      expect(
        await rig.rows(
          `SELECT w.*, (SELECT count(*) FROM run r WHERE r.workspace_id = w.id) AS runs FROM workspace w WHERE id = $1`,
          [theirs.workspace.slice(3)],
        ),
      ).toEqual(before);
    }
  });
});
