/**
 * Looks at the repositories of workspaces and queues what they show: one look for all workspaces of a repository, every minute,
 * and at once when a webhook says so. A webhook says nothing else: what is run is what the forge shows then.
 */
import type { PoolClient } from 'pg';
import { isApproved } from '../../accounts/access/trusted-commits.js';
import { adviceFor, USELESS } from '../../accounts/connection-state.js';
import { type Permissions, permissionAtLeast } from '../../accounts/permissions.js';
import { retryDelay } from '../../lib/backoff.js';
import { type Clock, systemClock } from '../../lib/clock.js';
import { ForgewayError, messageOf } from '../../lib/errors.js';
import { shortSha } from '../../lib/ids.js';
import { redactText } from '../../lib/redact.js';
import { holdWorkspace, type WorkspaceRow } from '../../store/workspace/workspaces.js';
import type { Pokes } from '../poke.js';
import {
  createReconciler,
  type Reconciler,
  type ReconcilerOptions,
  type Settlement,
  type UnsettledRow,
} from '../reconcile.js';
import type { Wanted } from '../report/desired.js';
import type { ForgeOctokit } from '../sync/octokit.js';
import type { OctokitOf } from './connection-octokit.js';
import {
  concerns,
  createForgeRepository,
  ForgeRefusal,
  type ForgeRepository,
  type OpenPull,
  pathOf,
} from './forge-repository.js';
import type { WantedRun } from './move.js';
import { giveUpClosed, queuePush, queueSpeculative } from './queue-run.js';
import { tellWaiting } from './tell.js';
import { readWatch, type SeenPulls, type WatchedRepository, workspacesOf, writeWatch } from './watch-rows.js';

export interface WatchOptions
  extends Pick<ReconcilerOptions, 'store' | 'locks' | 'log' | 'metrics' | 'clock' | 'backoff'> {
  pokes: Pokes;
  octokitOf: OctokitOf;
  permissions: Permissions;
  intervalMs: number;
}

/** Name and number of a repository are asked for this often, unless something is amiss. */
const FACTS_EVERY = 30;
const BACKOFF = { baseMs: 5_000, capMs: 900_000, attempts: Number.POSITIVE_INFINITY };

/** What one look has brought: to be told to others once it is written down. */
interface Found {
  runs: WantedRun[];
  reports: Wanted[];
}

/** The reconciler of the table `repository_watch`. Its rows are never settled: there is always a next look. */
export function createWatchReconciler(o: WatchOptions): Reconciler {
  const { store, pokes, permissions, log, clock = systemClock as Clock } = o;
  const tenant = <T>(row: { organizationId: string }, work: (tx: PoolClient) => Promise<T>) =>
    store.tenant(row.organizationId, work);

  async function say(watched: WatchedRepository, workspaceIds: readonly string[], error: string | null): Promise<void> {
    await tenant(watched, (tx) =>
      tx.query(
        `UPDATE workspace SET vcs_last_error = $2,
           vcs_last_polled_at = CASE WHEN $2::text IS NULL THEN clock_timestamp() ELSE vcs_last_polled_at END
         WHERE id = ANY ($1)`,
        [workspaceIds, error],
      ),
    );
  }

  /** Number, name and default branch, as the forge says; another repository under the old name is refused. */
  async function factsOf(watched: WatchedRepository, repository: ForgeRepository): Promise<WatchedRepository> {
    const due = watched.remoteId === null || watched.defaultBranch === null || watched.looks % FACTS_EVERY === 0;
    if (!due) return watched;
    const facts = await repository.facts();
    if (watched.remoteId !== null && watched.remoteId !== facts.id)
      throw new ForgeRefusal(
        404,
        `${repository.path} is another repository now than the one that was linked. Link the workspace anew if that is meant.`,
      );
    return { ...watched, remoteId: facts.id, remotePath: pathOf(facts.full_name), defaultBranch: facts.default_branch };
  }

  async function push(
    workspace: WorkspaceRow,
    branch: string,
    sha: string,
    repository: ForgeRepository,
  ): Promise<WantedRun[]> {
    const { vcsLastCommitSha: last, triggerPrefixes: prefixes } = workspace;
    if (last === sha) return [];
    const changed = last === null || prefixes.length === 0 ? undefined : await repository.changedBetween(last, sha);
    return tenant(workspace, async (tx) => {
      const now = await holdWorkspace(tx, workspace.id);
      // Somebody was faster, or linked it to something else meanwhile.
      if (now === undefined || now.vcsLastCommitSha !== last || now.vcsConnectionId !== workspace.vcsConnectionId)
        return [];
      if (concerns(changed, prefixes)) return queuePush(tx, now, { sha, branch });
      await tx.query('UPDATE workspace SET vcs_last_commit_sha = $2, updated_at = now() WHERE id = $1', [now.id, sha]);
      return [];
    });
  }

  /** Whether a head may be planned with what the workspace knows, without it, or not yet. */
  async function judge(
    watched: WatchedRepository,
    octokit: ForgeOctokit,
    pull: OpenPull,
  ): Promise<'trusted' | 'approved' | { waits: string }> {
    const approved = await tenant(watched, async (tx) => {
      const { rows } = await tx.query<{ id: string }>(
        'SELECT id FROM repository WHERE forge = $1 AND host = $2 AND remote_id = $3',
        [watched.forge, watched.host, watched.remoteId],
      );
      const [mirrored] = rows;
      return (
        mirrored !== undefined && isApproved(tx, { repositoryId: mirrored.id, number: pull.number, sha: pull.head.sha })
      );
    });
    const sha = shortSha(pull.head.sha);
    const wait = (why: string) => ({
      waits: `${why} Someone who may decide that here looks at ${sha} and comments \`/ok-to-test ${sha}\`; that holds for this commit alone.`,
    });
    if (pull.head.repo?.id !== pull.base.repo.id)
      return approved ? 'approved' : wait('This pull request comes from a fork.');
    if (pull.user == null) return approved ? 'approved' : wait('The forge does not say whose pull request this is.');
    const [owner = '', name = ''] = splitPath(watched.remotePath ?? watched.path);
    const answer = await permissions.levelOf({
      repository: { forge: watched.forge, host: watched.host, remoteId: pull.base.repo.id, owner, name },
      user: pull.user,
      octokit,
    });
    if (answer.level !== undefined && permissionAtLeast(answer.level, 'write')) return 'trusted';
    if (answer.level === undefined && answer.because === 'error') throw answer.error;
    return approved ? 'approved' : wait(`${pull.user.login} may not write to this repository.`);
  }

  async function pullRequest(
    look: { watched: WatchedRepository; octokit: ForgeOctokit; repository: ForgeRepository },
    workspace: WorkspaceRow,
    pull: OpenPull,
    baseSha: string,
    skipped: Set<string>,
  ): Promise<Found> {
    const { watched, octokit, repository } = look;
    const { number, title, head } = pull;
    const key = `${workspace.id} ${number} ${head.sha}`;
    const known = await tenant(workspace, (tx) =>
      tx.query(
        'SELECT FROM run WHERE workspace_id = $1 AND vcs_pull_request_number = $2 AND vcs_commit_sha = $3 LIMIT 1',
        [...[workspace.id, number, head.sha]],
      ),
    );
    if ((known.rowCount ?? 0) > 0) return { runs: [], reports: [] };
    if (watched.seen.skipped?.includes(key)) {
      skipped.add(key);
      return { runs: [], reports: [] };
    }
    if (
      workspace.triggerPrefixes.length > 0 &&
      !concerns(await repository.changedIn(number), workspace.triggerPrefixes)
    ) {
      skipped.add(key);
      return { runs: [], reports: [] };
    }
    const verdict = await judge(watched, octokit, pull);
    if (typeof verdict === 'object') {
      const at = clock.now();
      const reports = await tenant(workspace, (tx) =>
        tellWaiting(tx, workspace.id, { number, sha: head.sha, at }, verdict.waits),
      );
      return { runs: [], reports };
    }
    const wish = { number, title, sha: head.sha, branch: head.ref, baseSha, trusted: verdict === 'trusted' };
    return tenant(workspace, async (tx) => {
      const now = await holdWorkspace(tx, workspace.id);
      if (now === undefined || now.vcsConnectionId !== workspace.vcsConnectionId) return { runs: [], reports: [] };
      return { runs: await queueSpeculative(tx, now, wish), reports: [] };
    });
  }

  async function branch(
    look: { watched: WatchedRepository; octokit: ForgeOctokit; repository: ForgeRepository },
    name: string,
    workspaces: readonly WorkspaceRow[],
  ): Promise<{
    found: Found;
    seen: { sha: string; etag: string | null; pulls: SeenPulls | undefined };
    skipped: string[];
  }> {
    const { watched, repository } = look;
    const before = watched.seen.branches?.[name];
    const tip = await repository.branch(name, before?.etag);
    const sha = tip.changed ? tip.value : (before?.sha ?? '');
    const found: Found = { runs: [], reports: [] };
    for (const workspace of workspaces) found.runs.push(...(await push(workspace, name, sha, repository)));

    const speculative = workspaces.filter(({ speculativeEnabled }) => speculativeEnabled);
    const skipped = new Set<string>();
    if (speculative.length === 0)
      return {
        found,
        seen: { sha, etag: tip.changed ? tip.etag : (before?.etag ?? null), pulls: undefined },
        skipped: [],
      };
    const pulls = await repository.openPulls(name, before?.pulls?.etag);
    if (pulls.changed) {
      const open = pulls.value.map(({ number }) => number);
      for (const workspace of speculative) {
        for (const pull of pulls.value) {
          const { runs, reports } = await pullRequest(look, workspace, pull, sha, skipped);
          found.runs.push(...runs);
          found.reports.push(...reports);
        }
        found.runs.push(...(await tenant(workspace, (tx) => giveUpClosed(tx, workspace.id, open))));
      }
    } else for (const key of watched.seen.skipped ?? []) skipped.add(key);
    return {
      found,
      seen: {
        sha,
        etag: tip.changed ? tip.etag : (before?.etag ?? null),
        pulls: { etag: pulls.changed ? pulls.etag : (before?.pulls?.etag ?? null) },
      },
      skipped: [...skipped],
    };
  }

  async function tell({ runs, reports }: Found): Promise<void> {
    await Promise.all([
      ...runs.map((one) => pokes.run.poke(one, { version: one.version })),
      ...reports.map((one) => pokes.report.poke(one, { version: one.version })),
    ]);
  }

  async function look(row: WatchedRepository, workspaces: readonly WorkspaceRow[], signal: AbortSignal): Promise<void> {
    const octokit = await o.octokitOf(row.organizationId, row.connectionId);
    const asked = createForgeRepository(octokit, row.remotePath ?? row.path, signal);
    const watched = await factsOf(row, asked);
    // Where its name has changed, it is asked by the new one from now on.
    const repository =
      watched.remotePath === asked.path
        ? asked
        : createForgeRepository(octokit, watched.remotePath ?? watched.path, signal);
    await tenant(watched, (tx) => writeWatch(tx, watched, workspaces));
    const branches = new Map<string, WorkspaceRow[]>();
    for (const workspace of workspaces) {
      const name = workspace.vcsBranch ?? watched.defaultBranch ?? '';
      branches.set(name, [...(branches.get(name) ?? []), workspace]);
    }
    const seen: WatchedRepository['seen'] = { branches: {}, skipped: [] };
    const failures: { error: unknown; of: readonly WorkspaceRow[] }[] = [];
    for (const [name, of] of branches) {
      try {
        const one = await branch({ watched, octokit, repository }, name, of);
        await tell(one.found);
        seen.branches = { ...seen.branches, [name]: one.seen };
        seen.skipped = [...(seen.skipped ?? []), ...one.skipped];
        await say(
          watched,
          of.map(({ id }) => id),
          null,
        );
      } catch (error) {
        // One branch that is not there keeps nobody from the others; what concerns all of them does.
        if (!(error instanceof ForgeRefusal)) throw error;
        failures.push({ error, of });
      }
    }
    for (const { error, of } of failures)
      await say(
        watched,
        of.map(({ id }) => id),
        messageOf(error),
      );
    await tenant(watched, (tx) =>
      writeWatch(tx, { ...watched, seen, looks: watched.looks + 1 }, workspaces, clock.now()),
    );
  }

  async function settle(row: UnsettledRow, signal: AbortSignal): Promise<Settlement> {
    const found = await store.tenant(row.organizationId, async (tx) => {
      const watched = await readWatch(tx, row.id);
      return watched && { watched, workspaces: await workspacesOf(tx, watched) };
    });
    // Nobody is linked to it any more; whoever links to it again brings it back.
    if (found === undefined || found.workspaces.length === 0) return 'settled';
    const { watched, workspaces } = found;
    const everyone = workspaces.map(({ id }) => id);
    const status = workspaces[0]?.connectionStatus ?? null;
    if (status === null || USELESS.has(status)) {
      const why =
        status === null
          ? 'The VCS connection of this workspace is gone. Link another one; until then nothing is run.'
          : `The VCS connection of this workspace is ${status}, so nothing is run. ${adviceFor(status)}`;
      await say(watched, everyone, why);
      return { retryInMs: o.intervalMs };
    }
    try {
      await look(watched, workspaces, signal);
      return { retryInMs: o.intervalMs };
    } catch (error) {
      if (signal.aborted) throw error;
      const text = redactText(messageOf(error));
      await say(watched, everyone, text);
      log.warn(
        { repository: watched.path, host: watched.host, error: text },
        'repository not looked at; tried again later',
      );
      const isAnswer = error instanceof ForgeRefusal || (error instanceof ForgewayError && error.retry === 'never');
      // What is not there may be made any time, and its name may have changed.
      if (isAnswer)
        await store.tenant(row.organizationId, (tx) =>
          tx.query("UPDATE repository_watch SET seen = '{}' WHERE id = $1", [row.id]),
        );
      const delay = retryDelay(BACKOFF, row.attempts + 1);
      return {
        retryInMs: isAnswer ? o.intervalMs : Math.min(delay, Math.max(o.intervalMs, BACKOFF.baseMs)),
        error: text,
      };
    }
  }

  return createReconciler({
    ...o,
    clock,
    queue: pokes.watch,
    table: { name: 'repository_watch', key: 'id', errorColumn: 'error' },
    settle,
  });
}

function splitPath(path: string): [string, string] {
  const parts = path.split('/');
  return [parts.slice(0, -1).join('~'), parts.at(-1) ?? ''];
}
