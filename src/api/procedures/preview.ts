import { z } from 'zod';
import type { PreviewAsk } from '../../jobs/preview/by-hand.js';
import { isSomething } from '../../jobs/preview/list.js';
import { logStages } from '../../jobs/preview/logs.js';
import { pause } from '../../lib/clock.js';
import { ForgewayError } from '../../lib/errors.js';
import { redactText } from '../../lib/redact.js';
import { notFound } from '../authorize.js';
import { readPreviewLogOf } from '../preview-log.js';
import { afterPlace, id, instant, listOf, microsecondsOf, page, pageOf, placeOf, scope } from './fields.js';
import { logWish, readCursor, written } from './preview-log-fields.js';
import { type ProcedureMeta, procedure, router } from './procedure.js';
import type { Services } from './services.js';

// biome-ignore format: one life, one line
const phases = ['pending', 'waiting', 'building', 'starting', 'ready', 'failed', 'sleeping', 'removing', 'gone'] as const;
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
  triedAgainAt: instant
    .nullable()
    .describe(
      'When Forgeway tries by itself again what did not succeed, as the message says why; null: nothing waits for that.',
    ),
  requestedAt: instant,
  readyAt: instant.nullable(),
  lastOpenedAt: instant.nullable(),
  createdAt: instant,
  updatedAt: instant,
});
type Row = z.input<typeof preview> & { place: string };

const SELECT = `SELECT v.id, v.name, v.repository_id AS "repositoryId", v.pull_request_id AS "pullRequestId", v.branch, v.phase,
    v.desired_state AS wanted, v.desired_sha AS "wantedSha", v.observed_sha AS sha, v.url, v.message,
    CASE WHEN v.observed_version <> v.desired_version AND v.attempts > 0 THEN v.next_attempt_at END AS "triedAgainAt",
    v.requested_at AS "requestedAt", v.ready_at AS "readyAt", v.last_opened_at AS "lastOpenedAt",
    v.created_at AS "createdAt", v.updated_at AS "updatedAt", ${microsecondsOf('v.updated_at')} AS place
  FROM preview v`;

const previewLog = z.object({
  sha: z.string().nullable().describe('The commit that it is of; null: there is none.'),
  stage: z.enum(logStages),
  lines: z.array(z.string()).describe('Without the controls of terminals; what looks like a secret is masked.'),
  nextCursor: z.string().nullable().describe('Ask again with it for what was printed since.'),
  more: z.boolean().describe('There is more already.'),
  ended: z.boolean().describe('Nothing is added to it any more.'),
  gap: z.boolean().describe('What came before these lines is not kept any more, or was of another start.'),
});

/** Between two looks of a request that waits for lines. */
const LOOK_MS = 500;

const one = z.strictObject({ ...scope, id });
async function readOne(services: Services, organizationId: string, previewId: string): Promise<Row> {
  const { rows } = await services.store.tenant(organizationId, (tx) =>
    tx.query<Row>(`${SELECT} WHERE v.id = $1`, [previewId]),
  );
  const [found] = rows;
  if (found === undefined) throw notFound();
  return shown(found);
}

const ASKS: Readonly<Record<PreviewAsk, Pick<ProcedureMeta, 'method' | 'path' | 'summary'>>> = {
  wake: { method: 'POST', path: '/previews/{id}/wake', summary: 'Starts what sleeps, as a visit does.' },
  sleep: { method: 'POST', path: '/previews/{id}/sleep', summary: 'Stops what runs and keeps what was built.' },
  rebuild: {
    method: 'POST',
    path: '/previews/{id}/rebuild',
    summary: 'Builds it again, or makes it anew where it was removed; what serves goes on until the new one answers.',
  },
  delete: {
    method: 'DELETE',
    path: '/previews/{id}',
    summary: 'Removes it and everything it left; rebuilding it, or a push, brings it back.',
  },
};

/** The same as the comments `/preview …` ask for, and as free to be asked for twice. */
const asking = (to: PreviewAsk) =>
  procedure({ action: 'preview.write', ...ASKS[to] })
    .input(one)
    .output(preview)
    .mutation(async ({ ctx, input }) => {
      const { services, organizationId, by } = ctx;
      const asked = await services.askPreview({ organizationId, previewId: input.id, to, by });
      if (!asked.found) throw notFound();
      if ('why' in asked) throw new ForgewayError('FORGEWAY_CONFLICT', asked.why);
      return readOne(services, organizationId, input.id);
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
    .input(one)
    .output(preview)
    .query(({ ctx, input }) => readOne(ctx.services, ctx.organizationId, input.id)),

  rebuild: asking('rebuild'),
  wake: asking('wake'),
  sleep: asking('sleep'),
  delete: asking('delete'),

  logs: procedure({
    action: 'preview.read',
    method: 'GET',
    path: '/previews/{id}/logs',
    summary: 'What its build, or the preview itself, printed: the last lines, or with a cursor those since.',
  })
    .input(
      logWish.extend({
        limit: z.coerce.number().int().min(1).max(1_000).default(200).describe('How many lines at most, 1 to 1,000.'),
        wait: z.coerce
          .number()
          .int()
          .min(0)
          .max(20)
          .default(0)
          .describe(
            'With a cursor: seconds to wait for lines that are not there yet. Asked again and again, it follows.',
          ),
      }),
    )
    .output(previewLog)
    .query(async ({ ctx, input }) => {
      const { services, organizationId } = ctx;
      const { stage, limit: lines, service, wait } = input;
      const wish = { organizationId, id: input.id, stage, lines, after: readCursor(input.cursor), service };
      const since = input.since === undefined ? undefined : new Date(input.since);
      const until = performance.now() + wait * 1_000;
      for (;;) {
        const log = await readPreviewLogOf(services.store, services.previewLog, { ...wish, since });
        if (log === undefined) throw notFound();
        const { next, ...page } = log;
        const isOver = page.lines.length > 0 || page.ended || page.gap || wish.after === undefined;
        if (isOver || performance.now() >= until) return { ...page, nextCursor: written(next) };
        await pause(LOOK_MS);
      }
    }),
});
