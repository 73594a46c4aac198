/** Branches and tags that came, moved or went, as the pushes that nobody told of. */
import type { PoolClient } from 'pg';
import { z } from 'zod';
import type { JsonObject } from '../../forges/forge.js';
import { POLLED } from '../../lib/delivery-source.js';
import {
  type Branches,
  began,
  hasBegun,
  headOf,
  pushed,
  type RefHistory,
  untoldBeginning,
} from '../../store/told/refs.js';
import { insertSynthesised } from '../synthesised.js';
import type { Finding } from './difference.js';
import { refPiece } from './pieces.js';
import type { Visit } from './ports.js';
import { isMissing, statusOf } from './read-object.js';
import { eventsOf, isBusy, newestOf, reportPlace } from './report.js';
import { ORDER_LOCK, writeReports } from './reports.js';

export interface RefsLooked {
  result: 'changed' | 'unchanged' | 'not_modified';
  etag: string | null;
  events: readonly Finding[];
}

/** `column` of `sync_cursor` has what was told of them. */
const KINDS = {
  branch: { column: 'branches', prefix: 'refs/heads/' },
  tag: { column: 'tags', prefix: 'refs/tags/' },
} as const;
type Kind = keyof typeof KINDS;

interface Heads {
  heads: ReadonlyMap<string, string>;
  /** Those that are a tag's own object, and no commit. */
  annotated?: ReadonlySet<string>;
  whole: boolean;
  etag: string | null;
}

interface Move {
  name: string;
  before: string | undefined;
  after: string | undefined;
  /** Apps were told that it came, by the other of the two webhooks of that. */
  isBegun?: boolean;
}

/** One whose beginning no app was told of, though of a push to it. */
interface Beginning {
  name: string;
  /** The first commit that apps were told of. */
  at: string;
}

const MOST_MOVES = 50;
const NO_COMMIT = '0'.repeat(40);

/** From what was told to what there is; `whole` lists alone say that a branch is gone. */
export function movesOf(told: Branches, listed: ReadonlyMap<string, string>, whole: boolean): Move[] {
  const heads = [...listed].map(([name, after]) => {
    const history = Object.hasOwn(told, name) ? told[name] : undefined;
    return { name, before: headOf(history), after, ...(hasBegun(history) && { isBegun: true }) };
  });
  const gone = Object.keys(told)
    .filter((name) => whole && !listed.has(name))
    .map((name) => ({ name, before: headOf(told[name]), after: undefined }));
  return [...heads, ...gone].filter(({ before, after }) => before !== after);
}

/** Of those that are there. A list that is not whole may have left out a branch that was there for long. */
export function beginningsOf(told: Branches, listed: ReadonlyMap<string, string>, whole: boolean): Beginning[] {
  if (!whole) return [];
  return [...listed.keys()].flatMap((name) => {
    const at = untoldBeginning(Object.hasOwn(told, name) ? told[name] : undefined);
    return at === undefined ? [] : [{ name, at }];
  });
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

function cameOrWent(
  kind: Kind,
  name: string,
  o: { came: boolean; at: string; before: string },
  repository: JsonObject,
) {
  const ref = `${KINDS[kind].prefix}${name}`;
  const about = { ref: name, ref_type: kind, pusher_type: 'user' };
  const more = o.came ? { master_branch: repository.default_branch ?? '', description: null } : {};
  return {
    name: o.came ? 'create' : 'delete',
    sender: undefined,
    piece: refPiece(ref),
    version: o.at,
    before: o.before,
    detail: ref,
    fields: { ...about, ...more },
  };
}

/** In GitHub's order: what came or went before the push that brought it. */
async function findingsOf(visit: Visit, kind: Kind, move: Move, repository: JsonObject): Promise<Finding[]> {
  const ref = `${KINDS[kind].prefix}${move.name}`;
  const [before, after] = [move.before ?? NO_COMMIT, move.after ?? NO_COMMIT];
  // A tag that moves was forced, and what lies between is told by no push of one.
  const { commits, forced } = kind === 'branch' ? await comparisonOf(visit, move) : { commits: [], forced: true };
  const same = { sender: undefined, piece: refPiece(ref), version: after, before, detail: ref };
  const fields = {
    ref,
    before,
    after,
    created: move.before === undefined,
    deleted: move.after === undefined,
    forced: forced && move.before !== undefined && move.after !== undefined,
    base_ref: null,
    compare: `${String(repository.html_url ?? '')}/compare/${before.slice(0, 12)}...${after.slice(0, 12)}`,
    commits,
    head_commit: commits.at(-1) ?? null,
    pusher: { name: 'ghost', email: null },
  };
  const push: Finding = { ...same, name: 'push', fields };
  if ((move.before !== undefined && move.after !== undefined) || move.isBegun) return [push];
  return [cameOrWent(kind, move.name, { came: move.before === undefined, at: after, before }, repository), push];
}

async function listBranches({ watched, access }: Visit): Promise<Heads | 'unchanged'> {
  const list = await access.poll.branches(access.native, watched, { etag: watched.cursor.branchesEtag });
  if (list.kind === 'unchanged') return 'unchanged';
  return { heads: new Map(list.items.map(({ name, sha }) => [name, sha])), whole: list.whole, etag: list.etag };
}

const PAGE = 100;
const MOST_PAGES = 50;

/**
 * Tags by what their refs point to, as pushes tell it: for an annotated one that is no commit, and only GitHub's list of refs has it.
 * There is no ETag, since our own routes answer for some forges.
 */
async function listTags({ watched, access }: Visit): Promise<Heads> {
  const heads = new Map<string, string>();
  const annotated = new Set<string>();
  for (let page = 1; page <= MOST_PAGES; page += 1) {
    let found: unknown;
    try {
      const at = { owner: watched.owner, repo: watched.name, ref: 'tags', per_page: PAGE, page };
      found = await access.github('GET /repos/{owner}/{repo}/git/matching-refs/{ref}', at);
    } catch (error) {
      if (page === 1 && isMissing(error)) return { heads, whole: false, etag: null };
      throw error;
    }
    const { prefix } = KINDS.tag;
    const known = heads.size;
    const listed = z.array(listedRef).parse(found ?? []);
    for (const { ref, object } of listed) {
      if (!ref.startsWith(prefix)) continue;
      const name = ref.slice(prefix.length);
      heads.set(name, object.sha);
      if (object.type === 'tag') annotated.add(name);
    }
    // A server that knows no pages sends everything each time.
    if (listed.length !== PAGE || heads.size === known) return { heads, annotated, whole: true, etag: null };
  }
  return { heads, annotated, whole: false, etag: null };
}
const listedRef = z.object({ ref: z.string(), object: z.object({ sha: z.string(), type: z.string().nullish() }) });

/** Some forges tell of an annotated tag by its commit, and list it by its own object: that is no move. */
async function isSameTag({ access, watched }: Visit, { before, after }: Move): Promise<boolean> {
  if (before === undefined || after === undefined) return false;
  try {
    const at = { owner: watched.owner, repo: watched.name, tag_sha: after };
    const { object } = tagObject.parse(await access.github('GET /repos/{owner}/{repo}/git/tags/{tag_sha}', at));
    return object.sha === before;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
const tagObject = z.object({ object: z.object({ sha: z.string() }) });

/** Whether an app was told of something of the repository after it was read, or is about to be. */
export async function wasToldSince(tx: PoolClient, visit: Visit, readAt: Date | undefined): Promise<boolean> {
  const { rows } = await tx.query<{ pushed_at: Date | null }>(
    'SELECT pushed_at FROM sync_cursor WHERE repository_id = $1 FOR UPDATE',
    [visit.watched.id],
  );
  const at = rows[0]?.pushed_at;
  if (at != null && readAt !== undefined && at > readAt) return true;
  return isBusy(tx, visit, undefined);
}

export const lookAtBranches = (visit: Visit): Promise<RefsLooked> => lookAtRefs(visit, 'branch', listBranches);
export const lookAtTags = (visit: Visit): Promise<RefsLooked> => lookAtRefs(visit, 'tag', listTags);

async function lookAtRefs(
  visit: Visit,
  kind: Kind,
  list: (visit: Visit) => Promise<Heads | 'unchanged'>,
): Promise<RefsLooked> {
  const { watched, store } = visit;
  const { column } = KINDS[kind];
  const known = await store.tenant(watched.organizationId, async (tx) => {
    const { rows } = await tx.query<{ told: Branches | null; now: Date }>(
      `SELECT ${column} AS told, clock_timestamp() AS now FROM sync_cursor WHERE repository_id = $1`,
      [watched.id],
    );
    return rows[0];
  });
  const found = await list(visit);
  if (found === 'unchanged') return { result: 'not_modified', etag: watched.cursor.branchesEtag, events: [] };
  const { heads, annotated, whole, etag } = found;
  const all = known?.told ? movesOf(known.told, heads, whole) : [];
  const moves = all.slice(0, MOST_MOVES);
  const untold = known?.told ? beginningsOf(known.told, heads, whole) : [];
  // A report has one move of each: what moved as well is looked at the next time.
  const isMoving = new Set(moves.map(({ name }) => name));
  const beginnings = untold.filter(({ name }) => !isMoving.has(name)).slice(0, MOST_MOVES);
  const repository = moves.length + beginnings.length === 0 ? {} : await visit.repository();
  const findings: Finding[] = beginnings.map(({ name, at }) =>
    cameOrWent(kind, name, { came: true, at, before: NO_COMMIT }, repository),
  );
  for (const move of moves)
    if (!annotated?.has(move.name) || !(await isSameTag(visit, move)))
      findings.push(...(await findingsOf(visit, kind, move, repository)));

  return store.tenant(watched.organizationId, async (tx): Promise<RefsLooked> => {
    await tx.query('SELECT pg_advisory_xact_lock($1)', [ORDER_LOCK]);
    if (await wasToldSince(tx, visit, known?.now)) return { result: 'unchanged', etag: null, events: [] };
    // What was gone the last time already is forgotten.
    const kept = Object.entries(known?.told ?? {}).filter(([name, told]) => !whole || heads.has(name) || headOf(told));
    // No object: a branch may be called `constructor`.
    const next = new Map<string, RefHistory>(kept);
    if (!known?.told) for (const [name, sha] of heads) next.set(name, [sha]);
    for (const { name } of beginnings) next.set(name, began(next.get(name)));
    for (const { name, before, after } of moves) {
      const history = before === undefined ? began(next.get(name)) : next.get(name);
      next.set(name, pushed(history, before ?? NO_COMMIT, after ?? NO_COMMIT));
    }
    if (findings.length > 0) {
      const about = () => ({});
      // The commits tell one report from another.
      const o = { number: 0, report: watched.cursor.cycles, repository, about };
      await insertSynthesised(tx, eventsOf(visit, o, findings), POLLED);
      await writeReports(tx, reportPlace(watched, 0), newestOf(findings));
    }
    await tx.query(`UPDATE sync_cursor SET ${column} = $2 WHERE repository_id = $1`, [
      watched.id,
      JSON.stringify(Object.fromEntries(next)),
    ]);
    const result = findings.length > 0 ? 'changed' : 'unchanged';
    // What is left is found the next time, which it must not be spared by a 304.
    const isLeft = all.length + untold.length > moves.length + beginnings.length;
    return { result, etag: isLeft ? null : etag, events: findings };
  });
}
