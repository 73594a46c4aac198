/** `/ok-to-test <commit>`: lets one commit of a stranger run, and none that is pushed later (R6). */
import { z } from 'zod';
import { approveCommit, type NameSays, whichIsMeant } from '../../accounts/access/trusted-commits.js';
import { askPreview } from '../../jobs/preview/desired.js';
import { lookAgain } from '../../jobs/run/watch-rows.js';
import { shortSha } from '../../lib/ids.js';
import { pullRequestByNumber } from '../../store/mirror/pull-request.js';
import { repositoryByRemoteId } from '../../store/mirror/repository.js';
import type { DeliveryWork } from '../delivery-work.js';
import type { Command, CommandRun, Outcome, Stop } from './command.js';

const id = z.union([z.number(), z.string(), z.bigint()]).transform(BigInt);
const pullRequest = z.object({
  state: z.string(),
  head: z.object({ sha: z.string().regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/) }),
  base: z.object({ repo: z.object({ id }) }),
});

/** Short enough to type. Others that begin so can be made, so it is seen to that none can have been meant. */
const GIVEN = /^[0-9a-f]{7,64}$/i;

/** Forges tell whole seconds. */
const TOLD_WITHIN_MS = 1_000;

/** The latest that it can have been written, by our clock: one that we are told of late was written before, by the forge's. */
const writtenBy = ({ at, toldAt }: Stop['asked']): Date =>
  toldAt === null ? at : new Date(Math.min(at.getTime(), toldAt.getTime() + TOLD_WITHIN_MS));

async function run({ args, asked, by, byName, octokit, in: place, inTransaction }: CommandRun): Promise<Outcome> {
  const given = args.toLowerCase();
  const { owner, repo, number } = place;
  const { data } = await octokit.request('GET /repos/{owner}/{repo}/pulls/{pull_number}', {
    ...{ owner, repo, pull_number: number },
  });
  const { state, head, base } = pullRequest.parse(data);
  const now = shortSha(head.sha);
  if (state !== 'open') return { done: false, say: 'The pull request is closed, so nothing runs.' };
  if (!GIVEN.test(given))
    return { done: false, say: `Say which commit you looked at: \`/ok-to-test ${now}\` is the newest.` };
  if (!head.sha.startsWith(given))
    return { done: false, say: `The newest commit is ${now}. Look at it, then comment \`/ok-to-test ${now}\`.` };

  const outcome: { name: NameSays } = { name: 'this one' };
  const approve = async ({ tx, origin, poke }: DeliveryWork): Promise<void> => {
    const repository = await repositoryByRemoteId(tx, origin, base.repo.id);
    const known = repository && (await pullRequestByNumber(tx, repository.id, number));
    // Kept although nothing waits for it yet: the preview may be written down a moment later.
    if (repository === undefined) throw new Error('a command came from a repository that is not in the mirror');
    const commit = { repositoryId: repository.id, number, sha: head.sha };
    if (given !== head.sha) outcome.name = await whichIsMeant(tx, commit, given, writtenBy(asked));
    if (outcome.name !== 'this one') return;
    await approveCommit(tx, origin.organizationId, commit, { name: byName, login: by.login });
    const { rows } = await tx.query<{ id: string }>('SELECT id FROM preview WHERE pull_request_id = $1', [known?.id]);
    // What waits to be planned is looked at again, and judged with this approval.
    const { forge, host } = origin;
    for (const wanted of await lookAgain(tx, { forge, host, remoteId: base.repo.id }, { forget: true }))
      poke('watch', wanted);
    if (rows[0] !== undefined) poke('preview', await askPreview(tx, { previewId: rows[0].id, to: 'look-again' }));
  };
  await inTransaction(approve);
  const ask = `Look at the newest, then comment \`/ok-to-test ${head.sha}\`.`;
  switch (outcome.name) {
    case 'this one':
      return { done: true };
    case 'one of several':
      return { done: false, say: `More than one commit of this pull request begins with ${given}. ${ask}` };
    case 'one of later':
      return { done: false, say: `A commit that begins with ${given} was not seen here before you wrote that. ${ask}` };
  }
}

export const okToTest: Command = {
  name: 'ok-to-test',
  usage: '/ok-to-test <commit>',
  means: 'Lets this commit run, although it comes from a fork or from somebody who may not write here.',
  action: 'untrusted.approve',
  onlyOnPullRequests: true,
  run,
};
