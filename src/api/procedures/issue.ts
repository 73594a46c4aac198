import { z } from 'zod';
import { audit } from '../../accounts/audit.js';
import { notFound } from '../authorize.js';
import { afterPlace, id, instant, listOf, microsecondsOf, page, pageOf, placeOf, scope, text } from './fields.js';
import { onForge } from './forge-write.js';
import { procedure, router } from './procedure.js';

const issue = z.object({
  id,
  repositoryId: id.nullable(),
  forge: z.string(),
  host: z.string(),
  owner: z.string().nullable(),
  name: z.string().nullable(),
  number: z.number().describe('As apps see it.'),
  title: z.string(),
  body: z.string().nullable(),
  state: z.string(),
  stateReason: z.string().nullable(),
  author: z.object({ id: z.string().nullable(), login: z.string().nullable() }),
  labels: z.array(z.looseObject({ name: z.string() })),
  assignees: z.array(z.looseObject({ login: z.string() })),
  milestone: z.string().nullable(),
  url: z.string(),
  createdAt: instant.nullable(),
  updatedAt: instant,
  closedAt: instant.nullable(),
});
type Row = z.input<typeof issue> & { place: string };

const SELECT = `SELECT i.id, i.repository_id AS "repositoryId", i.forge, i.host, r.remote_owner AS owner, r.remote_name AS name,
    i.number, i.title, i.body, i.state, i.state_reason AS "stateReason",
    json_build_object('id', i.author_id::text, 'login', i.author_login) AS author, i.labels, i.assignees, i.milestone, i.url,
    i.remote_created_at AS "createdAt", i.updated_at AS "updatedAt", i.closed_at AS "closedAt",
    ${microsecondsOf('i.updated_at')} AS place
  FROM issue i LEFT JOIN repository r ON r.id = i.repository_id WHERE i.deleted_at IS NULL`;

const one = z.strictObject({ ...scope, id });
const changed = z.object({ id, url: z.string().nullable() });

export const issues = router({
  list: procedure({ action: 'issue.read', method: 'GET', path: '/issues', summary: 'Issues, last changed first.' })
    .input(
      z
        .strictObject({
          ...scope,
          repositoryId: id.optional(),
          state: z.enum(['open', 'closed']).optional(),
          author: text(300).optional(),
          label: text(300).optional(),
          milestone: text(300).optional(),
          ...page,
        })
        .prefault({}),
    )
    .output(listOf(issue))
    .query(async ({ ctx, input }) => {
      const place = placeOf(input.cursor);
      const { repositoryId, state, author, label, milestone, limit } = input;
      const wanted = [repositoryId, state, author, label, milestone].map((value) => value ?? null);
      const { rows } = await ctx.services.store.tenant(ctx.organizationId, (tx) =>
        tx.query<Row>(
          `${SELECT} AND ($1::uuid IS NULL OR i.repository_id = $1) AND ($2::text IS NULL OR i.state = $2)
             AND ($3::text IS NULL OR lower(i.author_login) = lower($3))
             AND ($4::text IS NULL OR i.labels @> jsonb_build_array(jsonb_build_object('name', $4::text)))
             AND ($5::text IS NULL OR i.milestone = $5) AND ${afterPlace('i.updated_at', 'i.id', 6)}
           ORDER BY i.updated_at DESC, i.id DESC LIMIT $8`,
          [...wanted, ...place, limit + 1],
        ),
      );
      return pageOf(rows, limit, (row) => [row.place, row.id]);
    }),

  get: procedure({ action: 'issue.read', method: 'GET', path: '/issues/{id}', summary: 'One issue.' })
    .input(one)
    .output(issue)
    .query(async ({ ctx, input }) => {
      const { rows } = await ctx.services.store.tenant(ctx.organizationId, (tx) =>
        tx.query<Row>(`${SELECT} AND i.id = $1`, [input.id]),
      );
      const [found] = rows;
      if (found === undefined) throw notFound();
      return found;
    }),

  comment: procedure({
    action: 'issue.write',
    method: 'POST',
    path: '/issues/{id}/comments',
    summary: 'Comments on it, on the forge.',
    writesForge: true,
  })
    .input(one.extend({ body: z.string().trim().min(1).max(65_536) }))
    .output(changed)
    .mutation(async ({ ctx, input }) => {
      const target = await onForge(ctx.services, ctx.organizationId, 'issue', input.id);
      await target.ask('POST /repos/{owner}/{repo}/issues/{issue_number}/comments', {
        issue_number: target.number,
        body: input.body,
      });
      await ctx.services.store.tenant(ctx.organizationId, (tx) =>
        audit(tx, ctx.organizationId, 'issue.commented', input.id, {}, ctx.by),
      );
      return { id: input.id, url: null };
    }),

  update: procedure({
    action: 'issue.write',
    method: 'PATCH',
    path: '/issues/{id}',
    summary: 'Changes title or text, closes it or opens it again, on the forge.',
    writesForge: true,
  })
    .input(
      one.extend({
        title: text(500).optional(),
        body: z.string().max(65_536).optional(),
        state: z.enum(['open', 'closed']).optional(),
      }),
    )
    .output(changed)
    .mutation(async ({ ctx, input }) => {
      const { title, body, state } = input;
      const target = await onForge(ctx.services, ctx.organizationId, 'issue', input.id);
      const wanted = Object.entries({ title, body, state }).filter(([, value]) => value !== undefined);
      await target.ask('PATCH /repos/{owner}/{repo}/issues/{issue_number}', {
        issue_number: target.number,
        ...Object.fromEntries(wanted),
      });
      await ctx.services.store.tenant(ctx.organizationId, (tx) =>
        audit(tx, ctx.organizationId, 'issue.updated', input.id, {}, ctx.by),
      );
      return { id: input.id, url: null };
    }),
});
