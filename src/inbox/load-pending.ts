/**
 * Reads pending rows of shards in turn. A shard may hold thousands of one repository, so rows are not simply the oldest but
 * the next ones of each repository, or of each organization. A walk stops at a few of them and goes on there the next time.
 * The index lies in that order, so what is skipped is never walked over.
 */
import type pg from 'pg';
import { type LaneRow, type LaneRowRecord, laneRow, laneRowColumns } from './row.js';

/** One way through a shard. */
export interface Walk {
  shard: number;
  by: 'organization' | 'repository';
  /** Where the last walk ended; {@link START} for the beginning. */
  after: number;
  /** Most rows to read. */
  room: number;
}

export interface Walked {
  /** In order within each lane. */
  rows: LaneRow[];
  /** Where the next walk is to go on. */
  next: number;
  /** It stopped at everyone who has rows. */
  sawAll: boolean;
  /** It read all that there was. */
  everything: boolean;
}

export const START = -1;

/** Stops of one walk. */
const MOST_STOPS = 16;
/** A turn is 15 bits of organization and 16 of repository; with these set, a stop is a whole organization. */
const MASK = { organization: 0xffff, repository: 0 } as const;

interface WalkRecord extends LaneRowRecord {
  walk: number;
  stops: number[] | null;
  stop: number | null;
  place: number | string | null;
}

const TURN = 'dispatch_turn(p.organization_id, p.lane)';

/** Rows that are not in memory (`held`) and not of `fullLanes`; one answer for each walk. */
export async function loadPending(
  pool: pg.Pool,
  walks: readonly Walk[],
  held: readonly bigint[],
  fullLanes: readonly string[],
): Promise<Walked[]> {
  const { rows } = await pool.query<WalkRecord>({
    name: 'lane_load_pending',
    text: `SELECT s.walk::int, t.stops, d.stop, d.place, ${laneRowColumns}
      FROM unnest($1::smallint[], $2::int[], $3::int[], $4::int[]) WITH ORDINALITY AS s(shard, room, after, mask, walk)
      CROSS JOIN LATERAL (
        WITH RECURSIVE stop(turn, number) AS (
          SELECT (SELECT ${TURN} FROM dispatch p WHERE p.shard = s.shard AND p.status = 'pending' AND ${TURN} > s.after
            ORDER BY ${TURN} LIMIT 1), 1
          UNION ALL
          SELECT (SELECT ${TURN} FROM dispatch p WHERE p.shard = s.shard AND p.status = 'pending'
            AND ${TURN} > (stop.turn | s.mask) ORDER BY ${TURN} LIMIT 1), stop.number + 1
          FROM stop WHERE stop.turn IS NOT NULL AND stop.number < $7
        )
        SELECT array_agg(turn ORDER BY number) AS stops FROM stop WHERE turn IS NOT NULL
      ) t
      LEFT JOIN LATERAL (
        SELECT next.*, g.turn AS stop, g.number FROM unnest(t.stops) WITH ORDINALITY AS g(turn, number)
        CROSS JOIN LATERAL (
          SELECT r.*, row_number() OVER () AS place FROM (
            SELECT p.* FROM dispatch p
            WHERE p.shard = s.shard AND p.status = 'pending' AND ${TURN} BETWEEN g.turn AND (g.turn | s.mask)
              AND p.id <> ALL($5::bigint[]) AND p.lane <> ALL($6::text[])
            ORDER BY ${TURN}, p.id LIMIT s.room
          ) r
        ) next
        ORDER BY next.place, g.number LIMIT s.room
      ) d ON true
      LEFT JOIN webhook_delivery w ON w.id = d.delivery_id
      LEFT JOIN hook k ON k.id = w.hook_id
      ORDER BY s.walk, d.place, d.number`,
    values: [
      walks.map(({ shard }) => shard),
      walks.map(({ room }) => room),
      walks.map(({ after }) => after),
      walks.map(({ by }) => MASK[by]),
      held,
      fullLanes,
      MOST_STOPS,
    ],
  });
  const records = walks.map((): WalkRecord[] => []);
  for (const row of rows) records[row.walk - 1]?.push(row);
  return walks.map((walk, at) => walked(walk, records[at] ?? []));
}

function walked({ by, after, room }: Walk, records: readonly WalkRecord[]): Walked {
  const read = records.filter(({ place }) => place !== null);
  const stops = records[0]?.stops ?? [];
  const ended = stops.length < MOST_STOPS;
  const isFull = read.length >= room;
  const last = read.at(-1);
  // With no room for one of each stop it goes on behind the last that was served.
  const servedTo = isFull && last?.stop != null && Number(last.place) === 1 ? last.stop : undefined;
  const lastStop = stops.at(-1);
  const next = servedTo ?? (ended ? undefined : lastStop);
  return {
    rows: read.map(laneRow),
    next: next === undefined || (ended && next === lastStop) ? START : next | MASK[by],
    sawAll: after === START && ended,
    everything: after === START && ended && !isFull,
  };
}
