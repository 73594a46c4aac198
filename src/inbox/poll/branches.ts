/** Branches that came, moved or went, as the pushes that nobody told of. */
import type { JsonObject } from '../../forges/forge.js';
import { POLLED } from '../../lib/delivery-source.js';
import { type Branches, headOf, pushed } from '../../store/told/refs.js';
import { insertSynthesised } from '../synthesised.js';
import type { Finding } from './difference.js';
import { refPiece } from './pieces.js';
import type { Visit } from './ports.js';
import { statusOf } from './read-object.js';
import { eventsOf, isBusy, newestOf, reportPlace } from './report.js';
import { ORDER_LOCK, writeReports } from './reports.js';

export interface BranchesLooked {
  result: 'changed' | 'unchanged' | 'not_modified';
  etag: string | null;
  events: readonly Finding[];
  /** There is more than is told at a time, or it was not the moment. */
  again: boolean;
}

interface Move {
  branch: string;
  before: string | undefined;
  after: string | undefined;
}

const MOST_MOVES = 50;
const NO_COMMIT = '0'.repeat(40);

/** From what was told to what there is; `whole` lists alone say that a branch is gone. */
export function movesOf(told: Branches, listed: ReadonlyMap<string, string>, whole: boolean): Move[] {
  const heads = [...listed].map(([branch, after]) => ({
    branch,
    before: headOf(Object.hasOwn(told, branch) ? told[branch] : undefined),
    after,
  }));
  const gone = Object.keys(told)
    .filter((branch) => whole && !listed.has(branch))
    .map((branch) => ({ branch, before: headOf(told[branch]), after: undefined }));
  return [...heads, ...gone].filter(({ before, after }) => before !== after);
}

/** Commits of a push in the form of webhooks, from a comparison; none where the forge does not compare. */
async function comparisonOf(
  visit: Visit,
  { before, after }: Move,
): Promise<{ commits: JsonObject[]; forced: boolean }> {
  if (before === undefined || after === undefined) return { commits: [], forced: false };
  const { owner, name: repo } = visit.watched;
  try {
    const compared = (await visit.access.github('GET /repos/{owner}/{repo}/compare/{basehead}', {
      owner,
      repo,
      basehead: `${before}...${after}`,
    })) as { commits?: readonly JsonObject[]; status?: unknown };
    const forced = compared.status === 'diverged' || compared.status === 'behind';
    return { forced, commits: (compared.commits ?? []).map(commitOf) };
  } catch (error) {
    const status = statusOf(error);
    // The commit it began at is gone: it was forced.
    if (status === 404 || status === 422) return { commits: [], forced: true };
    if (status === 501) return { commits: [], forced: false };
    throw error;
  }
}

function commitOf(given: JsonObject): JsonObject {
  const commit = (given.commit ?? {}) as JsonObject;
  const author = (commit.author ?? {}) as JsonObject;
  const committer = (commit.committer ?? author) as JsonObject;
  const tree = (commit.tree ?? {}) as JsonObject;
  return {
    id: given.sha,
    tree_id: tree.sha ?? '',
    distinct: true,
    message: commit.message ?? '',
    timestamp: committer.date ?? author.date ?? null,
    url: given.html_url ?? '',
    author: { name: author.name ?? '', email: author.email ?? null },
    committer: { name: committer.name ?? '', email: committer.email ?? null },
    added: [],
    removed: [],
    modified: [],
  };
}

/** In GitHub's order: what came or went before the push that brought it. */
async function findingsOf(visit: Visit, move: Move, repository: JsonObject): Promise<Finding[]> {
  const ref = `refs/heads/${move.branch}`;
  const [before, after] = [move.before ?? NO_COMMIT, move.after ?? NO_COMMIT];
  const { commits, forced } = await comparisonOf(visit, move);
  const same = { sender: undefined, piece: refPiece(ref), version: after, before, detail: ref };
  const fields = {
    ref,
    before,
    after,
    created: move.before === undefined,
    deleted: move.after === undefined,
    forced,
    base_ref: null,
    compare: `${String(repository.html_url ?? '')}/compare/${before.slice(0, 12)}...${after.slice(0, 12)}`,
    commits,
    head_commit: commits.at(-1) ?? null,
    pusher: { name: 'ghost', email: null },
  };
  const push: Finding = { ...same, name: 'push', fields };
  if (move.before !== undefined && move.after !== undefined) return [push];
  const name = move.before === undefined ? 'create' : 'delete';
  const about = { ref: move.branch, ref_type: 'branch', pusher_type: 'user' };
  const more = name === 'create' ? { master_branch: repository.default_branch ?? '', description: null } : {};
  return [{ ...same, name, fields: { ...about, ...more } }, push];
}

export async function lookAtBranches(visit: Visit): Promise<BranchesLooked> {
  const { watched, store, access } = visit;
  const told = async () =>
    store.tenant(watched.organizationId, async (tx) => {
      const { rows } = await tx.query<{ branches: Branches | null; now: Date }>(
        'SELECT branches, clock_timestamp() AS now FROM sync_cursor WHERE repository_id = $1',
        [watched.id],
      );
      return rows[0];
    });
  const known = await told();
  const readAt = known?.now ?? new Date();
  const list = await access.poll.branches(access.native, watched, { etag: watched.cursor.branchesEtag });
  if (list.kind === 'unchanged')
    return { result: 'not_modified', etag: watched.cursor.branchesEtag, events: [], again: false };
  const heads = new Map(list.items.map(({ name, sha }) => [name, sha]));
  const all = known?.branches ? movesOf(known.branches, heads, list.whole) : [];
  const moves = all.slice(0, MOST_MOVES);
  const repository = moves.length === 0 ? {} : await visit.repository();
  const findings: Finding[] = [];
  for (const move of moves) findings.push(...(await findingsOf(visit, move, repository)));

  return store.tenant(watched.organizationId, async (tx): Promise<BranchesLooked> => {
    await tx.query('SELECT pg_advisory_xact_lock($1)', [ORDER_LOCK]);
    const { rows } = await tx.query<{ branches: Branches | null; pushed_at: Date | null }>(
      'SELECT branches, pushed_at FROM sync_cursor WHERE repository_id = $1 FOR UPDATE',
      [watched.id],
    );
    const [cursor] = rows;
    const isLater = cursor?.pushed_at != null && cursor.pushed_at > readAt;
    if (isLater || (await isBusy(tx, visit, undefined)))
      return { result: 'unchanged', etag: null, events: [], again: true };
    // What was gone the last time already is forgotten.
    const kept = Object.entries(cursor?.branches ?? {}).filter(([name, told]) => heads.has(name) || headOf(told));
    const next: Record<string, readonly string[]> = Object.fromEntries(kept);
    if (cursor?.branches == null) for (const [name, sha] of heads) next[name] = [sha];
    for (const { branch, before, after } of moves)
      next[branch] = pushed(next[branch], before ?? NO_COMMIT, after ?? NO_COMMIT);
    if (findings.length > 0) {
      const about = () => ({});
      // The commits tell one report from another.
      const o = { number: 0, report: watched.cursor.cycles, repository, about };
      await insertSynthesised(tx, eventsOf(visit, o, findings), POLLED);
      await writeReports(tx, reportPlace(watched, 0), newestOf(findings));
    }
    await tx.query('UPDATE sync_cursor SET branches = $2 WHERE repository_id = $1', [watched.id, JSON.stringify(next)]);
    const again = all.length > moves.length;
    const result = findings.length > 0 ? 'changed' : 'unchanged';
    return { result, etag: again ? null : list.etag, events: findings, again };
  });
}
