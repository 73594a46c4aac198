/** `/plan`, `/apply` and `/unlock`: what people ask of workspaces on a pull request. */
import { z } from 'zod';
import { audit } from '../../accounts/audit.js';
import { askRun, wakeRuns } from '../../jobs/run/move.js';
import { queueSpeculative } from '../../jobs/run/queue-run.js';
import { lookAgain } from '../../jobs/run/watch-rows.js';
import { shortSha } from '../../lib/ids.js';
import { holdWorkspace, type WorkspaceRow, workspacesOfRepository } from '../../store/workspace/workspaces.js';
import type { DeliveryWork } from '../delivery-work.js';
import type { Command, CommandRun, Outcome } from './command.js';

const id = z.union([z.number(), z.string(), z.bigint()]).transform(BigInt);
const sha = z.string().regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/);
const pullRequest = z.object({
  state: z.string(),
  title: z.string().default(''),
  merged: z.boolean().nullish(),
  merge_commit_sha: sha.nullish(),
  head: z.object({ sha, ref: z.string().default('') }),
  base: z.object({ ref: z.string(), sha: sha.nullish(), repo: z.object({ id, default_branch: z.string().nullish() }) }),
});
type PullRequest = z.output<typeof pullRequest>;

async function readPullRequest({ octokit, in: { owner, repo, number } }: CommandRun): Promise<PullRequest> {
  const { data } = await octokit.request('GET /repos/{owner}/{repo}/pulls/{pull_number}', {
    ...{ owner, repo, pull_number: number },
  });
  return pullRequest.parse(data);
}

/** The workspaces that follow the branch, or the one of them that is named. A string says why there are none. */
async function chosen({ tx, origin }: DeliveryWork, pull: PullRequest, args: string): Promise<WorkspaceRow[] | string> {
  const { forge, host } = origin;
  const all = await workspacesOfRepository(tx, { forge, host, remoteRepositoryId: pull.base.repo.id });
  const following = all.filter(
    ({ vcsBranch }) => (vcsBranch ?? pull.base.repo.default_branch ?? pull.base.ref) === pull.base.ref,
  );
  if (following.length === 0) return `no workspace follows \`${pull.base.ref}\` of this repository.`;
  if (args === '') return following;
  const named = following.filter(({ name }) => name === args);
  if (named.length > 0) return named;
  return `there is no workspace of that name here: ${following.map(({ name }) => `\`${name}\``).join(', ')}.`;
}

const refused = (say: string): Outcome => ({ done: false, say });

async function inOne(given: CommandRun, run: (work: DeliveryWork) => Promise<Outcome>): Promise<Outcome> {
  let outcome: Outcome = refused('nothing was done.');
  await given.inTransaction(async (work) => {
    outcome = await run(work);
  });
  return outcome;
}

async function runPlan(given: CommandRun): Promise<Outcome> {
  const pull = await readPullRequest(given);
  if (pull.state !== 'open') return refused('the pull request is closed, so nothing is planned.');
  const { number } = given.in;
  return inOne(given, async (work) => {
    const { tx, origin, poke } = work;
    const workspaces = await chosen(work, pull, given.args);
    if (typeof workspaces === 'string') return refused(workspaces);
    for (const workspace of workspaces) {
      const { rows } = await tx.query<{ trusted: boolean; base: string | null }>(
        `SELECT trusted, vcs_base_sha AS base FROM run WHERE workspace_id = $1 AND vcs_pull_request_number = $2
           AND vcs_commit_sha = $3 ORDER BY number DESC LIMIT 1`,
        [workspace.id, number, pull.head.sha],
      );
      const [before] = rows;
      // Whether a head may be planned at all is judged where it is looked at; only what was planned is planned again here.
      if (before === undefined) continue;
      const head = {
        ...{ number, title: pull.title, sha: pull.head.sha, branch: pull.head.ref, trusted: before.trusted },
        baseSha: pull.base.sha ?? before.base ?? '',
      };
      const held = await holdWorkspace(tx, workspace.id);
      if (held === undefined) continue;
      for (const wanted of await queueSpeculative(tx, held, head, { by: given.byName, source: 'comment' }))
        poke('run', wanted);
    }
    const { forge, host } = origin;
    for (const wanted of await lookAgain(tx, { forge, host, remoteId: pull.base.repo.id }, { forget: true }))
      poke('watch', wanted);
    await audit(tx, origin.organizationId, 'run.planned', `#${number}`, { sha: pull.head.sha }, given.byName);
    return { done: true };
  });
}

async function runApply(given: CommandRun): Promise<Outcome> {
  const pull = await readPullRequest(given);
  if (pull.state === 'open')
    return refused(
      'a plan of a pull request is never applied. Merge it: the push is planned, and `/apply` confirms that plan.',
    );
  const commit = pull.merge_commit_sha;
  if (commit == null) return refused('the pull request was closed without being merged, so there is nothing to apply.');
  return inOne(given, async (work) => {
    const { tx, origin, poke } = work;
    const workspaces = await chosen(work, pull, given.args);
    if (typeof workspaces === 'string') return refused(workspaces);
    const { rows } = await tx.query<{ id: string; workspace_id: string }>(
      `SELECT id, workspace_id FROM run WHERE workspace_id = ANY ($1) AND vcs_commit_sha = $2 AND NOT plan_only
         AND status = 'planned' ORDER BY number`,
      [workspaces.map((one) => one.id), commit],
    );
    if (rows.length === 0) return refused(`no run of ${shortSha(commit)} waits to be confirmed.`);
    const nameOf = (workspaceId: string) => workspaces.find((one) => one.id === workspaceId)?.name ?? workspaceId;
    if (rows.length > 1 && given.args === '') {
      const names = rows.map((row) => `\`/apply ${nameOf(row.workspace_id)}\``).join(', ');
      return refused(`several workspaces wait, so say which: ${names}.`);
    }
    for (const row of rows) {
      const moved = await askRun(tx, row.id, { kind: 'confirm' }, { by: given.byName, comment: 'by a comment' });
      if (moved !== undefined && 'refused' in moved.outcome) return refused(moved.outcome.refused);
      for (const wanted of moved?.wanted ?? []) poke('run', wanted);
      await audit(tx, origin.organizationId, 'run.confirmed', row.id, { sha: commit }, given.byName);
    }
    return { done: true };
  });
}

async function runUnlock(given: CommandRun): Promise<Outcome> {
  const pull = await readPullRequest(given);
  return inOne(given, async (work) => {
    const { tx, origin, poke } = work;
    const workspaces = await chosen(work, pull, given.args);
    if (typeof workspaces === 'string') return refused(workspaces);
    const locked = workspaces.filter((one) => one.lockedAt !== null || one.lockedByRunId !== null);
    if (locked.length === 0) return refused('nothing is locked here.');
    if (locked.length > 1 && given.args === '')
      return refused(
        `several are locked, so say which: ${locked.map(({ name }) => `\`/unlock ${name}\``).join(', ')}.`,
      );
    for (const { id: workspaceId, lockedBy, lockedByRunId, name } of locked) {
      await holdWorkspace(tx, workspaceId);
      await tx.query(
        `UPDATE workspace SET locked_at = NULL, locked_by = NULL, lock_reason = NULL, locked_by_run_id = NULL, updated_at = now()
         WHERE id = $1`,
        [workspaceId],
      );
      for (const wanted of await wakeRuns(tx, origin.organizationId, workspaceId)) poke('run', wanted);
      await audit(tx, origin.organizationId, 'workspace.unlocked', name, { lockedBy, lockedByRunId }, given.byName);
    }
    return { done: true };
  });
}

export const plan: Command = {
  name: 'plan',
  usage: '/plan [workspace]',
  means: 'Plans the newest commit of the pull request once more.',
  action: 'run.plan',
  onlyOnPullRequests: true,
  run: runPlan,
};
export const apply: Command = {
  name: 'apply',
  usage: '/apply [workspace]',
  means: 'Confirms the run of a merged pull request that waits for it, so that exactly its plan is applied.',
  action: 'run.apply',
  onlyOnPullRequests: true,
  run: runApply,
};
export const unlock: Command = {
  name: 'unlock',
  usage: '/unlock [workspace]',
  means: 'Gives a workspace free that somebody, or a run that ended badly, has locked.',
  action: 'run.apply',
  onlyOnPullRequests: true,
  run: runUnlock,
};
