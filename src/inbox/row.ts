import type { JsonObject } from '../forges/forge.js';
import type { RunWrites } from '../lib/delivery-scope.js';
import type { Held } from './holds.js';
import type { Urgency } from './urgent.js';

/** A dispatch row as a worker holds it in memory: everything but the body, which is fetched when its turn comes. */
export interface LaneRow {
  id: bigint;
  deliveryId: bigint;
  lane: string;
  shard: number;
  eventIndex: number;
  eventName: string;
  action: string | null;
  /** What changed, see ForgeEvent; null where the payload says it itself. */
  change: JsonObject | null;
  app: string;
  organizationId: string;
  /** `parked` when it waited out a delay and is due. */
  status: 'pending' | 'parked';
  /** `shadow`: it began under such a hold, and stays so. `rehearsal`: it is no run of its delivery. */
  writes: RunWrites;
  /** A replay, before which what the event is about is read from the forge again. */
  refresh: boolean;
  /** Attempts begun so far. */
  attempts: number;
  /** Those of them that failed because a forge was down, and do not count. */
  uncounted: number;
  createdAt: Date;
  /**
   * Set when an attempt began and its end was never written: the process died, or lost its lease. Positive: others ran
   * at the same time; negative: it ran alone, so it alone can be the cause.
   */
  startedEpoch: bigint | null;
  deliveryKey: string;
  hookId: string;
  /** The connection that the hook belongs to. */
  connectionId: string | null;
  /** The App that the hook belongs to. */
  hookAppId: string | null;
  /** The App's own number of the installation that it names. */
  remoteInstallationId: bigint | null;
  forge: string;
  host: string;
  /** The forge's own id of the repository that it is about. */
  remoteRepositoryId: bigint | null;
  eventType: string;
  /** `webhook`, or who else reported it. */
  source: string;
  /** Of the body; '' when the sender named none. */
  contentType: string;
  receivedAt: Date;
  /** Handed over by the assigner of the same process. */
  body?: Buffer;
  /** What the assigner parsed from it, for the first run of the first app alone: an app may change what it is given. */
  payload?: JsonObject;
  /** Handed over by the assigner: it waits for its turn, and something in it does not; see overtaking.ts. */
  overtakes?: boolean;
  /** It was written as begun under this lease, see {@link Beginnings}. */
  begunIn?: bigint;
  /** A pause covers it, and something in it does not wait for that; see urgent.ts. */
  urgency?: Urgency;
}

/** What of a row says whether it may begin, before it has a number. */
export type PlannedRow = Held & Pick<LaneRow, 'lane' | 'shard'>;

/**
 * Rows that their own process would begin at once if they were there: they are written as begun, which spares each a
 * statement and the wait for it. The statement sees to it that leases and holds are still the ones that were planned with.
 */
export interface Beginnings {
  owner: string;
  holdsVersion: bigint;
  /** For each row the lease under which it is to begin; null: it waits for its turn. */
  epochs: readonly (bigint | null)[];
}

/** Columns of {@link LaneRow} from `dispatch d`, `webhook_delivery w` and `hook k`. */
export const laneRowColumns = `d.id, d.delivery_id, d.lane, d.shard, d.event_index, d.event_name, d.action, d.change, d.app,
  d.organization_id, d.status, d.writes, d.replay_of IS NOT NULL AND NOT d.as_stored AS refresh, d.attempts,
  d.uncounted_attempts, d.created_at, d.started_epoch, w.delivery_key, w.hook_id, k.connection_id, k.app_id, w.forge, w.host,
  w.remote_repository_id, w.remote_installation_id, w.event_type, w.source, w.received_at, w.headers->>'content-type' AS content_type`;

export interface LaneRowRecord {
  id: bigint | string;
  delivery_id: bigint | string;
  lane: string;
  shard: number;
  event_index: number;
  event_name: string;
  action: string | null;
  change: JsonObject | null;
  app: string;
  organization_id: string;
  status: 'pending' | 'parked';
  writes: RunWrites;
  refresh: boolean;
  attempts: number;
  uncounted_attempts: number;
  created_at: Date;
  started_epoch: bigint | string | null;
  delivery_key: string;
  hook_id: string;
  connection_id: string | null;
  forge: string;
  host: string;
  remote_repository_id: bigint | string | null;
  app_id: string | null;
  remote_installation_id: bigint | string | null;
  event_type: string;
  source: string;
  content_type: string | null;
  received_at: Date;
}

export function laneRow(record: LaneRowRecord): LaneRow {
  return {
    id: BigInt(record.id),
    deliveryId: BigInt(record.delivery_id),
    lane: record.lane,
    shard: record.shard,
    eventIndex: record.event_index,
    eventName: record.event_name,
    action: record.action,
    change: record.change,
    app: record.app,
    organizationId: record.organization_id,
    status: record.status,
    writes: record.writes,
    refresh: record.refresh,
    attempts: record.attempts,
    uncounted: record.uncounted_attempts,
    createdAt: record.created_at,
    startedEpoch: record.started_epoch === null ? null : BigInt(record.started_epoch),
    deliveryKey: record.delivery_key,
    hookId: record.hook_id,
    connectionId: record.connection_id,
    hookAppId: record.app_id,
    remoteInstallationId: record.remote_installation_id === null ? null : BigInt(record.remote_installation_id),
    forge: record.forge,
    host: record.host,
    remoteRepositoryId: record.remote_repository_id === null ? null : BigInt(record.remote_repository_id),
    eventType: record.event_type,
    source: record.source,
    contentType: record.content_type ?? '',
    receivedAt: record.received_at,
  };
}
