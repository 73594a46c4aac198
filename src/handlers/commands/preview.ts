/** `/preview`, `/preview rebuild`, `/preview sleep`, `/preview delete`: what is wanted of a pull request's preview. */
import { z } from 'zod';
import { askPreview, endPreview, type WantedPreview, wantPreview } from '../../jobs/preview/desired.js';
import { CONFIG_PATH } from '../../jobs/preview/repository-config.js';
import { pullRequestByNumber } from '../../store/mirror/pull-request.js';
import { repositoryByRemoteId } from '../../store/mirror/repository.js';
import type { DeliveryWork } from '../delivery-work.js';
import type { Command, CommandRun, Outcome } from './command.js';

const id = z.union([z.number(), z.string(), z.bigint()]).transform(BigInt);
const pullRequest = z.object({
  state: z.string(),
  head: z.object({ sha: z.string().regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/) }),
  base: z.object({ repo: z.object({ id }) }),
});

const USAGE = '/preview [rebuild | sleep | delete]';
type Wish = 'start' | 'rebuild' | 'sleep' | 'delete';
const wishes: Readonly<Record<string, Wish>> = { '': 'start', rebuild: 'rebuild', sleep: 'sleep', delete: 'delete' };

const nothing = (what: string): Outcome => ({
  done: false,
  say: `There is no preview to ${what}. \`/preview\` starts one.`,
});

/** What was there to be done is done; false: there is nothing to do it with. */
type Change = (work: DeliveryWork, found: { id: string } | undefined) => Promise<WantedPreview | null>;

async function hasConfiguration({ octokit, in: { owner, repo } }: CommandRun): Promise<boolean> {
  try {
    await octokit.request('GET /repos/{owner}/{repo}/contents/{path}', { owner, repo, path: CONFIG_PATH });
    return true;
  } catch (error) {
    if (error instanceof Error && 'status' in error && error.status === 404) return false;
    throw error;
  }
}

async function run(given: CommandRun): Promise<Outcome> {
  const { args, by, octokit, in: place, inTransaction } = given;
  const wish = wishes[args.toLowerCase()];
  if (wish === undefined) return { done: false, say: `That is not known. There is \`${USAGE}\`.` };
  const { owner, repo, number } = place;
  const { data } = await octokit.request('GET /repos/{owner}/{repo}/pulls/{pull_number}', {
    ...{ owner, repo, pull_number: number },
  });
  const { state, head, base } = pullRequest.parse(data);
  if (state !== 'open') return { done: false, say: 'The pull request is closed, so it has no preview.' };
  const isStart = wish === 'start' || wish === 'rebuild';
  if (isStart && !(await hasConfiguration(given)))
    return { done: false, say: `There is no ${CONFIG_PATH} on the default branch, so nobody knows how to run this.` };

  const outcome = { changed: false, known: true };
  await inTransaction(async (work) => {
    const { tx, origin, poke } = work;
    const repository = await repositoryByRemoteId(tx, origin, base.repo.id);
    const known = repository && (await pullRequestByNumber(tx, repository.id, number));
    if (repository === undefined) throw new Error('a command came from a repository that is not in the mirror');
    outcome.known = known !== undefined;
    if (known === undefined) return;
    const { rows } = await tx.query<{ id: string }>(
      `SELECT id FROM preview WHERE pull_request_id = $1 AND desired_state <> 'absent'`,
      [known.id],
    );
    const start: Change = ({ tx: same }) =>
      wantPreview(same, {
        organizationId: origin.organizationId,
        repositoryId: repository.id,
        pullRequestId: known.id,
        ...{ sha: head.sha, actor: null, byHand: true },
      });
    const ofFound =
      (change: (found: { id: string }) => Promise<WantedPreview | null>): Change =>
      async (_work, found) =>
        found === undefined ? null : change(found);
    const changes: Record<Wish, Change> = {
      start,
      rebuild: async (same, found) =>
        (found && (await askPreview(tx, { previewId: found.id, to: 'rebuild' }))) ?? start(same, found),
      sleep: ofFound((found) => askPreview(tx, { previewId: found.id, to: 'sleep' })),
      delete: ofFound((found) =>
        endPreview(tx, { previewId: found.id, reason: `${by.login} asked for that; \`/preview\` brings it back` }),
      ),
    };
    const wanted = await changes[wish](work, rows[0]);
    outcome.changed = wanted !== null;
    poke('preview', wanted);
  });
  if (!outcome.known) return { done: false, say: 'This pull request is not known here yet. Try again in a minute.' };
  return outcome.changed ? { done: true } : nothing(wish);
}

export const preview: Command = {
  name: 'preview',
  usage: USAGE,
  means: 'Starts or wakes the preview of this pull request, builds it again, puts it to sleep, or removes it.',
  action: 'preview.write',
  onlyOnPullRequests: true,
  run,
};
