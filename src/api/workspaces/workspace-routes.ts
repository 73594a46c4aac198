/** `/workspaces`: make, link, change, disconnect, list, show, remove. */
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
} from '../../store/workspace/workspaces.js';
import { authorizedOrganization, notFound } from '../authorize.js';
import { API_PREFIX, collection } from '../json-api/document.js';
import { InvalidRequest, parseInput, parseQuery } from '../problem.js';
import { pageOf, type Routes, send, type Visit } from './context.js';
import { workspaceIds } from './ids.js';
import { linkChange } from './repository-link.js';
import { replaceTags } from './tags.js';
import { heldInWords, holderOf, WORKSPACES, workspaceResource } from './workspace-document.js';
import { attributeIssue, readWorkspace } from './workspace-input.js';

const ofOrganization = z.object({ organization: z.string().max(100) });
const byName = ofOrganization.extend({ name: z.string().max(100) });
const search = z.object({
  'search[name]': z.string().max(100).optional(),
  'search[wildcard-name]': z.string().max(100).optional(),
  'search[tags]': z.string().max(2_000).optional(),
});

const TAGGED = /^filter\[tagged\]\[(\d{1,3})\]\[(key|value)\]$/;

/** Of `filter[tagged][0][key]` and `filter[tagged][0][value]`, and so on: as rows keep tags. */
function taggedOf(query: unknown): string[] {
  const found = new Map<string, { key?: string; value?: string }>();
  for (const [name, given] of Object.entries(query as Record<string, unknown>)) {
    const [, at = '', part] = TAGGED.exec(name) ?? [];
    if (part !== undefined) found.set(at, { ...found.get(at), [part]: String(given) });
  }
  return [...found.values()].flatMap(({ key, value }) => (key ? [value ? `${key}=${value}` : key] : []));
}

const UNIQUE_VIOLATION = '23505';
const taken = () => new InvalidRequest([attributeIssue('name', 'is the name of another workspace here')]);

export function addWorkspaceRoutes(app: FastifyInstance, routes: Routes): void {
  const { services, callerOf } = routes.o;
  const { store, forges } = services;

  const documentOf = async (visit: Visit) => ({ data: await routes.workspaceDocument(visit) });
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
    const wanted = parseQuery(search, request.query);
    const part = wanted['search[name]'] ?? wanted['search[wildcard-name]']?.replaceAll('*', '');
    const tags = [...(wanted['search[tags]'] ?? '').split(',').filter((tag) => tag !== ''), ...taggedOf(request.query)];
    const { rows, total } = await store.tenant(organizationId, (tx) =>
      listWorkspaces(tx, { ...(part && { search: part }), tags }, page),
    );
    const visits = await Promise.all(rows.map((row) => routes.visit(actor, organizationId, row)));
    const data = visits.map((one) => workspaceResource(one, { organization, forges }));
    const kept = new URLSearchParams();
    for (const [name, value] of Object.entries(wanted)) if (value !== undefined) kept.set(name, value);
    for (const [name, value] of Object.entries(request.query as Record<string, unknown>))
      if (TAGGED.test(name)) kept.set(name, String(value));
    const path = `${API_PREFIX}/organizations/${encodeURIComponent(organization)}/${WORKSPACES}`;
    return send(reply, collection(data, path, kept, { number: page.number, size: page.size, total }));
  });

  async function create(organizationId: string, actor: Actor, body: unknown): Promise<Visit> {
    const { change, link, tags } = readWorkspace(body);
    const { name } = change;
    if (name === undefined) throw new InvalidRequest([attributeIssue('name', 'is needed')]);
    const by = nameOfActor(actor);
    const row = await store.tenant(organizationId, async (tx) => {
      const linked = await linkChange(tx, forges, link, undefined);
      const id = await insertWorkspace(tx, organizationId, {
        ...{ ...change, ...linked, name, createdBy: by },
        tags: replaceTags([], tags),
      });
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
        const next = { ...wanted.change, ...linked, tags: replaceTags(row.tags, wanted.tags) };
        await updateWorkspace(tx, row.id, next);
        const changed = Object.entries(next).flatMap(([name, value]) => (value === undefined ? [] : [name]));
        await audit(tx, organizationId, 'workspace.changed', workspaceIds.external(row.id), { changed }, by);
      })
      .catch((error: unknown) => {
        throw sqlStateOf(error) === UNIQUE_VIOLATION ? taken() : error;
      });
    return routes.again(visit);
  }

  async function remove(visit: Visit, safely: boolean): Promise<void> {
    await visit.permit('workspace.manage');
    const { organizationId, by } = visit;
    await store.tenant(organizationId, async (tx) => {
      const row = await holdWorkspace(tx, visit.workspace.id);
      if (row === undefined) return;
      if (holderOf(row) !== undefined) throw new ForgewayError('FORGEWAY_CONFLICT', heldInWords(row));
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
}
