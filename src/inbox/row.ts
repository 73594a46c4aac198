import type { JsonObject } from '../forges/forge.js';

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
  forge: string;
  host: string;
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
}

/** Columns of {@link LaneRow} from `dispatch d` and `webhook_delivery w`. */
export const laneRowColumns = `d.id, d.delivery_id, d.lane, d.shard, d.event_index, d.event_name, d.action, d.change, d.app,
  d.organization_id, d.status, d.attempts, d.uncounted_attempts, d.created_at, d.started_epoch,
  w.delivery_key, w.hook_id, w.forge, w.host, w.event_type, w.source, w.received_at,
  w.headers->>'content-type' AS content_type`;

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
  attempts: number;
  uncounted_attempts: number;
  created_at: Date;
  started_epoch: bigint | string | null;
  delivery_key: string;
  hook_id: string;
  forge: string;
  host: string;
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
    attempts: record.attempts,
    uncounted: record.uncounted_attempts,
    createdAt: record.created_at,
    startedEpoch: record.started_epoch === null ? null : BigInt(record.started_epoch),
    deliveryKey: record.delivery_key,
    hookId: record.hook_id,
    forge: record.forge,
    host: record.host,
    eventType: record.event_type,
    source: record.source,
    contentType: record.content_type ?? '',
    receivedAt: record.received_at,
  };
}
