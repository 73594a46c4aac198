import { z } from 'zod';
import { type Action, actionNames } from '../../accounts/access/actions.js';
import { listDecisions } from '../../accounts/access/trail.js';
import { bigNumber, instant, listOf, page, pageOf, placeOf, scope, text } from './fields.js';
import { procedure, router } from './procedure.js';

const decision = z.object({
  id: bigNumber,
  at: instant,
  actor: z.string().describe('Such as `user:ID token:ID`, `machine:ID` or `FORGE:HOST:ACCOUNT`.'),
  action: z.string(),
  subject: z.string(),
  allowed: z.boolean(),
  because: z.string().nullable().describe('Which rule refused it; null: it was allowed.'),
  why: z.string(),
  times: z.number().describe('How often the same was decided within a few seconds.'),
});

export const audits = router({
  listDecisions: procedure({
    action: 'audit.read',
    method: 'GET',
    path: '/audit/decisions',
    summary: 'Who was let do what, and who was not; newest first.',
  })
    .input(
      z
        .strictObject({
          ...scope,
          denied: z.enum(['true', 'false']).default('false').describe('Only what was refused.'),
          actor: text(300).optional().describe('A part of the name.'),
          action: z.enum(actionNames as [Action]).optional(),
          subject: text(300).optional().describe('A part of what it was done to.'),
          ...page,
        })
        .prefault({}),
    )
    .output(listOf(decision))
    .query(async ({ ctx, input }) => {
      const [before] = placeOf(input.cursor, z.literal(''));
      const { denied, actor, action, subject, limit } = input;
      const rows = await listDecisions(ctx.services.store, ctx.organizationId, {
        denied: denied === 'true',
        ...(actor !== undefined && { actor }),
        ...(action !== undefined && { action }),
        ...(subject !== undefined && { subject }),
        ...(before !== null && { before: BigInt(before) }),
        limit: limit + 1,
      });
      return pageOf(rows, limit, ({ id }) => [id.toString(), '']);
    }),
});
