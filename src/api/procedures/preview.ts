import { z } from 'zod';
import { isSomething } from '../../jobs/preview/list.js';
import { type LogCursor, logStages } from '../../jobs/preview/logs.js';
import { redactText } from '../../lib/redact.js';
import { notFound } from '../authorize.js';
import { InvalidRequest } from '../problem.js';
import { afterPlace, id, instant, listOf, microsecondsOf, page, pageOf, placeOf, scope } from './fields.js';
import { procedure, router } from './procedure.js';

const phases = ['pending', 'waiting', 'building', 'ready', 'failed', 'sleeping', 'gone'] as const;
const preview = z.object({
  id,
  name: z.string(),
  repositoryId: id,
  pullRequestId: id.nullable().describe('null: it is of a branch.'),
  branch: z.string().nullable(),
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

const SELECT = `SELECT v.id, v.name, v.repository_id AS "repositoryId", v.pull_request_id AS "pullRequestId", v.branch, v.phase,
    v.desired_state AS wanted, v.desired_sha AS "wantedSha", v.observed_sha AS sha, v.url, v.message,
    v.requested_at AS "requestedAt", v.ready_at AS "readyAt", v.last_opened_at AS "lastOpenedAt",
    v.created_at AS "createdAt", v.updated_at AS "updatedAt", ${microsecondsOf('v.updated_at')} AS place
  FROM preview v`;

const cursorSchema = z.object({
  place: z.string().max(200),
  stage: z.enum(logStages),
  run: z.string().max(100),
  at: z.object({ inode: z.string().max(30), offset: z.number().int().min(0) }).nullable(),
});

const written = (cursor: LogCursor | null): string | null =>
  cursor && Buffer.from(JSON.stringify(cursor)).toString('base64url');

/** @throws InvalidRequest for a cursor that we did not give */
function readCursor(text: string | undefined): LogCursor | undefined {
  if (text === undefined) return undefined;
  try {
    return cursorSchema.parse(JSON.parse(Buffer.from(text, 'base64url').toString('utf8')));
  } catch {
    throw new InvalidRequest([{ path: ['cursor'], message: 'is no cursor of this log' }]);
  }
}

const previewLog = z.object({
  sha: z.string().nullable().describe('The commit that it is of; null: there is none.'),
  stage: z.enum(logStages),
  lines: z.array(z.string()).describe('Without the controls of terminals; what looks like a secret is masked.'),
  nextCursor: z.string().nullable().describe('Ask again with it for what was printed since.'),
  more: z.boolean().describe('There is more already.'),
  ended: z.boolean().describe('Nothing is added to it any more.'),
  gap: z.boolean().describe('What came before these lines is not kept any more, or was of another start.'),
});

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
          `${SELECT} WHERE ${isSomething} AND ($1::uuid IS NULL OR v.repository_id = $1) AND ($2::uuid IS NULL OR v.pull_request_id = $2)
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

  logs: procedure({
    action: 'preview.read',
    method: 'GET',
    path: '/previews/{id}/logs',
    summary: 'What its build, or the preview itself, printed: the last lines, or with a cursor those since.',
  })
    .input(
      z.strictObject({
        ...scope,
        id,
        stage: z.enum(logStages).optional().describe('Without it: the build while it builds, else the run.'),
        limit: z.coerce.number().int().min(1).max(1_000).default(200).describe('How many lines at most, 1 to 1,000.'),
        cursor: z.string().max(600).optional().describe('`nextCursor` of the answer before.'),
      }),
    )
    .output(previewLog)
    .query(async ({ ctx, input }) => {
      const { services, organizationId } = ctx;
      const { rows } = await services.store.tenant(organizationId, (tx) =>
        tx.query<{ driver_state: unknown; log_tail: string | null }>(
          'SELECT driver_state, log_tail FROM preview WHERE id = $1',
          [input.id],
        ),
      );
      const [found] = rows;
      if (found === undefined) throw notFound();
      const after = readCursor(input.cursor);
      const request = { driverState: found.driver_state, stage: input.stage, lines: input.limit, after };
      const { next, ...log } = await services.previewLog(request);
      // Of a failure the row has the last lines, also where the files are gone or on another machine.
      const isLost = log.lines.length === 0 && after === undefined && found.log_tail !== null;
      const lines = isLost
        ? redactText(found.log_tail ?? '')
            .split('\n')
            .slice(-input.limit)
        : log.lines;
      return { ...log, lines, nextCursor: written(next) };
    }),
});
