/** What else the Terraform CLI asks below `/api/v2`: who answers, what is offered, and what stands before a run. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Action } from '../../accounts/access/actions.js';
import { decide } from '../../accounts/access/decide.js';
import { activeStatuses, phasesOf, type RunRow, unfinishedRuns } from '../../store/workspace/runs.js';
import { getWorkspace } from '../../store/workspace/workspaces.js';
import { authorizedOrganization, organizationsOf, permit } from '../authorize.js';
import { API_PREFIX } from '../json-api/document.js';
import { parseInput } from '../problem.js';
import { type Routes, send } from './context.js';
import { runResource } from './run-document.js';

/** Clients refuse a server whose API is older than what they need; 2.5 has saved plans, and 2.6 nothing more that is served. */
export const API_HEADERS = {
  'tfp-api-version': '2.5',
  'tfp-appname': 'Forgeway',
} as const;

const organizationParams = z.object({ organization: z.string().max(100) });

interface OrganizationRow {
  id: string;
  slug: string;
  name: string;
  created_at: Date;
}

export function addTerraformRoutes(app: FastifyInstance, routes: Routes): void {
  const { services, callerOf } = routes.o;
  const { store } = services;

  const organizationOf = async (organizationId: string): Promise<OrganizationRow | undefined> => {
    const { rows } = await store.tenant(organizationId, (tx) =>
      tx.query<OrganizationRow>('SELECT id, slug, name, created_at FROM organization WHERE id = $1', [organizationId]),
    );
    return rows[0];
  };
  const within = async (request: FastifyRequest, action: Action) => {
    const { organization } = parseInput(organizationParams, request.params);
    const actor = await callerOf(request);
    const organizationId = await authorizedOrganization(services, actor, action, organization);
    return { organization, actor, organizationId };
  };
  const resource = (row: OrganizationRow, may: (action: Action) => boolean) => ({
    id: row.slug,
    type: 'organizations',
    attributes: {
      name: row.slug,
      'display-name': row.name,
      'external-id': `org-${row.id}`,
      'created-at': row.created_at.toISOString(),
      'default-execution-mode': 'remote',
      'cost-estimation-enabled': false,
      'assessments-enforced': false,
      'saml-enabled': false,
      'two-factor-conformant': true,
      permissions: {
        'can-create-workspace': may('workspace.manage'),
        'can-create-workspace-migration': may('workspace.manage'),
        'can-create-team': false,
        'can-destroy': false,
        'can-update': may('organization.manage'),
        'can-traverse': true,
        'can-create-module': false,
        'can-manage-run-tasks': false,
      },
    },
    relationships: { 'entitlement-set': { data: { id: row.slug, type: 'entitlement-sets' } } },
    links: { self: `${API_PREFIX}/organizations/${row.slug}` },
  });

  // Without a token: a client asks before it has one.
  app.get('/ping', async (_request, reply) => reply.code(204).send());

  app.get('/account/details', async (request, reply) => {
    const actor = await callerOf(request);
    const [organizationId] = organizationsOf(actor);
    if (organizationId === undefined) await authorizedOrganization(services, actor, 'organization.read', undefined);
    else await permit(services, actor, 'organization.read', { organizationId, name: 'organization' });
    const isPerson = actor.kind === 'user';
    const id = isPerson ? actor.userId : actor.kind === 'machine' ? actor.tokenId : '';
    const name = isPerson || actor.kind === 'machine' ? actor.name : '';
    return send(reply, {
      data: {
        id,
        type: 'users',
        attributes: { username: name, 'is-service-account': !isPerson, email: null, permissions: {} },
      },
    });
  });

  app.get('/organizations', async (request, reply) => {
    const actor = await callerOf(request);
    const data = [];
    for (const organizationId of organizationsOf(actor)) {
      const may = (action: Action) => decide(actor, action, { organizationId }).allowed;
      const row = may('organization.read') ? await organizationOf(organizationId) : undefined;
      if (row !== undefined) data.push(resource(row, may));
    }
    if (data.length === 0) await authorizedOrganization(services, actor, 'organization.read', undefined);
    return send(reply, { data });
  });

  app.get('/organizations/:organization', async (request, reply) => {
    const { actor, organizationId } = await within(request, 'organization.read');
    const row = await organizationOf(organizationId);
    const may = (action: Action) => decide(actor, action, { organizationId }).allowed;
    return send(reply, { data: row === undefined ? null : resource(row, may) });
  });

  app.get('/organizations/:organization/entitlement-set', async (request, reply) => {
    const { organization } = await within(request, 'organization.read');
    return send(reply, {
      data: {
        id: organization,
        type: 'entitlement-sets',
        attributes: {
          operations: true,
          'state-storage': true,
          teams: true,
          'vcs-integrations': true,
          agents: false,
          'cost-estimation': false,
          'private-module-registry': false,
          'policy-enforcement': false,
          'policy-limit': 0,
          'run-task-limit': 0,
          'run-tasks': false,
          sentinel: false,
          'user-limit': null,
        },
      },
    });
  });

  app.get('/organizations/:organization/projects', async (request, reply) => {
    await within(request, 'organization.read');
    return send(reply, { data: [] });
  });

  /** Runs at work, and those that wait: what the CLI shows while its own run waits. */
  app.get('/organizations/:organization/capacity', async (request, reply) => {
    const { organization, organizationId } = await within(request, 'workspace.read');
    const runs = await store.tenant(organizationId, (tx) => unfinishedRuns(tx));
    const isActive = ({ status }: RunRow) => (activeStatuses as readonly string[]).includes(status);
    return send(reply, {
      data: {
        id: organization,
        type: 'organization-capacity',
        attributes: {
          running: runs.filter(isActive).length,
          pending: runs.filter(({ status }) => status === 'pending').length,
        },
      },
    });
  });

  app.get('/organizations/:organization/runs/queue', async (request, reply) => {
    const { actor, organizationId } = await within(request, 'workspace.read');
    const found = await store.tenant(organizationId, async (tx) => {
      const waiting = (await unfinishedRuns(tx)).filter(({ status }) => status === 'pending').slice(0, 100);
      const all = [];
      for (const run of waiting) {
        const workspace = await getWorkspace(tx, run.workspaceId);
        if (workspace !== undefined) all.push({ run, workspace, phases: await phasesOf(tx, run.id) });
      }
      return all;
    });
    const data = await Promise.all(
      found.map(async ({ run, workspace, phases }, index) =>
        runResource(await routes.visit(actor, organizationId, workspace), run, { phases, position: index + 1 }),
      ),
    );
    return send(reply, {
      data,
      meta: {
        pagination: {
          'current-page': 1,
          'prev-page': null,
          'next-page': null,
          'total-pages': 1,
          'total-count': data.length,
        },
      },
    });
  });
}
