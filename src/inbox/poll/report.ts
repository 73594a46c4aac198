/**
 * Compares what was read of an object with what apps were told of it, and puts the difference into the inbox as events. One
 * transaction, under the lock that the assigner takes too: see docs/adr/0014.
 */
import { createHash } from 'node:crypto';
import type { PoolClient } from 'pg';
import type { JsonObject } from '../../forges/forge.js';
import { ghost } from '../../forges/kit/shapes/account.js';
import { POLLED } from '../../lib/delivery-source.js';
import { upsertIssues } from '../../store/mirror/issue.js';
import { upsertPullRequests } from '../../store/mirror/pull-request.js';
import { issue as issueShape, pullRequest as pullShape, readShape } from '../../store/mirror/shape.js';
import { type ToldRow, toldBefore, toldRow, writeTold } from '../../store/told/rows.js';
import { assumedBefore, READ, readVersion, stateOf } from '../../store/told/state.js';
import { laneOf, shardOf } from '../lane.js';
import { insertSynthesised } from '../synthesised.js';
import {
  alsoCovered,
  changedFindings,
  commentFindings,
  type Finding,
  type KnownComment,
  openedFindings,
  reviewFindings,
} from './difference.js';
import { signed } from './doers.js';
import { partsOf } from './pieces.js';
import type { Visit, Watched } from './ports.js';
import type { ObjectRead } from './read-object.js';
import { ORDER_LOCK, type ReportPlace, writeReports } from './reports.js';

/** `settled`: what was read can be carried by no other change. */
export type Reported = { kind: 'busy' } | { kind: 'done'; settled: boolean; events: readonly Finding[] };

export const reportPlace = ({ organizationId, forge, host, remoteId }: Watched, number: number): ReportPlace => ({
  organizationId,
  forge,
  host,
  repositoryId: remoteId,
  number,
});

export const originOf = ({ organizationId, forge, host, instanceUrl }: Watched) => ({
  organizationId,
  forge,
  host,
  instanceUrl,
});
export const identityOf = ({ id, remoteId, owner, name }: Watched) => ({ id, remoteId, owner, name });

/** Whether an event of this lane has still to be written down, or is paused; if so, what apps were told is not known yet. */
export async function isBusy(
  tx: PoolClient,
  { watched, recorder }: Pick<Visit, 'watched' | 'recorder'>,
  number: number | undefined,
): Promise<boolean> {
  const lane = laneOf(watched, {
    kind: 'events',
    events: [],
    repositoryId: watched.remoteId,
    ...(number !== undefined && { number }),
  });
  const { rowCount } = await tx.query({
    name: 'poll_busy',
    text: `SELECT FROM dispatch WHERE shard = $1 AND lane = $2 AND app = $3 AND status = 'pending'
      UNION ALL SELECT FROM dispatch WHERE lane = $2 AND app = $3 AND status = 'parked'
      UNION ALL SELECT FROM dispatch WHERE lane = $2 AND app = $3 AND status = 'paused' LIMIT 1`,
    values: [shardOf(lane), lane, recorder],
  });
  return (rowCount ?? 0) > 0;
}

/** `fresh` ones came after reading began, so that a list without them says nothing. */
async function knownComments(tx: PoolClient, repositoryId: string, number: number, readAt: Date) {
  const { rows } = await tx.query<{
    kind: string;
    remote_id: bigint;
    body: string;
    remote_updated_at: Date;
    deleted: boolean;
    fresh: boolean;
    url: string;
    author_id: bigint | null;
    author_login: string | null;
  }>({
    name: 'poll_known_comments',
    text: `SELECT kind, remote_id, body, remote_updated_at, deleted_at IS NOT NULL AS deleted,
        updated_at > $3 AS fresh, url, author_id, author_login
      FROM comment WHERE repository_id = $1 AND number = $2 AND kind IN ('issue', 'review')`,
    values: [repositoryId, number, readAt],
  });
  const of = (kind: string) =>
    new Map(
      rows
        .filter((row) => row.kind === kind)
        .map((row): [string, KnownComment] => [
          row.remote_id.toString(),
          {
            body: row.body,
            updatedAt: row.remote_updated_at,
            deleted: row.deleted,
            fresh: row.fresh,
            url: row.url,
            author: row.author_id === null ? null : { id: Number(row.author_id), login: row.author_login ?? '' },
          },
        ]),
    );
  return { conversation: of('issue'), lines: of('review') };
}

async function knownReviews(tx: PoolClient, repositoryId: string, number: number): Promise<Map<string, string>> {
  const { rows } = await tx.query<{ remote_id: bigint; state: string }>({
    name: 'poll_known_reviews',
    text: 'SELECT remote_id, state FROM review WHERE repository_id = $1 AND number = $2',
    values: [repositoryId, number],
  });
  return new Map(rows.map((row) => [row.remote_id.toString(), row.state]));
}

/** Puts what was there before us into the mirror. */
async function mirrorSilently(tx: PoolClient, watched: Watched, isPull: boolean, object: JsonObject): Promise<void> {
  const [origin, repository] = [originOf(watched), identityOf(watched)];
  if (isPull) await upsertPullRequests(tx, origin, repository, [readShape(pullShape, object, 'pull request')]);
  else await upsertIssues(tx, origin, repository, [readShape(issueShape, object, 'issue')]);
}

/** What the mirror has of what hangs on an object: what apps were told. */
export interface KnownParts {
  comments: { conversation: ReadonlyMap<string, KnownComment>; lines: ReadonlyMap<string, KnownComment> };
  reviews: ReadonlyMap<string, string>;
}

/** Events of one update, of the object itself first. */
export function findingsOf(
  read: ObjectRead,
  noted: Pick<ToldRow, 'state' | 'versions'> | undefined,
  known: KnownParts,
  o: { watermark: Date; imported: boolean; allComments: boolean },
): Finding[] {
  const { isPull, object, comments, lineComments, reviews } = read;
  const kind = isPull ? 'pull_request' : 'issue';
  const told = noted?.state;
  const pullVersion = String(object.updated_at ?? '');
  const reviewedBy = new Set(
    reviews.map(({ user }) => String(typeof user === 'object' && user !== null ? Reflect.get(user, 'id') : '')),
  );
  const isNew = Date.parse(String(object.created_at ?? '')) >= o.watermark.getTime();
  const before = (told?.unopened ? undefined : told) ?? (isNew ? undefined : assumedBefore(object, o.imported));
  const own =
    before === undefined
      ? openedFindings(kind, object, told, new Set(Object.keys(noted?.versions ?? {})))
      : changedFindings(kind, before, object, reviewedBy);
  const at = { watermark: o.watermark, whole: o.allComments };
  return [
    ...own,
    ...commentFindings('issue_comment', comments, known.comments.conversation, at),
    ...reviewFindings(reviews, known.reviews, { watermark: o.watermark, pullVersion }),
    ...commentFindings('pull_request_review_comment', lineComments, known.comments.lines, at),
  ];
}

/** The part of a payload that every event of this name has. */
function aboutOf({ name }: Finding, read: ObjectRead, conversation: JsonObject): JsonObject {
  if (name === 'issues') return { issue: read.object };
  if (name === 'issue_comment') return { issue: conversation };
  if (name === 'pull_request') return { number: read.number, pull_request: read.object };
  return { pull_request: read.object };
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16);

/** Delivery keys and payloads of findings of one object. */
export function eventsOf(
  { watched, access }: Pick<Visit, 'watched' | 'access'>,
  o: { number: number; report: number; repository: JsonObject; about: (finding: Finding) => JsonObject },
  findings: readonly Finding[],
) {
  const nobody = ghost(access.base);
  const { hookId, forge, host, installationId } = watched;
  return findings.map((finding) => {
    const { name, action, fields, sender, version, detail } = finding;
    const what = action === undefined ? name : `${name}.${action}`;
    return {
      hook: { id: hookId, forge, host },
      key: `${watched.remoteId}:${o.number}:${o.report}:${what}:${digest(`${version}\n${detail}`)}`,
      name,
      payload: {
        ...(action !== undefined && { action }),
        ...o.about(finding),
        ...fields,
        repository: o.repository,
        sender: sender ?? nobody,
        ...(installationId !== null && { installation: { id: Number(installationId) } }),
      },
    };
  });
}

export interface ReportOptions {
  watermark: Date;
  imported: boolean;
  /** By the database's clock, when reading began: what was told since may be newer than what was read. */
  readAt: Date;
  /** The forge's clock when the object was listed. */
  asOf: Date;
  /** See VisitOptions. */
  settleMs: number;
  /** The lists of comments hold all there are. */
  allComments: boolean;
  /** The pull request as an issue, for events of its conversation. */
  conversation: JsonObject;
  /** What happened to the object before says nothing of what is different now. */
  since: Date;
}

export async function reportObject(visit: Visit, read: ObjectRead, o: ReportOptions): Promise<Reported> {
  const { watched, store } = visit;
  const { number, isPull, object } = read;
  const repository = await visit.repository();
  const version = new Date(String(object.updated_at ?? ''));
  return store.tenant(watched.organizationId, async (tx): Promise<Reported> => {
    await tx.query('SELECT pg_advisory_xact_lock($1)', [ORDER_LOCK]);
    if (await isBusy(tx, visit, number)) return { kind: 'busy' };
    const place = { organizationId: watched.organizationId, repositoryId: watched.id, number };
    const told = await toldRow(tx, place);
    if (told?.writtenAt !== undefined && told.writtenAt > o.readAt) return { kind: 'busy' };
    const known = {
      comments: await knownComments(tx, watched.id, number, o.readAt),
      reviews: isPull ? await knownReviews(tx, watched.id, number) : new Map<string, string>(),
    };
    const earlier = told === undefined ? await toldBefore(tx, place, isPull ? 'pull_request' : 'issue') : undefined;
    const noted = earlier === undefined ? told : { state: { ...stateOf(object), state: earlier }, versions: {} };
    const findings = signed(findingsOf(read, noted, known, o), read.happened, o.since);
    const report = (told?.state.reports ?? 0) + (findings.length > 0 ? 1 : 0);
    if (findings.length > 0) {
      const about = (finding: Finding) => aboutOf(finding, read, o.conversation);
      await insertSynthesised(tx, eventsOf(visit, { number, report, repository, about }, findings), POLLED);
      await writeReports(tx, reportPlace(watched, number), [
        ...newestOf(findings),
        ...alsoCovered(findings, object),
        ...partsOf(findings),
      ]);
    } else if (told === undefined) await mirrorSilently(tx, watched, isPull, object);
    const settled = o.asOf.getTime() - version.getTime() >= o.settleMs;
    await writeTold(tx, place, isPull ? 'pull_request' : 'issue', {
      state: { ...stateOf(object), comments: read.count, reports: report },
      // What was told before is in what was read; an older event that is handled later changes nothing of it.
      versions: { [READ]: readVersion(version, settled) },
      seenAt: version,
      settled,
    });
    return { kind: 'done', settled, events: findings };
  });
}

/** One report for each piece. */
export const newestOf = (findings: readonly Finding[]) => [
  ...new Map(
    findings.map(({ piece, version, before }) => [piece, { piece, version, before: before ?? null }]),
  ).values(),
];
