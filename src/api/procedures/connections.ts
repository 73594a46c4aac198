import { z } from 'zod';
import { audit } from '../../accounts/audit.js';
import { isUnreachable, refused } from '../../accounts/connecting/probe.js';
import { readOwnersRoute } from '../../accounts/connection-route.js';
import { syncModes } from '../../accounts/connection-rows.js';
import { capabilities } from '../../forges/administration.js';
import { ForgewayError, messageOf } from '../../lib/errors.js';
import { notFound } from '../authorize.js';
import { connectionStatuses, getConnection, listConnections, shownTo } from './connection-list.js';
import { workFor } from './discreet-work.js';
import { forgeId, id, instant, listOf, page, pageOf, placeOf, scope, text } from './fields.js';
import { procedure, router } from './procedure.js';

const connection = z.object({
  id,
  name: z.string(),
  kind: z.enum(['github-app', 'oauth', 'pat']),
  forge: z.string(),
  host: z.string(),
  instanceUrl: z.string().nullable().describe('null: the forge’s own cloud.'),
  account: z.string().nullable(),
  status: z.string(),
  statusReason: z
    .string()
    .nullable()
    .describe('What was seen. Of a forge that cannot be reached only administrators of this server are told.'),
  advice: z.string().describe('What its owner has to do, in one sentence.'),
  capabilities: z.array(z.string()),
  warnings: z.array(z.string()),
  serverVersion: z.string().nullable(),
  syncMode: z.enum(syncModes),
  certificates: z
    .array(z.string())
    .describe('Subject and fingerprint of those that alone are trusted for its host; none: those of this server.'),
  proxy: z
    .string()
    .nullable()
    .describe(
      'Through which its host is reached, without user name and password. One that an administrator of this server set is shown to them alone.',
    ),
  hooks: z.number(),
  repositories: z.number(),
  expiresAt: instant.nullable(),
  checkedAt: instant.nullable(),
  nextTryAt: instant
    .nullable()
    .describe(
      'When its forge is asked again by itself, for one that was never confirmed since it could not be reached.',
    ),
  createdAt: instant,
  updatedAt: instant,
});

const KEPT =
  'The forge cannot be reached: the connection is kept and is made by itself once it answers. See nextTryAt.';

const owner = z
  .enum(['organization', 'me'])
  .default('organization')
  .describe('`me`: the caller’s own, which nobody else sees and no app uses.');
/** What takes `owner`. */
const OWNABLE = { ownable: true } as const;

/** What a connection serves. */
const serving = {
  repositories: z.array(text(300)).max(500).default([]).describe('`owner/name`, each with a webhook.'),
  all: z.boolean().default(false).describe('Every repository that the token administers.'),
  hooks: z.enum(['repository', 'organization', 'system', 'none']).default('repository'),
  forgeOrganization: text(300).optional().describe('With `hooks: organization`: which one of the forge.'),
  confidential: z.boolean().optional(),
};
const namesOrganization = ({ hooks, forgeOrganization }: { hooks: string; forgeOrganization?: string | undefined }) =>
  hooks !== 'organization' || forgeOrganization !== undefined;
const ORGANIZATION_NEEDED = { path: ['forgeOrganization'], message: 'is needed with hooks at an organization' };

const tested = z.object({
  ok: z.boolean(),
  reason: z.string().nullable(),
  account: z.string().nullable(),
  capabilities: z.array(z.enum(capabilities)),
  warnings: z.array(z.string()),
  expiresAt: instant.nullable(),
});

export const connections = router({
  listConnections: procedure({
    action: 'connection.read',
    method: 'GET',
    path: '/connections',
    summary: 'Connections to forges, newest first.',
    ...OWNABLE,
  })
    .input(
      z
        .strictObject({
          ...scope,
          owner,
          forge: forgeId.optional(),
          status: z.enum(connectionStatuses).optional(),
          kind: connection.shape.kind.optional(),
          ...page,
        })
        .prefault({}),
    )
    .output(listOf(connection))
    .query(async ({ ctx, input }) => {
      const place = placeOf(input.cursor);
      const rows = await ctx.services.store.tenant(ctx.organizationId, (tx) =>
        listConnections(tx, { ...input, ownerId: ctx.ownerId }, place),
      );
      const { items, nextCursor } = pageOf(rows, input.limit, ({ place: at, id: rowId }) => [at, rowId]);
      return { items: items.map(shownTo(ctx.actor)), nextCursor };
    }),

  getConnection: procedure({
    action: 'connection.read',
    method: 'GET',
    path: '/connections/{id}',
    summary: 'One connection.',
    ...OWNABLE,
  })
    .input(z.strictObject({ ...scope, owner, id }))
    .output(connection)
    .query(async ({ ctx, input }) => {
      const found = await ctx.services.store.tenant(ctx.organizationId, (tx) =>
        getConnection(tx, input.id, ctx.ownerId),
      );
      if (found === undefined) throw notFound();
      return shownTo(ctx.actor)(found);
    }),

  connectPat: procedure({
    action: 'connection.manage',
    method: 'POST',
    path: '/connections',
    status: 201,
    summary: 'Connects a forge by a token: measures what it may do, stores it sealed, and makes webhooks.',
    ...OWNABLE,
  })
    .input(
      z
        .strictObject({
          ...scope,
          owner,
          forge: forgeId,
          url: z
            .url({ protocol: /^https?$/ })
            .max(500)
            .optional()
            .describe('Without it: the forge’s own cloud.'),
          token: z.string().regex(/^[\x21-\x7e]{8,4096}$/, 'is one word of letters, digits and signs'),
          name: text(100).optional(),
          caCertificate: z
            .string()
            .max(300_000)
            .nullable()
            .optional()
            .describe(
              'PEM of the certificates that alone are trusted for the host, for this connection. null: those of this server. Left out: as an administrator of this server said for the host.',
            ),
          proxy: z
            .string()
            .max(1_000)
            .nullable()
            .optional()
            .describe(
              '`http://user:password@proxy.example.com:3128`: through which the host is reached, for this connection. null: none. Left out: as for certificates.',
            ),
          ...serving,
          syncMode: z.enum(syncModes).optional(),
          keep: z
            .boolean()
            .default(false)
            .describe('Where the forge cannot be reached: keep all of this, and connect it by itself once it answers.'),
        })
        .refine(namesOrganization, ORGANIZATION_NEEDED)
        .refine(
          ({ owner: whose, repositories, all }) => whose === 'organization' || (repositories.length === 0 && !all),
          {
            path: ['repositories'],
            message: 'are served by connections of the organization alone',
          },
        )
        .refine(({ owner: whose, caCertificate, proxy }) => whose === 'organization' || (!caCertificate && !proxy), {
          path: ['caCertificate'],
          message: 'and a proxy are for connections of the organization; one’s own has those of its OAuth client',
        })
        .refine(({ owner: whose, keep }) => whose === 'organization' || !keep, {
          path: ['keep'],
          message: 'is for connections of the organization: one’s own is made at once or not at all',
        }),
    )
    .output(z.object({ connection, notes: z.array(z.string()), problems: z.array(z.string()) }))
    .mutation(async ({ ctx, input }) => {
      const { services, organizationId, actor, ownerId } = ctx;
      const shown = shownTo(actor);
      const connections = workFor(actor, services);
      const forge = services.forges.get(input.forge);
      if (forge === undefined) throw refused(`There is no forge ${input.forge}.`);
      const { repositories, all, confidential, syncMode: mode } = input;
      const level = ownerId === null ? input.hooks : 'none';
      const wish = { repositories, all, level, organization: input.forgeOrganization, confidential };
      const route = readOwnersRoute(input);
      const request = {
        ...{ forge, url: input.url, token: input.token, name: input.name, ...wish },
        ...(mode && { mode }),
        ...(route && { route }),
        ...(ownerId !== null && { userId: ownerId }),
      };
      const {
        id: made,
        notes,
        problems,
      } = await connections.connect(organizationId, request, ctx.by).catch(async (error: unknown) => {
        if (!input.keep || !isUnreachable(error)) throw error;
        const kept = await connections.keep(organizationId, request, messageOf(error), ctx.by);
        return { id: kept, notes: [KEPT], problems: [] };
      });
      const found = await services.store.tenant(organizationId, (tx) => getConnection(tx, made, ownerId));
      if (found === undefined) throw notFound();
      return { connection: shown(found), notes: [...notes], problems: [...problems] };
    }),

  listOAuthInstances: procedure({
    action: 'connection.read',
    method: 'GET',
    path: '/connections/oauth',
    summary: 'Instances at which an account can be connected with consent, as an administrator registered them.',
  })
    .input(z.strictObject({ ...scope }).prefault({}))
    .output(
      z.object({
        items: z.array(
          z.object({ instance: z.string(), label: z.string(), forge: z.string(), host: z.string(), url: z.string() }),
        ),
      }),
    )
    .query(async ({ ctx }) => {
      const clients = (await ctx.consent?.instances()) ?? [];
      const items = clients.map(({ providerId: instance, label, endpoint: { forge, host, webUrl: url } }) => ({
        ...{ instance, label, forge, host, url },
      }));
      return { items };
    }),

  connectOAuth: procedure({
    action: 'connection.manage',
    method: 'POST',
    path: '/connections/oauth',
    summary: 'Begins to connect an account with consent: answers where a person goes to agree.',
    // Whoever has the address could agree in that browser's name.
    toldOnce: true,
    ...OWNABLE,
  })
    .input(z.strictObject({ ...scope, owner, instance: text(300).describe('`instance` of `listOAuthInstances`.') }))
    .output(
      z.object({
        page: z.url().describe('Page of this server where a person who is signed in begins, in any browser.'),
        authorizationUrl: z
          .url()
          .nullable()
          .describe(
            'Page of the forge, for 10 minutes and for the browser alone whose session sent this request. null: it was sent with a token.',
          ),
      }),
    )
    .mutation(async ({ ctx, input }) => {
      const { actor, consent, organizationId, ownerId } = ctx;
      if (consent === undefined) throw notFound();
      const whose = { organizationId, forOrganization: ownerId === null, providerId: input.instance };
      const begun = await consent.begin(actor.kind === 'user' ? actor.userId : '', whose);
      if (begun === 'unknown')
        throw refused(
          'No OAuth client is registered for that instance: an administrator of this server does it at /setup.',
        );
      return { page: consent.page, authorizationUrl: begun ?? null };
    }),

  serveRepositories: procedure({
    action: 'connection.manage',
    method: 'POST',
    path: '/connections/{id}/repositories',
    summary: 'Has a connection that is there serve more repositories, with webhooks; what it serves already stays.',
  })
    .input(z.strictObject({ ...scope, id, ...serving }).refine(namesOrganization, ORGANIZATION_NEEDED))
    .output(z.object({ connection, notes: z.array(z.string()), problems: z.array(z.string()) }))
    .mutation(async ({ ctx, input }) => {
      const { services, organizationId, actor, by } = ctx;
      const find = () => services.store.tenant(organizationId, (tx) => getConnection(tx, input.id));
      if ((await find()) === undefined) throw notFound();
      const { repositories, all, hooks: level, forgeOrganization: organization, confidential } = input;
      const wish = { repositories, all, level, organization, confidential };
      const { notes, problems } = await workFor(actor, services).serve(organizationId, input.id, wish, by);
      const found = await find();
      if (found === undefined) throw notFound();
      return { connection: shownTo(actor)(found), notes: [...notes], problems: [...problems] };
    }),

  disconnect: procedure({
    action: 'connection.manage',
    method: 'DELETE',
    path: '/connections/{id}',
    summary: 'Removes a connection with its token and webhooks; the apps hear of it first.',
    ...OWNABLE,
  })
    .input(
      z.strictObject({
        ...scope,
        owner,
        id,
        keepHooks: z.enum(['true', 'false']).default('false').describe('Leave the webhooks at the forge.'),
        wait: z.enum(['true', 'false']).default('true').describe('Until the apps have heard of it.'),
        withData: z
          .enum(['true', 'false'])
          .default('false')
          .describe('Also delete what is held of it: deliveries, the mirror, records. One’s own holds nothing.'),
      }),
    )
    .output(z.object({ id, problems: z.array(z.string()) }))
    .mutation(async ({ ctx, input }) => {
      const { services, organizationId } = ctx;
      const found = await services.store.tenant(organizationId, (tx) => getConnection(tx, input.id, ctx.ownerId));
      if (found === undefined) throw notFound();
      const { problems } = await services.connections.disconnect(organizationId, input.id, {
        keepHooks: input.keepHooks === 'true',
        wait: input.wait === 'true',
        withData: input.withData === 'true',
        own: ctx.ownerId !== null,
        by: ctx.by,
      });
      return { id: input.id, problems: [...problems] };
    }),

  testConnection: procedure({
    action: 'connection.manage',
    method: 'POST',
    path: '/connections/{id}/test',
    summary: 'Asks the forge again what the token may do, and keeps the answer.',
    ...OWNABLE,
  })
    .input(z.strictObject({ ...scope, owner, id }))
    .output(tested)
    .mutation(async ({ ctx, input }) => {
      const { services, organizationId } = ctx;
      const found = await services.store.tenant(organizationId, (tx) => getConnection(tx, input.id, ctx.ownerId));
      if (found === undefined) throw notFound();
      const result = await workFor(ctx.actor, services).test(organizationId, input.id);
      if (!result.ok)
        return { ok: false, reason: result.reason, account: null, capabilities: [], warnings: [], expiresAt: null };
      const { account, capabilities: may, warnings, expiresAt } = result.facts;
      return {
        ok: true,
        reason: null,
        account: account.login,
        capabilities: [...may],
        warnings: [...warnings],
        expiresAt,
      };
    }),

  setDefaultForRepo: procedure({
    action: 'repository.manage',
    method: 'PUT',
    path: '/repositories/{repositoryId}/connection',
    summary: 'Chooses the connection by which a repository is read and written.',
  })
    .input(z.strictObject({ ...scope, repositoryId: id, connectionId: id.nullable() }))
    .output(z.object({ repositoryId: id, connectionId: id.nullable() }))
    .mutation(async ({ ctx, input }) => {
      const { services, organizationId, by } = ctx;
      const { repositoryId, connectionId } = input;
      await services.store.tenant(organizationId, async (tx) => {
        const repository = await tx.query<{ forge: string; host: string }>(
          'SELECT forge, host FROM repository WHERE id = $1 FOR UPDATE',
          [repositoryId],
        );
        const [place] = repository.rows;
        if (place === undefined) throw notFound();
        const chosen = connectionId === null ? undefined : await getConnection(tx, connectionId);
        if (connectionId !== null && chosen === undefined) throw notFound();
        if (chosen !== undefined && (chosen.forge !== place.forge || chosen.host !== place.host))
          throw new ForgewayError('FORGEWAY_CONFLICT', 'The connection is one to another forge than the repository’s.');
        // Requests are made through the installation: the connection's own, where it has one.
        await tx.query(
          `UPDATE repository SET git_provider_connection_id = $2, updated_at = now(), installation_id = coalesce(
             (SELECT i.id FROM installation i WHERE i.connection_id = $2 AND i.status = 'active'), installation_id)
           WHERE id = $1`,
          [repositoryId, connectionId],
        );
        await audit(tx, organizationId, 'repository.connection', repositoryId, { connectionId }, by);
      });
      return { repositoryId, connectionId };
    }),
});
