import { z } from 'zod';
import { redactText } from '../../lib/redact.js';
import { notFound } from '../authorize.js';
import { afterPlace, id, instant, listOf, microsecondsOf, page, pageOf, placeOf, scope } from './fields.js';
import { procedure, router } from './procedure.js';

const phases = ['pending', 'waiting', 'building', 'ready', 'failed', 'sleeping', 'gone'] as const;
const preview = z.object({
  id,
  name: z.string(),
  repositoryId: id,
  pullRequestId: id,
  phase: z.enum(phases),
  wanted: z.enum(['running', 'asleep', 'absent']),
  wantedSha: z.string().nullable(),
  sha: z.string().nullable().describe('The commit that visitors see; null while nothing is served.'),
  url: z.string().nullable(),
  message: z.string().nullable(),
  requestedAt: instant,
  readyAt: instant.nullable(),
  lastOpenedAt: instant.nullable(),
  createdAt: instant,
  updatedAt: instant,
});
type Row = z.input<typeof preview> & { place: string };

const SELECT = `SELECT v.id, v.name, v.repository_id AS "repositoryId", v.pull_request_id AS "pullRequestId", v.phase,
    v.desired_state AS wanted, v.desired_sha AS "wantedSha", v.observed_sha AS sha, v.url, v.message,
    v.requested_at AS "requestedAt", v.ready_at AS "readyAt", v.last_opened_at AS "lastOpenedAt",
    v.created_at AS "createdAt", v.updated_at AS "updatedAt", ${microsecondsOf('v.updated_at')} AS place
  FROM preview v`;

const shown = (row: Row): Row => ({ ...row, message: row.message && redactText(row.message) });

export const previews = router({
  list: procedure({
    action: 'preview.read',
    method: 'GET',
    path: '/previews',
    summary: 'Previews, last changed first.',
  })
    .input(
      z
        .strictObject({
          ...scope,
          repositoryId: id.optional(),
          pullRequestId: id.optional(),
          phase: z.enum(phases).optional(),
          ...page,
        })
        .prefault({}),
    )
    .output(listOf(preview))
    .query(async ({ ctx, input }) => {
      const place = placeOf(input.cursor);
      const { repositoryId, pullRequestId, phase, limit } = input;
      const { rows } = await ctx.services.store.tenant(ctx.organizationId, (tx) =>
        tx.query<Row>(
          `${SELECT} WHERE ($1::uuid IS NULL OR v.repository_id = $1) AND ($2::uuid IS NULL OR v.pull_request_id = $2)
             AND ($3::text IS NULL OR v.phase = $3) AND ${afterPlace('v.updated_at', 'v.id', 4)}
           ORDER BY v.updated_at DESC, v.id DESC LIMIT $6`,
          [repositoryId ?? null, pullRequestId ?? null, phase ?? null, ...place, limit + 1],
        ),
      );
      return pageOf(rows.map(shown), limit, (row) => [row.place, row.id]);
    }),

  get: procedure({ action: 'preview.read', method: 'GET', path: '/previews/{id}', summary: 'One preview.' })
    .input(z.strictObject({ ...scope, id }))
    .output(preview)
    .query(async ({ ctx, input }) => {
      const { rows } = await ctx.services.store.tenant(ctx.organizationId, (tx) =>
        tx.query<Row>(`${SELECT} WHERE v.id = $1`, [input.id]),
      );
      const [found] = rows;
      if (found === undefined) throw notFound();
      return shown(found);
    }),
});
