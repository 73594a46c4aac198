import { z } from 'zod';
import {
  type DeliveryFilter,
  type DeliverySummary,
  deliveryStatuses,
  listDeliveries,
  showDelivery,
} from '../../inbox/list.js';
import { ForgewayError } from '../../lib/errors.js';
import { redactText } from '../../lib/redact.js';
import { notFound } from '../authorize.js';
import { bigNumber, forgeId, id, instant, listOf, page, pageOf, placeOf, scope, serial, text } from './fields.js';
import { procedure, router } from './procedure.js';

/** Never its body or headers: they hold what the forge sent, and nobody reads that through the API. */
const delivery = z.object({
  id: bigNumber,
  deliveryKey: z.string().describe('The forge’s own id of it.'),
  forge: z.string(),
  host: z.string(),
  repository: z.string().nullable(),
  eventType: z.string(),
  action: z.string().nullable(),
  status: z.enum(deliveryStatuses),
  reason: z.string().nullable(),
  error: z.string().nullable(),
  retries: z.number(),
  nextAttemptAt: instant.nullable(),
  receivedAt: instant,
  finishedAt: instant.nullable(),
});

const run = z.object({
  id: bigNumber,
  eventName: z.string(),
  action: z.string().nullable(),
  app: z.string(),
  status: z.string(),
  shadow: z.boolean(),
  attempts: z.number(),
  nextAttemptAt: instant.nullable(),
  reason: z.string().nullable(),
  error: z.string().nullable(),
  replayOf: bigNumber.nullable(),
  finishedAt: instant.nullable(),
  writes: z.array(z.object({ route: z.string(), path: z.string(), status: z.string() })),
});

const redacted = <T extends { error: string | null; reason: string | null }>(row: T): T => ({
  ...row,
  error: row.error && redactText(row.error),
  reason: row.reason && redactText(row.reason),
});
const shown = (row: DeliverySummary): z.input<typeof delivery> => ({
  ...redacted(row),
  status: z.enum(deliveryStatuses).parse(row.status),
});

const REFUSED = {
  unknown: 'There is nothing here.',
  unfinished: 'Some of it still runs or waits.',
  empty: 'Its body is no longer stored, or no app ran on it.',
} as const;

const one = z.strictObject({ ...scope, id: serial });

export const deliveries = router({
  list: procedure({ action: 'delivery.read', method: 'GET', path: '/deliveries', summary: 'Deliveries, newest first.' })
    .input(
      z
        .strictObject({
          ...scope,
          status: z.enum(deliveryStatuses).optional(),
          forge: forgeId.optional(),
          event: text(100)
            .optional()
            .describe('GitHub’s or the forge’s name, with an action where that is to match too.'),
          app: text(100).optional(),
          repositoryId: id.optional(),
          since: z.iso.datetime({ offset: true }).optional(),
          until: z.iso.datetime({ offset: true }).optional(),
          ...page,
        })
        .prefault({}),
    )
    .output(listOf(delivery))
    .query(async ({ ctx, input }) => {
      const [before] = placeOf(input.cursor, z.literal(''));
      const { status, forge, event, app, repositoryId, since, until, limit } = input;
      const rows = await ctx.services.store.tenant(ctx.organizationId, async (tx) => {
        const filter: DeliveryFilter = {
          ...(status && { status }),
          ...(forge && { forge }),
          ...(event && { event }),
          ...(app && { app }),
          ...(since && { since: new Date(since) }),
          ...(until && { until: new Date(until) }),
        };
        if (repositoryId !== undefined) {
          const found = await tx.query<{ forge: string; host: string; remoteId: bigint }>(
            'SELECT forge, host, remote_id AS "remoteId" FROM repository WHERE id = $1',
            [repositoryId],
          );
          const [repository] = found.rows;
          if (repository === undefined) throw notFound();
          filter.repository = repository;
        }
        return listDeliveries(tx, { ...filter, limit: limit + 1, ...(before !== null && { before: BigInt(before) }) });
      });
      return pageOf(rows.map(shown), limit, (row) => [String(row.id), '']);
    }),

  get: procedure({
    action: 'delivery.read',
    method: 'GET',
    path: '/deliveries/{id}',
    summary: 'One delivery with every run of an app and what it wrote; never its body.',
  })
    .input(one)
    .output(z.object({ delivery, runs: z.array(run) }))
    .query(async ({ ctx, input }) => {
      const found = await ctx.services.store.tenant(ctx.organizationId, (tx) => showDelivery(tx, BigInt(input.id)));
      if (found === undefined) throw notFound();
      return {
        delivery: shown(found.delivery),
        runs: found.dispatches.map((row) => ({ ...redacted(row), writes: [...row.writes] })),
      };
    }),

  replay: procedure({
    action: 'delivery.replay',
    method: 'POST',
    path: '/deliveries/{id}/replay',
    summary: 'Runs its apps again; what they had written already is not written twice where the run had failed.',
  })
    .input(
      one.extend({
        app: text(100).optional().describe('Only this app.'),
        failed: z.boolean().default(false).describe('Only what was given up.'),
        asStored: z
          .boolean()
          .default(false)
          .describe('Told as it was stored, without asking the forge what is so now.'),
      }),
    )
    .output(z.object({ runs: z.array(bigNumber) }))
    .mutation(async ({ ctx, input }) => {
      const deliveryId = BigInt(input.id);
      // Replaying is done by another role, which sees all tenants: whose it is, is decided here.
      const own = await ctx.services.store.tenant(ctx.organizationId, (tx) => showDelivery(tx, deliveryId));
      if (own === undefined) throw notFound();
      const { app, failed, asStored } = input;
      const replay = await ctx.services.replay(deliveryId, { ...(app && { app }), failed, asStored, actor: ctx.by });
      if (replay.kind === 'refused') throw new ForgewayError('FORGEWAY_CONFLICT', REFUSED[replay.reason]);
      return { runs: replay.dispatches };
    }),
});
