/** Tags of a workspace: as names, and as keys with values. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { holdWorkspace, updateWorkspace } from '../../store/workspace/workspaces.js';
import { InvalidRequest } from '../problem.js';
import { type Routes, send } from './context.js';
import { workspaceIds } from './ids.js';
import { addTags, bindingResource, MOST_TAGS, namesOf, readBindings, readTags } from './tags.js';
import { WORKSPACES } from './workspace-document.js';

export function addTagRoutes(app: FastifyInstance, routes: Routes): void {
  const { store } = routes.o.services;
  const one = `/${WORKSPACES}/:id`;

  async function change(request: FastifyRequest, next: (now: string[]) => string[]): Promise<string[]> {
    const visit = await routes.workspace(request, workspaceIds);
    await visit.permit('workspace.manage');
    return store.tenant(visit.organizationId, async (tx) => {
      const row = await holdWorkspace(tx, visit.workspace.id);
      const tags = next(row?.tags ?? []);
      if (tags.length > MOST_TAGS)
        throw new InvalidRequest([{ path: ['data'], message: `must leave ${MOST_TAGS} tags at most` }]);
      if (row !== undefined) await updateWorkspace(tx, row.id, { tags });
      return tags;
    });
  }

  app.get(`${one}/relationships/tags`, async (request, reply) => {
    const { workspace } = await routes.workspace(request, workspaceIds);
    const names = namesOf(workspace.tags);
    return send(reply, { data: names.map((name) => ({ id: name, type: 'tags', attributes: { name } })) });
  });
  app.post(`${one}/relationships/tags`, async (request, reply) => {
    await change(request, (now) => addTags(now, readTags(request.body)));
    return reply.code(204).send();
  });
  app.delete(`${one}/relationships/tags`, async (request, reply) => {
    await change(request, (now) => {
      const given = readTags(request.body);
      return now.filter((tag) => !given.includes(tag));
    });
    return reply.code(204).send();
  });

  // Nothing is inherited here, so both are the same.
  for (const name of ['tag-bindings', 'effective-tag-bindings'])
    app.get(`${one}/${name}`, async (request, reply) => {
      const { workspace } = await routes.workspace(request, workspaceIds);
      return send(reply, { data: workspace.tags.map((tag) => ({ ...bindingResource(tag), type: name })) });
    });
  app.patch(`${one}/tag-bindings`, async (request, reply) => {
    const tags = await change(request, (now) => addTags(now, readBindings(request.body)));
    return send(reply, { data: tags.map(bindingResource) });
  });
}
