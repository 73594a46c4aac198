import { z } from 'zod';
import { coverages, installState } from '../../accounts/install-state.js';
import { installationNewsWritten } from '../../accounts/installation-news.js';
import { personalInstallState } from '../../accounts/personal-install-state.js';
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

const account = z.object({ forge: z.string(), host: z.string(), login: z.string() });

/** A program waits longer than somebody before a page. */
const WITHIN_MS = 10_000;
/** For webhooks that were taken in and are still to be written down. */
const NEWS_WITHIN_MS = 2_000;

const output = z.object({
  banner: z
    .object({ since: instant })
    .nullable()
    .describe('Since when the App is not installed; null: it is, or was never.'),
  counts: z.record(z.enum(coverages), z.number().int()).describe('How many repositories are in each state.'),
  asked: z
    .array(account)
    .describe(
      'Accounts of yours with which the forge was asked: of these hosts you see the repositories that you may push to.',
    ),
  notAsked: z
    .array(account.extend({ reason: z.string() }))
    .describe('Accounts of yours that could not be asked with: of these hosts you see what the organization knows.'),
  repositories: z.array(repository).describe('Those that lack something first, at most `limit`.'),
});

/** Read anew each time, so that an App that was uninstalled shows in the next answer. */
export const readInstallState = procedure({
  action: 'repository.read',
  method: 'GET',
  path: '/install-state',
  summary:
    'Which of your repositories lack the App or a webhook, and what mends it; for a program, those of the organization.',
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
    const { store, forges, appPage, visibleWith } = ctx.services;
    const { organizationId } = ctx;
    await installationNewsWritten(store, NEWS_WITHIN_MS);
    const about = { store, forges, organizationId, appPage: await appPage() };
    const { banner, repositories, asked, notAsked } =
      ctx.actor.kind === 'user'
        ? await personalInstallState({ ...about, userId: ctx.actor.userId, visibleWith, withinMs: WITHIN_MS })
        : { ...(await installState(about)), asked: [], notAsked: [] };
    const counts = Object.fromEntries(
      coverages.map((state) => [state, repositories.filter((one) => one.state === state).length]),
    ) as Record<(typeof coverages)[number], number>;
    return {
      banner: banner.shown ? { since: banner.since } : null,
      counts,
      asked: [...asked],
      notAsked: [...notAsked],
      repositories: repositories.slice(0, input.limit).map((one) => ({ ...one, fix: one.fix ?? null })),
    };
  });
