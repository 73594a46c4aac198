import { z } from 'zod';
import { notFound } from '../authorize.js';
import {
  afterPlace,
  bigNumber,
  forgeId,
  id,
  instant,
  listOf,
  microsecondsOf,
  page,
  pageOf,
  placeOf,
  scope,
  text,
} from './fields.js';
import { readInstallState } from './install-state.js';
import { procedure, router } from './procedure.js';

const repository = z.object({
  id,
  forge: z.string(),
  host: z.string(),
  remoteId: bigNumber.describe('The forge’s own number of it.'),
  owner: z.string(),
  name: z.string(),
  url: z.string(),
  instanceUrl: z.string().nullable(),
  defaultBranch: z.string(),
  private: z.boolean(),
  archived: z.boolean(),
  status: z.enum(['active', 'paused', 'removed']),
  connectionId: id.nullable().describe('The connection that was chosen, else the one that serves it.'),
  createdAt: instant,
  updatedAt: instant,
});
type Row = z.input<typeof repository> & { place: string };

const SELECT = `SELECT r.id, r.forge, r.host, r.remote_id AS "remoteId", r.remote_owner AS owner, r.remote_name AS name,
    r.remote_url AS url, r.remote_instance_url AS "instanceUrl", r.default_branch AS "defaultBranch", r.private, r.archived,
    r.status, coalesce(r.git_provider_connection_id, i.connection_id) AS "connectionId", r.created_at AS "createdAt",
    r.updated_at AS "updatedAt", ${microsecondsOf('r.created_at')} AS place
  FROM repository r LEFT JOIN installation i ON i.id = r.installation_id`;

export const repositories = router({
  installState: readInstallState,

  list: procedure({
    action: 'repository.read',
    method: 'GET',
    path: '/repositories',
    summary: 'Repositories, newest here first.',
  })
    .input(
      z
        .strictObject({
          ...scope,
          forge: forgeId.optional(),
          host: text(300).optional(),
          owner: text(300).optional(),
          name: text(300).optional(),
          status: repository.shape.status.optional(),
          connectionId: id.optional(),
          ...page,
        })
        .prefault({}),
    )
    .output(listOf(repository))
    .query(async ({ ctx, input }) => {
      const place = placeOf(input.cursor);
      const { forge, host, owner, name, status, connectionId, limit } = input;
      const { rows } = await ctx.services.store.tenant(ctx.organizationId, (tx) =>
        tx.query<Row>(
          `${SELECT} WHERE ($1::text IS NULL OR r.forge = $1) AND ($2::text IS NULL OR r.host = $2)
             AND ($3::text IS NULL OR lower(r.remote_owner) = lower($3)) AND ($4::text IS NULL OR lower(r.remote_name) = lower($4))
             AND ($5::text IS NULL OR r.status = $5)
             AND ($6::uuid IS NULL OR coalesce(r.git_provider_connection_id, i.connection_id) = $6)
             AND ${afterPlace('r.created_at', 'r.id', 7)}
           ORDER BY r.created_at DESC, r.id DESC LIMIT $9`,
          [...[forge, host, owner, name, status, connectionId].map((value) => value ?? null), ...place, limit + 1],
        ),
      );
      return pageOf(rows, limit, (row) => [row.place, row.id]);
    }),

  get: procedure({
    action: 'repository.read',
    method: 'GET',
    path: '/repositories/{id}',
    summary: 'One repository.',
  })
    .input(z.strictObject({ ...scope, id }))
    .output(repository)
    .query(async ({ ctx, input }) => {
      const { rows } = await ctx.services.store.tenant(ctx.organizationId, (tx) =>
        tx.query<Row>(`${SELECT} WHERE r.id = $1`, [input.id]),
      );
      const [found] = rows;
      if (found === undefined) throw notFound();
      return found;
    }),
});
