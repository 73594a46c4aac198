/** `/api/v2/…/vcs-connections`: JSON:API, for Terraform providers and the curl commands of its documentation. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Action } from '../../accounts/access/actions.js';
import { type Actor, nameOfActor } from '../../accounts/access/actor.js';
import { decide } from '../../accounts/access/decide.js';
import { authorizedOrganization, notFound, organizationsOf, permit } from '../authorize.js';
import { withFreshRole } from '../fresh-role.js';
import { KEY_HEADER, once, readKey } from '../idempotency/once.js';
import { API_PREFIX, collection, errorDocument, MEDIA_TYPE, takeDocuments } from '../json-api/document.js';
import { parseInput, problemHeaders, problemOf } from '../problem.js';
import { getConnection, type ListedConnection, shownTo } from '../procedures/connection-list.js';
import { workFor } from '../procedures/discreet-work.js';
import type { Services } from '../procedures/services.js';
import { changeConnection, createConnection } from './change.js';
import { internalId, resource, TYPE } from './document.js';
import { readCreate, readUpdate } from './input.js';
import { pageOfConnections } from './page.js';

export interface VcsConnectionsOptions {
  services: Services;
  callerOf(request: FastifyRequest): Promise<Actor>;
}

const organizationParams = z.object({ organization: z.string().max(100) });
const idParams = z.object({ id: z.string().max(100) });

interface Found {
  row: ListedConnection;
  organizationId: string;
  by: string;
}

/**
 * The connection, in whichever of the caller's organizations it is: the address names none.
 * @throws ForgewayError FORGEWAY_FORBIDDEN when they may nowhere do this, FORGEWAY_NOT_FOUND
 */
async function find(services: Services, actor: Actor, action: Action, external: string): Promise<Found> {
  const own = organizationsOf(actor);
  const [first] = own;
  // Refused before anything is looked for, so that the answer says nothing of what is there. Where it is allowed, that is
  // decided, and written down, of the organization in which the connection is.
  if (!own.some((organizationId) => decide(actor, action, { organizationId }).allowed))
    await permit(services, actor, action, {
      name: 'connection',
      ...(first !== undefined && { organizationId: first }),
    });
  const id = internalId(external);
  if (id === undefined) throw notFound();
  for (const organizationId of own) {
    const row = await services.store.tenant(organizationId, (tx) => getConnection(tx, id));
    if (row === undefined) continue;
    const thing = { organizationId, name: `connection ${id}` };
    if (!(await services.access.check(actor, 'connection.read', thing)).allowed) throw notFound();
    if (action !== 'connection.read') await permit(services, actor, action, thing);
    await withFreshRole(services, actor, action, organizationId);
    return { row, organizationId, by: nameOfActor(actor) };
  }
  throw notFound();
}

/** To be registered in a scope of its own: bodies and errors have another form here. */
export function addVcsConnections(app: FastifyInstance, { services, callerOf }: VcsConnectionsOptions): void {
  const { log, store, forges } = services;
  const servicesFor = (actor: Actor): Services => ({ ...services, connections: workFor(actor, services) });
  takeDocuments(app);
  app.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error, log, request.id);
    return reply.code(problem.status).headers(problemHeaders(problem)).type(MEDIA_TYPE).send(errorDocument(problem));
  });
  app.setNotFoundHandler((request, reply) => {
    const problem = problemOf(notFound(), log, request.id);
    return reply.code(problem.status).type(MEDIA_TYPE).send(errorDocument(problem));
  });

  const shown = async (actor: Actor, organizationId: string, id: string) => {
    const row = await store.tenant(organizationId, (tx) => getConnection(tx, id));
    if (row === undefined) throw notFound();
    return { data: resource(shownTo(actor)(row), forges) };
  };

  const changing = <T>(
    request: FastifyRequest,
    o: { organizationId: string; actor: Actor },
    run: () => Promise<T>,
  ): Promise<T> => {
    const { method, url, body } = request;
    const key = readKey(request.headers[KEY_HEADER]);
    return once(services, { ...o, key, what: `${method} ${url}`, input: body }, run);
  };

  const all = `/organizations/:organization/${TYPE}`;
  app.get(all, async (request, reply) => {
    const { organization } = parseInput(organizationParams, request.params);
    const actor = await callerOf(request);
    const organizationId = await authorizedOrganization(services, actor, 'connection.read', organization);
    const { rows, query, ...page } = await pageOfConnections(store, organizationId, request.query);
    const path = `${API_PREFIX}/organizations/${encodeURIComponent(organization)}/${TYPE}`;
    const data = rows.map((row) => resource(shownTo(actor)(row), forges));
    return reply.type(MEDIA_TYPE).send(collection(data, path, query, page));
  });

  app.post(all, async (request, reply) => {
    const { organization } = parseInput(organizationParams, request.params);
    const actor = await callerOf(request);
    const organizationId = await authorizedOrganization(services, actor, 'connection.manage', organization);
    await withFreshRole(services, actor, 'connection.manage', organizationId);
    const document = await changing(request, { organizationId, actor }, async () => {
      const wanted = readCreate(request.body, forges);
      const id = await createConnection(servicesFor(actor), organizationId, wanted, nameOfActor(actor));
      return shown(actor, organizationId, id);
    });
    return reply.code(201).type(MEDIA_TYPE).header('location', document.data.links.self).send(document);
  });

  const one = `/${TYPE}/:id`;
  app.get(one, async (request, reply) => {
    const { id } = parseInput(idParams, request.params);
    const actor = await callerOf(request);
    const { row } = await find(services, actor, 'connection.read', id);
    return reply.type(MEDIA_TYPE).send({ data: resource(shownTo(actor)(row), forges) });
  });

  app.patch(one, async (request, reply) => {
    const { id } = parseInput(idParams, request.params);
    const actor = await callerOf(request);
    const { row, organizationId, by } = await find(services, actor, 'connection.manage', id);
    const document = await changing(request, { organizationId, actor }, async () => {
      await changeConnection(servicesFor(actor), organizationId, row, readUpdate(request.body, row.id), by);
      return shown(actor, organizationId, row.id);
    });
    return reply.type(MEDIA_TYPE).send(document);
  });

  app.delete(one, async (request, reply) => {
    const { id } = parseInput(idParams, request.params);
    const { row, organizationId, by } = await find(services, await callerOf(request), 'connection.manage', id);
    await services.connections.disconnect(organizationId, row.id, { keepHooks: false, wait: false, by });
    return reply.code(204).send();
  });
}
