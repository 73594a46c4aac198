import { z } from 'zod';
import { coverages, installState } from '../../accounts/install-state.js';
import { bigNumber, instant, scope } from './fields.js';
import { procedure } from './procedure.js';

const repository = z.object({
  forge: z.string(),
  host: z.string(),
  remoteId: bigNumber.describe('The forge’s own number of it.'),
  owner: z.string(),
  name: z.string(),
  url: z.string(),
  state: z.enum(coverages),
  fix: z
    .union([z.object({ link: z.string() }), z.object({ command: z.string() })])
    .nullable()
    .describe('A page for a person, or a command on the machine; null: nothing to do, or nobody could say how.'),
});

const output = z.object({
  banner: z
    .object({ since: instant })
    .nullable()
    .describe('Since when the App is not installed; null: it is, or was never.'),
  counts: z.record(z.enum(coverages), z.number().int()).describe('How many repositories are in each state.'),
  repositories: z.array(repository).describe('Those that lack something first, at most `limit`.'),
});

/** Read anew each time, so that an App that was uninstalled shows in the next answer. */
export const readInstallState = procedure({
  action: 'repository.read',
  method: 'GET',
  path: '/install-state',
  summary: 'Which repositories lack the App or a webhook, and what mends it.',
})
  .input(
    z
      .strictObject({
        ...scope,
        limit: z.coerce.number().int().min(1).max(1_000).default(100).describe('How many at most, 1 to 1000.'),
      })
      .prefault({}),
  )
  .output(output)
  .query(async ({ ctx, input }) => {
    const { store, forges, appPage } = ctx.services;
    const { organizationId } = ctx;
    const found = await installState({ store, forges, organizationId, appPage: await appPage() });
    const { banner, repositories } = found;
    const counts = Object.fromEntries(
      coverages.map((state) => [state, repositories.filter((one) => one.state === state).length]),
    ) as Record<(typeof coverages)[number], number>;
    return {
      banner: banner.shown ? { since: banner.since } : null,
      counts,
      repositories: repositories.slice(0, input.limit).map((one) => ({ ...one, fix: one.fix ?? null })),
    };
  });
