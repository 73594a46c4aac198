/** `/workspaces`: make, link, change, disconnect, list, show, remove, lock and unlock. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { type Actor, nameOfActor } from '../../accounts/access/actor.js';
import { audit } from '../../accounts/audit.js';
import { ForgewayError } from '../../lib/errors.js';
import { sqlStateOf } from '../../store/connection.js';
import { currentStateVersion } from '../../store/workspace/state-versions.js';
import {
  deleteWorkspace,
  findWorkspace,
  getWorkspace,
  holdWorkspace,
  insertWorkspace,
  listWorkspaces,
  updateWorkspace,
  type WorkspaceRow,
} from '../../store/workspace/workspaces.js';
import { authorizedOrganization, notFound } from '../authorize.js';
import { API_PREFIX, collection } from '../json-api/document.js';
import { InvalidRequest, parseInput } from '../problem.js';
import { pageOf, type Routes, send, type Visit } from './context.js';
import { workspaceIds } from './ids.js';
import { linkChange } from './repository-link.js';
import { WORKSPACES, workspaceResource } from './workspace-document.js';
import { attributeIssue, readTags, readWorkspace } from './workspace-input.js';

const ofOrganization = z.object({ organization: z.string().max(100) });
const byName = ofOrganization.extend({ name: z.string().max(100) });
const search = z.object({
  'search[name]': z.string().max(100).optional(),
  'search[wildcard-name]': z.string().max(100).optional(),
  'search[tags]': z.string().max(2_000).optional(),
});
const reasonSchema = z.object({ reason: z.string().max(500).nullish() });
/** As the documentation has it, and as a document, which is how the Terraform CLI says it. */
const lockBody = z.union([z.object({ data: z.object({ attributes: reasonSchema }) }), reasonSchema]).nullish();

const UNIQUE_VIOLATION = '23505';
const taken = () => new InvalidRequest([attributeIssue('name', 'is the name of another workspace here')]);

/** The holder as a person reads it. */
const busy = (row: WorkspaceRow): string =>
  row.lockedBy === null
    ? 'A run is under way in the workspace.'
    : `The workspace is locked by ${row.lockedBy}${row.lockReason ? `: ${row.lockReason}` : '.'}`;

export function addWorkspaceRoutes(app: FastifyInstance, routes: Routes): void {
  const { services, callerOf } = routes.o;
  const { store, forges } = services;

  const documentOf = async (visit: Visit) => ({ data: await routes.workspaceDocument(visit) });
  const again = async (visit: Visit): Promise<Visit> => {
    const row = await store.tenant(visit.organizationId, (tx) => getWorkspace(tx, visit.workspace.id));
    if (row === undefined) throw notFound();
    return { ...visit, workspace: row };
  };
  const within = async (request: FastifyRequest, action: 'workspace.read' | 'workspace.manage') => {
    const { organization } = parseInput(ofOrganization, request.params);
    const actor = await callerOf(request);
    const organizationId = await authorizedOrganization(services, actor, action, organization);
    return { organization, actor, organizationId };
  };
  /** By the name in the address, whoever may see it. */
  const named = async (request: FastifyRequest): Promise<Visit> => {
    const { actor, organizationId } = await within(request, 'workspace.read');
    const { name } = parseInput(byName, request.params);
    const row = await store.tenant(organizationId, (tx) => findWorkspace(tx, organizationId, name));
    if (row === undefined) throw notFound();
    return routes.visit(actor, organizationId, row);
  };

  const all = `/organizations/:organization/${WORKSPACES}`;
  app.get(all, async (request, reply) => {
    const { organization, actor, organizationId } = await within(request, 'workspace.read');
    const page = pageOf(request.query);
    const wanted = parseInput(search, request.query);
    const part = wanted['search[name]'] ?? wanted['search[wildcard-name]']?.replaceAll('*', '');
    const tags = (wanted['search[tags]'] ?? '').split(',').filter((tag) => tag !== '');
    const { rows, total } = await store.tenant(organizationId, (tx) =>
      listWorkspaces(tx, { ...(part && { search: part }), tags }, page),
    );
    const visits = await Promise.all(rows.map((row) => routes.visit(actor, organizationId, row)));
    const data = visits.map((one) => workspaceResource(one, { organization, forges }));
    const kept = new URLSearchParams();
    for (const [name, value] of Object.entries(wanted)) if (value !== undefined) kept.set(name, value);
    const path = `${API_PREFIX}/organizations/${encodeURIComponent(organization)}/${WORKSPACES}`;
    return send(reply, collection(data, path, kept, { number: page.number, size: page.size, total }));
  });

  async function create(organizationId: string, actor: Actor, body: unknown): Promise<Visit> {
    const { change, link } = readWorkspace(body);
    const { name } = change;
    if (name === undefined) throw new InvalidRequest([attributeIssue('name', 'is needed')]);
    const by = nameOfActor(actor);
    const row = await store.tenant(organizationId, async (tx) => {
      const linked = await linkChange(tx, forges, link, undefined);
      const id = await insertWorkspace(tx, organizationId, { ...change, ...linked, name, createdBy: by });
      if (id === undefined) throw taken();
      await audit(tx, organizationId, 'workspace.created', workspaceIds.external(id), { name }, by);
      return getWorkspace(tx, id);
    });
    if (row === undefined) throw notFound();
    return routes.visit(actor, organizationId, row);
  }

  app.post(all, async (request, reply) => {
    const { actor, organizationId } = await within(request, 'workspace.manage');
    const document = await routes.changing(request, { organizationId, actor }, async () =>
      documentOf(await create(organizationId, actor, request.body)),
    );
    return send(reply.header('location', document.data.links.self), document, 201);
  });

  async function change(visit: Visit, body: unknown): Promise<Visit> {
    await visit.permit('workspace.manage');
    const { workspace, organizationId, by } = visit;
    const wanted = readWorkspace(body, workspaceIds.external(workspace.id));
    await store
      .tenant(organizationId, async (tx) => {
        const row = await holdWorkspace(tx, workspace.id);
        if (row === undefined) throw notFound();
        const linked = await linkChange(tx, forges, wanted.link, row);
        await updateWorkspace(tx, row.id, { ...wanted.change, ...linked });
        const changed = Object.entries({ ...wanted.change, ...linked }).flatMap(([name, value]) =>
          value === undefined ? [] : [name],
        );
        await audit(tx, organizationId, 'workspace.changed', workspaceIds.external(row.id), { changed }, by);
      })
      .catch((error: unknown) => {
        throw sqlStateOf(error) === UNIQUE_VIOLATION ? taken() : error;
      });
    return again(visit);
  }

  async function remove(visit: Visit, safely: boolean): Promise<void> {
    await visit.permit('workspace.manage');
    const { organizationId, by } = visit;
    await store.tenant(organizationId, async (tx) => {
      const row = await holdWorkspace(tx, visit.workspace.id);
      if (row === undefined) return;
      if (row.activeRunId !== null || row.lockedAt !== null) throw new ForgewayError('FORGEWAY_CONFLICT', busy(row));
      const state = safely ? await currentStateVersion(tx, row.id) : undefined;
      if (state?.resources.some(({ type, count }) => count > 0 && !type.startsWith('data.')))
        throw new ForgewayError(
          'FORGEWAY_CONFLICT',
          'The workspace still manages resources: destroy them first, or delete the workspace without asking.',
        );
      await deleteWorkspace(tx, row.id);
      await audit(tx, organizationId, 'workspace.removed', workspaceIds.external(row.id), { name: row.name }, by);
    });
  }

  const places = [
    { path: `/${WORKSPACES}/:id`, find: (request: FastifyRequest) => routes.workspace(request, workspaceIds) },
    { path: `${all}/:name`, find: named },
  ];
  for (const { path, find } of places) {
    app.get(path, async (request, reply) => send(reply, await documentOf(await find(request))));
    app.patch(path, async (request, reply) => {
      const visit = await find(request);
      const document = await routes.changing(request, visit, async () => documentOf(await change(visit, request.body)));
      return send(reply, document);
    });
    app.delete(path, async (request, reply) => {
      await remove(await find(request), false);
      return reply.code(204).send();
    });
    app.post(`${path}/actions/safe-delete`, async (request, reply) => {
      await remove(await find(request), true);
      return reply.code(204).send();
    });
  }

  // ── Locks ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  const isHolder = (visit: Visit, row: WorkspaceRow): boolean => row.lockedBy?.split(' ')[0] === visit.by.split(' ')[0];

  async function setLock(
    visit: Visit,
    decideOn: (row: WorkspaceRow) => { lock: string | null } | undefined,
    action: string,
    reason: string | null = null,
  ): Promise<Visit> {
    const { organizationId, by } = visit;
    await store.tenant(organizationId, async (tx) => {
      const row = await holdWorkspace(tx, visit.workspace.id);
      if (row === undefined) throw notFound();
      const next = decideOn(row);
      if (next === undefined) return;
      await updateWorkspace(tx, row.id, {
        lockedBy: next.lock,
        lockedAt: next.lock === null ? null : new Date(),
        lockReason: reason,
        lockedByRunId: null,
      });
      await audit(tx, organizationId, action, workspaceIds.external(row.id), reason ? { reason } : {}, by);
    });
    return again(visit);
  }

  const one = `/${WORKSPACES}/:id`;
  app.post(`${one}/actions/lock`, async (request, reply) => {
    const visit = await routes.workspace(request, workspaceIds);
    await visit.permit('run.plan');
    const body = parseInput(lockBody, request.body) ?? {};
    const { reason = null } = 'data' in body ? body.data.attributes : body;
    const locked = await setLock(
      visit,
      (row) => {
        if (row.lockedAt !== null || row.activeRunId !== null) throw new ForgewayError('FORGEWAY_CONFLICT', busy(row));
        return { lock: visit.by };
      },
      'workspace.locked',
      reason,
    );
    return send(reply, await documentOf(locked));
  });

  app.post(`${one}/actions/unlock`, async (request, reply) => {
    const visit = await routes.workspace(request, workspaceIds);
    await visit.permit('run.plan');
    const unlocked = await setLock(
      visit,
      (row) => {
        if (row.lockedAt === null)
          throw new ForgewayError(
            'FORGEWAY_CONFLICT',
            row.activeRunId === null ? 'The workspace is not locked.' : `${busy(row)} Cancel or discard it instead.`,
          );
        if (!isHolder(visit, row))
          throw new ForgewayError('FORGEWAY_CONFLICT', `${busy(row)} Whoever may force it can unlock it.`);
        return { lock: null };
      },
      'workspace.unlocked',
    );
    return send(reply, await documentOf(unlocked));
  });

  app.post(`${one}/actions/force-unlock`, async (request, reply) => {
    const visit = await routes.workspace(request, workspaceIds);
    await visit.permit('run.apply');
    const unlocked = await setLock(
      visit,
      (row) => {
        if (row.lockedAt === null) throw new ForgewayError('FORGEWAY_CONFLICT', 'The workspace is not locked.');
        return { lock: null };
      },
      'workspace.force-unlocked',
    );
    return send(reply, await documentOf(unlocked));
  });

  // ── Tags ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  const changeTags = async (request: FastifyRequest, next: (now: string[], given: string[]) => string[]) => {
    const visit = await routes.workspace(request, workspaceIds);
    await visit.permit('workspace.manage');
    const given = readTags(request.body);
    await store.tenant(visit.organizationId, async (tx) => {
      const row = await holdWorkspace(tx, visit.workspace.id);
      if (row !== undefined) await updateWorkspace(tx, row.id, { tags: [...new Set(next(row.tags, given))].sort() });
    });
  };
  app.get(`${one}/relationships/tags`, async (request, reply) => {
    const { workspace } = await routes.workspace(request, workspaceIds);
    return send(reply, { data: workspace.tags.map((name) => ({ id: name, type: 'tags', attributes: { name } })) });
  });
  app.post(`${one}/relationships/tags`, async (request, reply) => {
    await changeTags(request, (now, given) => [...now, ...given]);
    return reply.code(204).send();
  });
  app.delete(`${one}/relationships/tags`, async (request, reply) => {
    await changeTags(request, (now, given) => now.filter((tag) => !given.includes(tag)));
    return reply.code(204).send();
  });
}
