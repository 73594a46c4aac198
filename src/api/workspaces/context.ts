/** What every route about workspaces needs: who asks, which workspace it is about, and whether they may. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type pg from 'pg';
import { z } from 'zod';
import { type Action, actions } from '../../accounts/access/actions.js';
import { type Actor, nameOfActor } from '../../accounts/access/actor.js';
import { decide } from '../../accounts/access/decide.js';
import type { LinkKind, LinkUse } from '../../accounts/signed-links.js';
import { type TeamAccess, teamAccessOf } from '../../store/workspace/teams.js';
import { getWorkspace, type WorkspaceRow } from '../../store/workspace/workspaces.js';
import { notFound, organizationsOf, permit } from '../authorize.js';
import { withFreshRole } from '../fresh-role.js';
import { KEY_HEADER, once, readKey } from '../idempotency/once.js';
import { API_PREFIX, type IdForm, MEDIA_TYPE, pageParameters } from '../json-api/document.js';
import { parseInput, parseQuery } from '../problem.js';
import type { Services } from '../procedures/services.js';
import { workspaceIds } from './ids.js';
import { type WorkspaceResource, workspaceResource } from './workspace-document.js';

export interface WorkspaceRoutesOptions {
  services: Services;
  callerOf(request: FastifyRequest): Promise<Actor>;
  /** Origin under which clients reach this server. */
  publicOrigin(): string;
}

const idParams = z.object({ id: z.string().max(100) });

/** What each access of a team lets its people do in the one workspace, beyond their role. */
const GIVEN: Readonly<Record<TeamAccess, readonly Action[]>> = {
  read: ['workspace.read'],
  plan: ['workspace.read', 'run.plan'],
  write: ['workspace.read', 'run.plan', 'run.apply', 'state.read', 'state.write'],
  admin: [
    'workspace.read',
    'run.plan',
    'run.apply',
    'state.read',
    'state.write',
    'workspace.manage',
    'workspace.grant',
  ],
};

/** Somebody in front of one workspace. */
export interface Visit {
  actor: Actor;
  organizationId: string;
  workspace: WorkspaceRow;
  /** For the trail, and for rows that say who made them. */
  by: string;
  /** Without a line in the trail: for the fields that tell a client what to offer. */
  may(action: Action): boolean;
  /** @throws ForgewayError FORGEWAY_FORBIDDEN, FORGEWAY_UNAUTHENTICATED */
  permit(action: Action): Promise<void>;
}

/** The actor with the role that an action takes, where a team of theirs has been given it in this workspace. */
function raisedFor(actor: Actor, action: Action, organizationId: string, given: ReadonlySet<Action>): Actor {
  if (actor.kind !== 'user' || !given.has(action) || !actor.memberships.has(organizationId)) return actor;
  if (decide({ ...actor, token: undefined } as Actor, action, { organizationId }).allowed) return actor;
  const memberships = new Map([...actor.memberships, [organizationId, actions[action].role] as const]);
  return { ...actor, memberships };
}

async function visit(
  services: Services,
  actor: Actor,
  organizationId: string,
  workspace: WorkspaceRow,
): Promise<Visit> {
  const teams =
    actor.kind === 'user'
      ? await services.store.tenant(organizationId, (tx) => teamAccessOf(tx, workspace.id, actor.userId))
      : [];
  const given = new Set(teams.flatMap((access) => GIVEN[access]));
  const raised = (action: Action) => raisedFor(actor, action, organizationId, given);
  return {
    actor,
    organizationId,
    workspace,
    by: nameOfActor(actor),
    may: (action) => decide(raised(action), action, { organizationId }).allowed,
    async permit(action) {
      const asker = raised(action);
      await permit(services, asker, action, { organizationId, name: `workspace ${workspace.name}` });
      if (asker === actor) await withFreshRole(services, actor, action, organizationId);
    },
  };
}

export interface Routes {
  o: WorkspaceRoutesOptions;
  /** The thing that the address names, in whichever of the caller's organizations; what they may not see is not there. */
  find<T>(
    request: FastifyRequest,
    ids: IdForm,
    load: (tx: pg.PoolClient, id: string) => Promise<{ thing: T; workspaceId: string } | undefined>,
  ): Promise<Visit & { thing: T }>;
  /** The workspace of the address. */
  workspace(request: FastifyRequest, ids: IdForm): Promise<Visit>;
  /** The workspace that a document names. @throws ForgewayError FORGEWAY_NOT_FOUND */
  workspaceOf(request: FastifyRequest, external: string): Promise<Visit>;
  /** Of one that is named in an organization that the caller was let into. */
  visit(actor: Actor, organizationId: string, workspace: WorkspaceRow): Promise<Visit>;
  /** The same visit, of the workspace as it is now. @throws ForgewayError FORGEWAY_NOT_FOUND */
  again(visit: Visit): Promise<Visit>;
  workspaceDocument(visit: Pick<Visit, 'workspace' | 'may' | 'organizationId'>): Promise<WorkspaceResource>;
  /** Once for each Idempotency-Key. */
  changing<T>(
    request: FastifyRequest,
    who: { organizationId: string; actor: Actor },
    run: () => Promise<T>,
  ): Promise<T>;
  /** The whole address of something that needs no token. */
  link(kind: LinkKind, use: LinkUse, organizationId: string, id: string, seconds: number): string;
}

export function routesWith(o: WorkspaceRoutesOptions): Routes {
  const { services } = o;
  const { store } = services;

  async function search<T>(
    request: FastifyRequest,
    external: string,
    ids: IdForm,
    load: (tx: pg.PoolClient, id: string) => Promise<{ thing: T; workspaceId: string } | undefined>,
  ): Promise<Visit & { thing: T }> {
    const actor = await o.callerOf(request);
    const own = organizationsOf(actor);
    const [first] = own;
    // Refused before anything is looked for, so that the answer says nothing of what is there.
    if (!own.some((organizationId) => decide(actor, 'workspace.read', { organizationId }).allowed))
      await permit(services, actor, 'workspace.read', {
        name: 'workspace',
        ...(first !== undefined && { organizationId: first }),
      });
    const id = ids.internal(external);
    if (id === undefined) throw notFound();
    for (const organizationId of own) {
      const found = await store.tenant(organizationId, async (tx) => {
        const loaded = await load(tx, id);
        const workspace = loaded && (await getWorkspace(tx, loaded.workspaceId));
        return loaded && workspace && { thing: loaded.thing, workspace };
      });
      if (found === undefined) continue;
      const seen = await visit(services, actor, organizationId, found.workspace);
      if (!seen.may('workspace.read')) throw notFound();
      return { ...seen, thing: found.thing };
    }
    throw notFound();
  }
  const find: Routes['find'] = (request, ids, load) =>
    search(request, parseInput(idParams, request.params).id, ids, load);
  const itself = async (_: pg.PoolClient, id: string) => ({ thing: id, workspaceId: id });

  const slugs = new Map<string, string>();
  async function slugOf(organizationId: string): Promise<string> {
    const known = slugs.get(organizationId);
    if (known !== undefined) return known;
    const { rows } = await store.tenant(organizationId, (tx) =>
      tx.query<{ slug: string }>('SELECT slug FROM organization WHERE id = $1', [organizationId]),
    );
    const slug = rows[0]?.slug ?? '';
    slugs.set(organizationId, slug);
    return slug;
  }

  return {
    o,
    find,
    workspaceDocument: async (visited) =>
      workspaceResource(visited, { organization: await slugOf(visited.organizationId), forges: services.forges }),
    workspace: (request, ids) => find(request, ids, itself),
    workspaceOf: (request, external) => search(request, external, workspaceIds, itself),
    async again(visited) {
      const row = await store.tenant(visited.organizationId, (tx) => getWorkspace(tx, visited.workspace.id));
      if (row === undefined) throw notFound();
      return { ...visited, workspace: row };
    },
    visit: (actor, organizationId, workspace) => visit(services, actor, organizationId, workspace),
    changing(request, who, run) {
      const { method, url, body } = request;
      const key = readKey(request.headers[KEY_HEADER]);
      return once(services, { ...who, key, what: `${method} ${url}`, input: body }, run);
    },
    link(kind, use, organizationId, id, seconds) {
      const name = services.workspaces.links.nameOf({ kind, use, organizationId, id }, seconds);
      return `${o.publicOrigin()}${API_PREFIX}/objects/${kind}/${name}`;
    },
  };
}

export const send = (reply: FastifyReply, document: unknown, status = 200): FastifyReply =>
  reply.code(status).type(MEDIA_TYPE).send(document);

const pageQuery = z.object(pageParameters);

/** Of a route that reads its body itself, as it comes and whatever it says it is. */
export const UPLOAD = { config: { isUpload: true } };

export interface WantedPage {
  number: number;
  size: number;
  offset: number;
  limit: number;
}

/** Parameters that a client of this API knows and we do not are passed over. @throws InvalidRequest */
export function pageOf(query: unknown): WantedPage {
  const parsed = parseQuery(pageQuery, query);
  const [number, size] = [parsed['page[number]'], parsed['page[size]']];
  return { number, size, offset: (number - 1) * size, limit: size };
}
