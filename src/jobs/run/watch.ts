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
import { isMadeByAgent } from '../agent/made-for.js';
import { peopleBehind } from '../behind-head.js';
import type { Pokes } from '../poke.js';
import {
  createReconciler,
  type Reconciler,
  type ReconcilerOptions,
  type Settlement,
  type UnsettledRow,
} from '../reconcile.js';
import type { Wanted } from '../report/desired.js';
import { refusalOf } from '../sync/denied.js';
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
import {
  readWatch,
  type SeenPulls,
  unansweredFor,
  type WatchedRepository,
  workspacesOf,
  writeWatch,
} from './watch-rows.js';

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

/** One after the other that cannot be judged: then it is no matter of one pull request, and the forge is left alone for a while. */
const MOST_TROUBLES = 3;
/** A forge that cannot tell what has changed is believed to be unable to for good after this; then everything has. */
const ANSWERS_WITHIN_MS = 600_000;
/** What a forge says of a person who is not there, or whom it does not show. */
const UNKNOWN_PERSON: ReadonlySet<number> = new Set([404, 410, 422, 451, 501]);

/** What one look has brought: to be told to others once it is written down. */
interface Found {
  runs: WantedRun[];
  reports: Wanted[];
  /** What the forge did not answer about one workspace or one pull request: it is asked again, and the others go on. */
  troubles: Trouble[];
}

interface Trouble {
  workspaceId: string;
  what: string;
  error: unknown;
  /** What becomes of it. */
  next?: string;
}

interface Look {
  watched: WatchedRepository;
  octokit: ForgeOctokit;
  repository: ForgeRepository;
  signal: AbortSignal;
}

const nothing = (): Found => ({ runs: [], reports: [], troubles: [] });
const textOf = ({ what, error, next = 'It is tried again.' }: Trouble): string =>
  `${what}: ${redactText(messageOf(error)).replace(/\.$/, '')}. ${next}`;

/** What was no matter of one workspace or one pull request, in the words of the first of them. */
class LookFailure extends Error {
  override readonly name = 'LookFailure';
  constructor(trouble: Trouble) {
    super(textOf(trouble), { cause: trouble.error });
  }
}

/** The reconciler of the table `repository_watch`. Its rows are never settled: there is always a next look. */
export function createWatchReconciler(o: WatchOptions): Reconciler {
  const { store, pokes, permissions, log, clock = systemClock as Clock } = o;
  const tenant = <T>(row: { organizationId: string }, work: (tx: PoolClient) => Promise<T>) =>
    store.tenant(row.organizationId, work);

  // By these words operators look for it; one line for all repositories, since each is looked at by itself.
  log.info({ everyMs: o.intervalMs }, 'VCS poller started');
  const cycle = { since: clock.now().getTime(), looked: 0, failed: 0, runs: 0 };
  function count(of: { failed: boolean }): void {
    cycle.looked += 1;
    if (of.failed) cycle.failed += 1;
    const now = clock.now().getTime();
    if (now - cycle.since < o.intervalMs) return;
    const { looked, failed, runs } = cycle;
    log.info({ looked, failed, runs, ms: now - cycle.since }, 'VCS poll cycle');
    Object.assign(cycle, { since: now, looked: 0, failed: 0, runs: 0 });
  }

  async function say(
    watched: WatchedRepository,
    workspaceIds: readonly string[],
    error: string | null,
    wasLookedAt = error === null,
  ): Promise<void> {
    await tenant(watched, (tx) =>
      tx.query(
        `UPDATE workspace SET vcs_last_error = $2,
           vcs_last_polled_at = CASE WHEN $3 THEN clock_timestamp() ELSE vcs_last_polled_at END
         WHERE id = ANY ($1)`,
        [workspaceIds, error, wasLookedAt],
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

  /**
   * Whether something of interest to a workspace has changed. Where the forge fails to tell it is asked again, and in the end it
   * has: a plan too many costs a look, one too few is a push that nobody sees applied.
   */
  async function isConcerned(
    { watched, signal }: Pick<Look, 'watched' | 'signal'>,
    question: string,
    prefixes: readonly string[],
    ask: () => Promise<string[] | undefined>,
  ): Promise<boolean> {
    if (prefixes.length === 0) return true;
    try {
      return concerns(await ask(), prefixes);
    } catch (error) {
      if (signal.aborted) throw error;
      const waited = await tenant(watched, (tx) => unansweredFor(tx, watched.id, question, clock.now()));
      if (waited < ANSWERS_WITHIN_MS) throw error;
      const text = redactText(messageOf(error));
      log.warn({ repository: watched.path, question, error: text }, 'what has changed is not told, so all of it has');
      return true;
    }
  }

  async function push(look: Look, workspace: WorkspaceRow, branch: string, sha: string): Promise<WantedRun[]> {
    const { vcsLastCommitSha: last, triggerPrefixes: prefixes } = workspace;
    if (last === sha) return [];
    const isOfInterest =
      last === null ||
      (await isConcerned(look, `${workspace.id} ${last}...${sha}`, prefixes, () =>
        look.repository.changedBetween(last, sha),
      ));
    return tenant(workspace, async (tx) => {
      const now = await holdWorkspace(tx, workspace.id);
      // Somebody was faster, or linked it to something else meanwhile.
      if (now === undefined || now.vcsLastCommitSha !== last || now.vcsConnectionId !== workspace.vcsConnectionId)
        return [];
      if (isOfInterest) return queuePush(tx, now, { sha, branch });
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
    const { user } = pull;
    const { approved, byAgent, behind } = await tenant(watched, async (tx) => {
      const { rows } = await tx.query<{ id: string }>(
        'SELECT id FROM repository WHERE forge = $1 AND host = $2 AND remote_id = $3',
        [watched.forge, watched.host, watched.remoteId],
      );
      const [mirrored] = rows;
      const opener = user == null ? [] : [{ ...user, did: 'opened it' }];
      if (mirrored === undefined) return { approved: false, byAgent: false, behind: opener };
      const place = { repositoryId: mirrored.id, number: pull.number, sha: pull.head.sha };
      return {
        approved: await isApproved(tx, place),
        byAgent: await isMadeByAgent(tx, { ...place, branch: pull.head.ref }),
        behind: user == null ? [] : await peopleBehind(tx, place, user),
      };
    });
    const sha = shortSha(pull.head.sha);
    const wait = (why: string) => ({
      waits: `${why} Someone who may decide that here looks at ${sha} and comments \`/ok-to-test ${sha}\`; that holds for this commit alone.`,
    });
    if (pull.head.repo?.id !== pull.base.repo.id)
      return approved ? 'approved' : wait('This pull request comes from a fork.');
    // We have pushed it, and nobody has looked at it: it is as good as whoever says so.
    if (byAgent) return approved ? 'trusted' : wait('An agent has made this commit.');
    if (user == null) return approved ? 'approved' : wait('The forge does not say whose pull request this is.');
    const [owner = '', name = ''] = splitPath(watched.remotePath ?? watched.path);
    if (behind === undefined) return approved ? 'approved' : wait(`Nobody knows who pushed ${sha}.`);
    for (const { did, ...one } of behind) {
      const answer = await permissions.levelOf({
        repository: { forge: watched.forge, host: watched.host, remoteId: pull.base.repo.id, owner, name },
        user: one,
        octokit,
      });
      if (answer.level !== undefined && permissionAtLeast(answer.level, 'write')) continue;
      if (
        answer.level === undefined &&
        answer.because === 'error' &&
        !UNKNOWN_PERSON.has(refusalOf(answer.error)?.status ?? 0)
      )
        throw answer.error;
      return approved ? 'approved' : wait(`${one.login}, who ${did}, may not write to this repository.`);
    }
    return 'trusted';
  }

  async function pullRequest(
    look: Look,
    workspace: WorkspaceRow,
    pull: OpenPull,
    baseSha: string,
    skipped: Set<string>,
  ): Promise<Found> {
    const { watched, octokit, repository, signal } = look;
    const { number, title, head } = pull;
    const key = `${workspace.id} ${number} ${head.sha}`;
    const known = await tenant(workspace, (tx) =>
      tx.query(
        'SELECT FROM run WHERE workspace_id = $1 AND vcs_pull_request_number = $2 AND vcs_commit_sha = $3 LIMIT 1',
        [...[workspace.id, number, head.sha]],
      ),
    );
    if ((known.rowCount ?? 0) > 0) return nothing();
    const prefixes = workspace.triggerPrefixes;
    let verdict: Awaited<ReturnType<typeof judge>>;
    try {
      const isSkipped = watched.seen.skipped?.includes(key) ?? false;
      if (isSkipped || !(await isConcerned(look, key, prefixes, () => repository.changedIn(number)))) {
        skipped.add(key);
        return nothing();
      }
      verdict = await judge(watched, octokit, pull);
    } catch (error) {
      if (signal.aborted) throw error;
      const what = `Pull request #${number} could not be looked at`;
      return { ...nothing(), troubles: [{ workspaceId: workspace.id, what, error }] };
    }
    if (typeof verdict === 'object') {
      const at = clock.now();
      const reports = await tenant(workspace, (tx) =>
        tellWaiting(tx, workspace.id, { number, sha: head.sha, at }, verdict.waits),
      );
      return { ...nothing(), reports };
    }
    const wish = { number, title, sha: head.sha, branch: head.ref, baseSha, trusted: verdict === 'trusted' };
    return tenant(workspace, async (tx) => {
      const now = await holdWorkspace(tx, workspace.id);
      if (now === undefined || now.vcsConnectionId !== workspace.vcsConnectionId) return nothing();
      return { ...nothing(), runs: await queueSpeculative(tx, now, wish) };
    });
  }

  /** The open pull requests against a branch, for each workspace; adds to what was found. Answers what is kept of the answer. */
  async function pullRequests(
    look: Look,
    of: { name: string; sha: string; workspaces: readonly WorkspaceRow[] },
    found: Found,
    skipped: Set<string>,
  ): Promise<SeenPulls> {
    const { watched, repository } = look;
    const before = watched.seen.branches?.[of.name]?.pulls?.etag ?? null;
    const pulls = await repository.openPulls(of.name, before);
    if (!pulls.changed) {
      for (const key of watched.seen.skipped ?? []) skipped.add(key);
      return { etag: before };
    }
    const { list, isWhole } = pulls.value;
    const open = list.map(({ number }) => number);
    let inARow = 0;
    for (const workspace of of.workspaces) {
      for (const pull of list) {
        const one = await pullRequest(look, workspace, pull, of.sha, skipped);
        found.runs.push(...one.runs);
        found.reports.push(...one.reports);
        found.troubles.push(...one.troubles);
        inARow = one.troubles.length === 0 ? 0 : inARow + 1;
        const [trouble] = one.troubles;
        if (trouble !== undefined && inARow >= MOST_TROUBLES) throw new LookFailure(trouble);
      }
      // One that is behind those that were listed may well be open.
      if (isWhole) found.runs.push(...(await tenant(workspace, (tx) => giveUpClosed(tx, workspace.id, open))));
    }
    return { etag: found.troubles.length === 0 ? pulls.etag : null };
  }

  async function branch(
    look: Look,
    name: string,
    workspaces: readonly WorkspaceRow[],
  ): Promise<{
    found: Found;
    seen: { sha: string; etag: string | null; pulls: SeenPulls | undefined };
    skipped: string[];
  }> {
    const { watched, repository, signal } = look;
    const before = watched.seen.branches?.[name];
    const tip = await repository.branch(name, before?.etag);
    const sha = tip.changed ? tip.value : (before?.sha ?? '');
    const found = nothing();
    for (const workspace of workspaces)
      try {
        found.runs.push(...(await push(look, workspace, name, sha)));
      } catch (error) {
        if (signal.aborted) throw error;
        found.troubles.push({
          workspaceId: workspace.id,
          what: `The push of ${shortSha(sha)} could not be looked at`,
          next: 'It is tried again, and after ten minutes it is run all the same.',
          error,
        });
      }
    // The branch was answered for all of them, so what concerns all is no matter of one.
    const [first] = found.troubles;
    if (first !== undefined && found.troubles.length === workspaces.length) throw new LookFailure(first);

    const speculative = workspaces.filter(({ speculativeEnabled }) => speculativeEnabled);
    const skipped = new Set<string>();
    const pulls =
      speculative.length === 0
        ? undefined
        : await pullRequests(look, { name, sha, workspaces: speculative }, found, skipped);
    return {
      found,
      seen: { sha, etag: tip.changed ? tip.etag : (before?.etag ?? null), pulls },
      skipped: [...skipped],
    };
  }

  async function tell({ runs, reports }: Pick<Found, 'runs' | 'reports'>): Promise<void> {
    cycle.runs += runs.length;
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
        const one = await branch({ watched, octokit, repository, signal }, name, of);
        await tell(one.found);
        seen.branches = { ...seen.branches, [name]: one.seen };
        seen.skipped = [...(seen.skipped ?? []), ...one.skipped];
        for (const trouble of one.found.troubles)
          log.warn(
            { repository: watched.path, workspace: trouble.workspaceId, error: textOf(trouble) },
            'not looked at',
          );
        for (const [trouble, ids] of troublesOf(one.found, of))
          await say(watched, ids, trouble === undefined ? null : textOf(trouble), true);
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
      count({ failed: false });
      return { retryInMs: o.intervalMs };
    } catch (error) {
      if (signal.aborted) throw error;
      count({ failed: true });
      const text = redactText(messageOf(error));
      await say(watched, everyone, text);
      log.warn(
        { repository: watched.path, host: watched.host, error: text },
        'repository not looked at; tried again later',
      );
      const of = error instanceof LookFailure ? error.cause : error;
      const isAnswer = of instanceof ForgeRefusal || (of instanceof ForgewayError && of.retry === 'never');
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

/** By what is said of them: the first trouble of each workspace, and those that have none together. */
function troublesOf({ troubles }: Found, workspaces: readonly WorkspaceRow[]): Map<Trouble | undefined, string[]> {
  const found = new Map<Trouble | undefined, string[]>();
  for (const { id } of workspaces) {
    const first = troubles.find(({ workspaceId }) => workspaceId === id);
    found.set(first, [...(found.get(first) ?? []), id]);
  }
  return found;
}

function splitPath(path: string): [string, string] {
  const parts = path.split('/');
  return [parts.slice(0, -1).join('~'), parts.at(-1) ?? ''];
}
