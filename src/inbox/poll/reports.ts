/** Rows of what the poller reported. The assigner holds every webhook against them. */
import type pg from 'pg';
import { ADVISORY_LOCKS } from '../advisory-locks.js';
import { isRef, OVER, type Passed, type RefMove, type Report, reportedMoves } from './pieces.js';

export interface ReportPlace {
  organizationId: string;
  forge: string;
  host: string;
  /** The forge's number. */
  repositoryId: bigint;
  /** 0 for what is the repository's. */
  number: number;
}

/**
 * Whoever decides what is reported holds it until that is committed: the poller while it compares and reports, the assigner
 * while it takes deliveries in. So a webhook is either there when the poller looks, or finds its report.
 */
export const ORDER_LOCK = ADVISORY_LOCKS.order;

type Queryable = Pick<pg.PoolClient, 'query'>;

const keyOf = ({ organizationId, forge, host, repositoryId, number }: ReportPlace): string =>
  `${organizationId}\n${forge}\n${host}\n${repositoryId}\n${number}`;

export interface Reports {
  of(place: ReportPlace): ReadonlyMap<string, Report>;
}

const NONE: ReadonlyMap<string, Report> = new Map();

/** What was reported of these objects. */
export async function readReports(client: Queryable, places: readonly ReportPlace[]): Promise<Reports> {
  const found = new Map<string, Map<string, Report>>();
  if (places.length > 0) {
    const { rows } = await client.query<{
      organization_id: string;
      forge: string;
      host: string;
      remote_repository_id: bigint;
      number: number;
      piece: string;
      version: string;
      before: string | null;
      earlier: RefMove[];
    }>({
      name: 'inbox_poll_reports',
      text: `SELECT r.organization_id, r.forge, r.host, r.remote_repository_id, r.number, r.piece, r.version, r.before,
          r.earlier
        FROM (SELECT DISTINCT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::int[])
          AS k(organization_id, forge, host, remote_repository_id, number)) k
        JOIN poll_report r USING (organization_id, forge, host, remote_repository_id, number)`,
      values: [
        places.map((one) => one.organizationId),
        places.map((one) => one.forge),
        places.map((one) => one.host),
        places.map((one) => one.repositoryId),
        places.map((one) => one.number),
      ],
    });
    for (const row of rows) {
      const key = keyOf({
        organizationId: row.organization_id,
        forge: row.forge,
        host: row.host,
        repositoryId: row.remote_repository_id,
        number: row.number,
      });
      const pieces = found.get(key) ?? new Map<string, Report>();
      const { piece, version, before, earlier } = row;
      found.set(key, pieces.set(piece, { piece, version, before, earlier }));
    }
  }
  return { of: (place) => found.get(keyOf(place)) ?? NONE };
}

/** Under {@link ORDER_LOCK}: what is replaced is read before. */
export async function writeReports(client: Queryable, place: ReportPlace, reports: readonly Report[]): Promise<void> {
  if (reports.length === 0) return;
  const known = reports.some(({ piece }) => isRef(piece)) ? (await readReports(client, [place])).of(place) : NONE;
  const movesBefore = ({ piece }: Report) => {
    const replaced = isRef(piece) ? known.get(piece) : undefined;
    return JSON.stringify(replaced ? reportedMoves(replaced) : []);
  };
  const { organizationId, forge, host, repositoryId, number } = place;
  await client.query({
    name: 'poll_write_reports',
    text: `INSERT INTO poll_report (organization_id, forge, host, remote_repository_id, number, piece, version, before,
        earlier)
      SELECT $1, $2, $3, $4, $5, piece, version, before, earlier
      FROM unnest($6::text[], $7::text[], $8::text[], $9::jsonb[]) AS n(piece, version, before, earlier)
      ON CONFLICT (organization_id, forge, host, remote_repository_id, number, piece) DO UPDATE SET
        version = excluded.version, before = excluded.before, earlier = excluded.earlier, created_at = now()`,
    values: [
      organizationId,
      forge,
      host,
      repositoryId,
      number,
      reports.map((report) => report.piece),
      reports.map((report) => report.version),
      reports.map((report) => report.before),
      reports.map(movesBefore),
    ],
  });
}

/** Webhooks told of later changes than what was reported. */
export async function passReports(
  client: Queryable,
  passed: readonly (Passed & { place: ReportPlace })[],
): Promise<void> {
  const one = `organization_id = $1 AND forge = $2 AND host = $3 AND remote_repository_id = $4 AND number = $5 AND piece = $6`;
  for (const { place, piece, since, moves } of passed) {
    const key = [place.organizationId, place.forge, place.host, place.repositoryId, place.number, piece];
    if (moves !== undefined)
      await client.query(`UPDATE poll_report SET version = $7, before = NULL, earlier = $8 WHERE ${one}`, [
        ...key,
        OVER,
        JSON.stringify(moves),
      ]);
    else if (since === undefined) await client.query(`DELETE FROM poll_report WHERE ${one}`, key);
    else await client.query(`UPDATE poll_report SET before = $7 WHERE ${one} AND before IS NULL`, [...key, since]);
  }
}
