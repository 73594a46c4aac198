/** `/team-workspaces`: what teams may do in a workspace, and which teams there are. */
import type { FastifyInstance } from 'fastify';
import type pg from 'pg';
import { z } from 'zod';
import { audit } from '../../accounts/audit.js';
import {
  deleteTeamAccess,
  getTeamAccess,
  listTeamAccess,
  setTeamAccess,
  type TeamAccessRow,
  teamAccesses,
} from '../../store/workspace/teams.js';
import { authorizedOrganization } from '../authorize.js';
import { API_PREFIX } from '../json-api/document.js';
import { InvalidRequest, parseInput, parseQuery } from '../problem.js';
import { type Routes, send, type Visit } from './context.js';
import { teamAccessIds, teamIds, workspaceIds } from './ids.js';
import { to } from './workspace-document.js';
import { relationshipIssue } from './workspace-input.js';

const TYPE = 'team-workspaces';
const reference = z.object({ data: z.object({ id: z.string().max(100) }) });
const access = z.enum(teamAccesses, { error: `must be one of ${teamAccesses.join(', ')}` });
const createSchema = z.object({
  data: z.object({
    attributes: z.object({ access }),
    relationships: z.object({ workspace: reference, team: reference }),
  }),
});
const updateSchema = z.object({ data: z.object({ attributes: z.object({ access }) }) });
const listQuery = z.object({ 'filter[workspace][id]': z.string().max(100) });
const organizationParams = z.object({ organization: z.string().max(100) });

const resource = (row: TeamAccessRow) => {
  const id = teamAccessIds.external(row.id);
  return {
    id,
    type: TYPE,
    attributes: { access: row.access, 'team-name': row.teamName },
    relationships: {
      team: to('teams', teamIds.external(row.teamId)),
      workspace: to('workspaces', workspaceIds.external(row.workspaceId)),
    },
    links: { self: `${API_PREFIX}/${TYPE}/${id}` },
  };
};

export function addTeamRoutes(app: FastifyInstance, routes: Routes): void {
  const { services, callerOf } = routes.o;
  const { store } = services;
  const load = async (tx: pg.PoolClient, id: string) => {
    const row = await getTeamAccess(tx, id);
    return row && { thing: row, workspaceId: row.workspaceId };
  };

  app.get('/organizations/:organization/teams', async (request, reply) => {
    const { organization } = parseInput(organizationParams, request.params);
    const actor = await callerOf(request);
    const organizationId = await authorizedOrganization(services, actor, 'organization.read', organization);
    const { rows } = await store.tenant(organizationId, (tx) =>
      tx.query<{ id: string; name: string; slug: string; people: number }>(
        `SELECT t.id, t.name, t.slug, (SELECT count(*)::int4 FROM team_member m WHERE m.team_id = t.id) AS people
         FROM team t ORDER BY t.name, t.id LIMIT 1000`,
      ),
    );
    const data = rows.map(({ id, name, slug, people }) => ({
      id: teamIds.external(id),
      type: 'teams',
      attributes: { name, slug, 'users-count': people },
    }));
    return send(reply, { data });
  });

  app.get(`/${TYPE}`, async (request, reply) => {
    const { 'filter[workspace][id]': external } = parseQuery(listQuery, request.query);
    const { organizationId, workspace } = await routes.workspaceOf(request, external);
    const rows = await store.tenant(organizationId, (tx) => listTeamAccess(tx, workspace.id));
    return send(reply, { data: rows.map(resource) });
  });

  async function give(visit: Visit, teamId: string, given: z.output<typeof access>) {
    const { organizationId, workspace, by } = visit;
    const row = await store.tenant(organizationId, async (tx) => {
      const id = await setTeamAccess(tx, organizationId, { workspaceId: workspace.id, teamId, access: given });
      const made = id && (await getTeamAccess(tx, id));
      if (!made) throw new InvalidRequest([relationshipIssue('team', 'is not one of this organization')]);
      const detail = { workspace: workspace.name, team: made.teamName, access: given };
      await audit(tx, organizationId, 'workspace.team-access', teamAccessIds.external(made.id), detail, by);
      return made;
    });
    return { data: resource(row) };
  }

  app.post(`/${TYPE}`, async (request, reply) => {
    const { attributes, relationships } = parseInput(createSchema, request.body).data;
    const visit = await routes.workspaceOf(request, relationships.workspace.data.id);
    await visit.permit('workspace.grant');
    const teamId = teamIds.internal(relationships.team.data.id);
    if (teamId === undefined) throw new InvalidRequest([relationshipIssue('team', 'is not one of this organization')]);
    const document = await routes.changing(request, visit, () => give(visit, teamId, attributes.access));
    return send(reply, document, 201);
  });

  const one = `/${TYPE}/:id`;
  app.get(one, async (request, reply) => {
    const { thing } = await routes.find(request, teamAccessIds, load);
    return send(reply, { data: resource(thing) });
  });
  app.patch(one, async (request, reply) => {
    const { thing, ...visit } = await routes.find(request, teamAccessIds, load);
    await visit.permit('workspace.grant');
    const { attributes } = parseInput(updateSchema, request.body).data;
    return send(reply, await give(visit, thing.teamId, attributes.access));
  });
  app.delete(one, async (request, reply) => {
    const { thing, ...visit } = await routes.find(request, teamAccessIds, load);
    await visit.permit('workspace.grant');
    const { organizationId, by } = visit;
    await store.tenant(organizationId, async (tx) => {
      await deleteTeamAccess(tx, thing.id);
      const detail = { workspace: visit.workspace.name, team: thing.teamName, access: null };
      await audit(tx, organizationId, 'workspace.team-access', teamAccessIds.external(thing.id), detail, by);
    });
    return reply.code(204).send();
  });
}
