/** One batch of the assigner: what each received delivery becomes. */
import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { ForgeEvent, JsonObject } from '../forges/forge.js';
import type { Metrics } from '../lib/metrics.js';
import { tokensHidden } from '../lib/redact.js';
import type { Dispatcher } from './dispatch.js';
import { laneOf, shardOf } from './lane.js';
import { findOwners, type Owner, type Subject } from './ownership.js';
import { isCovered, passingPiece } from './poll/pieces.js';
import { forgetRefReports, type ReportPlace, readReports } from './poll/reports.js';
import { isNumber, type Received } from './received.js';
import type { LaneRow } from './row.js';
import { keepSnapshots } from './snapshots.js';

interface Wanted {
  delivery: Received;
  eventIndex: number;
  eventName: string;
  action: string | null;
  change: JsonObject | null;
  app: string;
  organizationId: string;
  connectionId: string | null;
  hookAppId: string | null;
  remoteInstallationId: bigint | null;
  remoteRepositoryId: bigint | null;
  lane: string;
}

interface Verdict {
  delivery: Received;
  status: 'assigned' | 'ignored';
  reason: string | null;
  action: string | null;
  organizationId: string | null;
  remoteInstallationId: bigint | null;
  remoteRepositoryId: bigint | null;
}

const LONGEST_SEMANTIC_KEY = 500;

/** What makes a dispatch row the one it is, as its unique index says it. */
export const DISPATCH_IDENTITY = `(delivery_id, event_index, app,
  (CASE WHEN writes = 'rehearsal' THEN - id ELSE coalesce(replay_of, 0) END))`;

function semanticKey({ delivery, events }: Subject): string | undefined {
  if (events.semanticKey === undefined) return undefined;
  const key = `${delivery.forge}:${delivery.host}:${events.repositoryId ?? ''}:${events.semanticKey}`;
  return key.length <= LONGEST_SEMANTIC_KEY ? key : `sha256:${createHash('sha256').update(key).digest('hex')}`;
}

/**
 * Which subjects were reported by another source before. Within one source every delivery counts, since three labels
 * in one second look alike (decision 12).
 */
async function findRepeated(client: pg.PoolClient, subjects: readonly Subject[]): Promise<Set<Subject>> {
  const keyed = subjects.flatMap((subject) => {
    const key = semanticKey(subject);
    return key === undefined ? [] : [{ subject, key }];
  });
  if (keyed.length === 0) return new Set();
  await client.query({
    name: 'inbox_claim_events',
    text: `INSERT INTO event_claim (semantic_key, hook_id, source, delivery_id)
      SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) ON CONFLICT DO NOTHING`,
    values: [
      keyed.map(({ key }) => key),
      keyed.map(({ subject }) => subject.delivery.hookId),
      keyed.map(({ subject }) => subject.delivery.source),
      keyed.map(({ subject }) => subject.delivery.id),
    ],
  });
  const { rows } = await client.query<{ semantic_key: string; hook_id: string; source: string }>({
    name: 'inbox_event_claims',
    text: 'SELECT semantic_key, hook_id, source FROM event_claim WHERE semantic_key = ANY($1::text[])',
    values: [keyed.map(({ key }) => key)],
  });
  const claims = new Map(rows.map((row) => [row.semantic_key, row]));
  const repeated = keyed.filter(({ subject, key }) => {
    const claim = claims.get(key);
    return claim && (claim.hook_id !== subject.delivery.hookId || claim.source !== subject.delivery.source);
  });
  return new Set(repeated.map(({ subject }) => subject));
}

/** True of the newest run of one app on one event; a rehearsal is no run. */
const IS_NEWEST = "NOT EXISTS (SELECT FROM dispatch r WHERE r.replay_of = dispatch.id AND r.writes <> 'rehearsal')";

const BEGIN_ANEW = `status = 'pending', writes = 'send', attempts = 0, started_epoch = NULL, next_attempt_at = NULL,
  reason = NULL, error = NULL, finished_at = NULL, uncounted_attempts = 0, created_at = now()`;

/** Adds the dispatch rows; those of a delivery that came again run again only where they were dead and nobody replayed them. */
async function insertDispatches(client: pg.PoolClient, wanted: readonly Wanted[]): Promise<LaneRow[]> {
  if (wanted.length === 0) return [];
  const { rows } = await client.query<{
    id: bigint | string;
    delivery_id: bigint | string;
    event_index: number;
    app: string;
    created_at: Date;
  }>({
    name: 'inbox_insert_dispatches',
    text: `INSERT INTO dispatch (delivery_id, event_index, event_name, action, app, organization_id, lane, shard, change)
      SELECT delivery_id, event_index, event_name, action, app, organization_id, lane, shard, change
      FROM unnest($1::bigint[], $2::int[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::text[], $8::smallint[],
          $9::jsonb[])
        WITH ORDINALITY AS n(delivery_id, event_index, event_name, action, app, organization_id, lane, shard, change, place)
      ORDER BY place
      ON CONFLICT ${DISPATCH_IDENTITY} DO UPDATE SET ${BEGIN_ANEW}
      WHERE dispatch.status = 'dead' AND ${IS_NEWEST}
      RETURNING id, delivery_id, event_index, app, created_at`,
    values: [
      wanted.map((w) => w.delivery.id),
      wanted.map((w) => w.eventIndex),
      wanted.map((w) => w.eventName),
      wanted.map((w) => w.action),
      wanted.map((w) => w.app),
      wanted.map((w) => w.organizationId),
      wanted.map((w) => w.lane),
      wanted.map((w) => shardOf(w.lane)),
      wanted.map((w) => (w.change === null ? null : JSON.stringify(w.change, tokensHidden))),
    ],
  });
  const identity = (delivery: bigint | string, index: number, app: string) => `${delivery}\n${index}\n${app}`;
  const handedOver = new Set<bigint>();
  const byIdentity = new Map(wanted.map((w) => [identity(w.delivery.id, w.eventIndex, w.app), w]));
  return rows.flatMap((row): LaneRow[] => {
    const found = byIdentity.get(identity(row.delivery_id, row.event_index, row.app));
    if (!found) return [];
    const { delivery } = found;
    const payload = handedOver.has(delivery.id) ? undefined : delivery.payload;
    handedOver.add(delivery.id);
    return [
      {
        id: BigInt(row.id),
        deliveryId: delivery.id,
        lane: found.lane,
        shard: shardOf(found.lane),
        eventIndex: found.eventIndex,
        eventName: found.eventName,
        action: found.action,
        change: found.change,
        app: found.app,
        organizationId: found.organizationId,
        status: 'pending',
        writes: 'send',
        refresh: false,
        attempts: 0,
        uncounted: 0,
        createdAt: row.created_at,
        startedEpoch: null,
        deliveryKey: delivery.deliveryKey,
        hookId: delivery.hookId,
        connectionId: found.connectionId,
        hookAppId: found.hookAppId,
        remoteInstallationId: found.remoteInstallationId,
        forge: delivery.forge,
        host: delivery.host,
        remoteRepositoryId: found.remoteRepositoryId,
        eventType: delivery.eventType,
        source: delivery.source,
        contentType: delivery.contentType,
        receivedAt: delivery.receivedAt,
        body: delivery.body,
        ...(payload && { payload }),
      },
    ];
  });
}

async function writeVerdicts(client: pg.PoolClient, verdicts: readonly Verdict[]): Promise<void> {
  await client.query({
    name: 'inbox_write_verdicts',
    text: `UPDATE webhook_delivery w SET
        status = v.status, reason = v.reason, action = v.action, organization_id = v.organization_id,
        body_sha256 = v.body_sha256, remote_repository_id = v.remote_repository_id,
        remote_installation_id = v.remote_installation_id,
        finished_at = CASE WHEN v.status = 'ignored' THEN now() END
      FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::bytea[], $7::bigint[],
          $8::bigint[])
        AS v(id, status, reason, action, organization_id, body_sha256, remote_repository_id, remote_installation_id)
      WHERE w.id = v.id AND w.status = 'received'`,
    values: [
      verdicts.map((v) => v.delivery.id),
      verdicts.map((v) => v.status),
      verdicts.map((v) => v.reason),
      verdicts.map((v) => v.action),
      verdicts.map((v) => v.organizationId),
      verdicts.map((v) => v.delivery.bodySha256),
      verdicts.map((v) => v.remoteRepositoryId),
      verdicts.map((v) => v.remoteInstallationId),
    ],
  });
}

/** Replays that are dead run again where their delivery came again; their lanes find them at their next look. */
async function reviveReplays(client: pg.PoolClient, deliveryIds: readonly bigint[]): Promise<void> {
  if (deliveryIds.length === 0) return;
  await client.query(
    `UPDATE dispatch SET ${BEGIN_ANEW}
     WHERE delivery_id = ANY($1::bigint[]) AND replay_of IS NOT NULL AND status = 'dead' AND writes <> 'rehearsal'
       AND ${IS_NEWEST}`,
    [deliveryIds],
  );
}

/** A delivery that came again although every dispatch of it is over takes their result. */
async function settleFinished(client: pg.PoolClient, deliveryIds: readonly bigint[]): Promise<void> {
  if (deliveryIds.length === 0) return;
  await client.query(
    `UPDATE webhook_delivery w SET status = s.status, finished_at = now()
     FROM (
       SELECT delivery_id, CASE WHEN bool_or(status = 'dead') THEN 'dead'
         WHEN bool_and(status = 'ignored') THEN 'ignored' ELSE 'done' END AS status
       FROM dispatch WHERE delivery_id = ANY($1::bigint[]) AND writes <> 'rehearsal' AND ${IS_NEWEST}
       GROUP BY delivery_id HAVING NOT bool_or(status IN ('pending', 'parked', 'paused'))
     ) s WHERE w.id = s.delivery_id`,
    [deliveryIds],
  );
}

function wantedOf(
  { delivery, events }: Subject,
  owner: Owner,
  dispatcher: Dispatcher,
  covered: ReadonlySet<ForgeEvent>,
): Wanted[] {
  const lane = laneOf(delivery, events);
  return events.events.flatMap((event, eventIndex) =>
    (covered.has(event) ? [] : dispatcher.subscribers(event.name, event.action)).map((app) => ({
      delivery,
      eventIndex,
      eventName: event.name,
      action: event.action ?? null,
      change: event.change ?? null,
      app,
      ...owner,
      ...remoteIdsOf(delivery),
      lane,
    })),
  );
}

/** The forge's own ids of what a delivery is about. */
function remoteIdsOf({ classification }: Received): {
  remoteRepositoryId: bigint | null;
  remoteInstallationId: bigint | null;
} {
  const { repositoryId, installationId } = classification.kind === 'events' ? classification : {};
  return { remoteRepositoryId: repositoryId ?? null, remoteInstallationId: installationId ?? null };
}

interface Owned {
  subject: Subject;
  owner: Owner;
}

/** Events of webhooks that the poller reported before; reports of refs that these webhooks go beyond are forgotten. */
async function findCovered(client: pg.PoolClient, owned: readonly Owned[]): Promise<Set<ForgeEvent>> {
  const late = owned.flatMap(({ subject: { delivery, events }, owner: { organizationId } }) => {
    const { telling, forge, host } = delivery;
    const { repositoryId } = events;
    if (telling === undefined || repositoryId === undefined) return [];
    const number = telling.ref === undefined ? (events.number ?? 0) : 0;
    // The poller has reported nothing of a number that no forge gives, and could not even be asked.
    if (number !== 0 && !isNumber(number)) return [];
    return [{ telling, events: events.events, place: { organizationId, forge, host, repositoryId, number } }];
  });
  const reports = await readReports(
    client,
    late.map(({ place }) => place),
  );
  const covered = new Set<ForgeEvent>();
  const passed: { place: ReportPlace; piece: string }[] = [];
  for (const { telling, events, place } of late) {
    const known = reports.of(place);
    if (known.size === 0) continue;
    const piece = passingPiece(telling);
    for (const event of events) {
      if (isCovered(event, telling, known)) covered.add(event);
      else if (piece !== undefined && known.has(piece) && event.action !== 'edited') passed.push({ place, piece });
    }
  }
  await forgetRefReports(client, passed);
  return covered;
}

const namesOf = ({ events }: Subject): string =>
  [...new Set(events.events.map((event) => (event.action ? `${event.name}.${event.action}` : event.name)))].join(', ');

/**
 * Gives deliveries their organization, lane and dispatch rows, or the reason why they are ignored, in the transaction
 * that `client` is in. Answers the rows that are to run.
 */
export async function assign(
  client: pg.PoolClient,
  deliveries: readonly Received[],
  { dispatcher, metrics }: { dispatcher: Dispatcher; metrics: Metrics },
): Promise<LaneRow[]> {
  const subjects: Subject[] = [];
  const verdicts: Verdict[] = [];
  const ignore = (delivery: Received, reason: string, action: string | null, organizationId: string | null) =>
    verdicts.push({
      delivery,
      status: 'ignored',
      reason,
      action,
      organizationId,
      ...remoteIdsOf(delivery),
    });
  for (const delivery of deliveries) {
    const { classification } = delivery;
    if (classification.kind === 'ignored') ignore(delivery, classification.reason, null, null);
    else subjects.push({ delivery, events: classification });
  }

  const owners = await findOwners(client, subjects);
  const owned = subjects.flatMap((subject, at) => {
    const owner = owners[at];
    const action = subject.events.events[0]?.action ?? null;
    if (owner && 'organizationId' in owner) return [{ subject, action, owner }];
    ignore(subject.delivery, owner?.reason ?? 'its owner is not known', action, null);
    return [];
  });

  const repeated = await findRepeated(
    client,
    owned.map(({ subject }) => subject),
  );
  const covered = await findCovered(
    client,
    owned.filter(({ subject }) => !repeated.has(subject)),
  );
  const wanted: Wanted[] = [];
  for (const { subject, action, owner } of owned) {
    const { organizationId } = owner;
    const rows = repeated.has(subject) ? [] : wantedOf(subject, owner, dispatcher, covered);
    wanted.push(...rows);
    const { events } = subject.events;
    if (repeated.has(subject))
      ignore(subject.delivery, 'another source reported the same before', action, organizationId);
    else if (events.length > 0 && events.every((event) => covered.has(event)))
      ignore(subject.delivery, 'the poller reported it before', action, organizationId);
    else if (rows.length === 0)
      ignore(subject.delivery, `no app listens to ${namesOf(subject)}`, action, organizationId);
    else {
      const { delivery } = subject;
      const remote = remoteIdsOf(delivery);
      verdicts.push({ delivery, status: 'assigned', reason: null, action, organizationId, ...remote });
      metrics.events.inc({ source: delivery.source }, events.filter((event) => !covered.has(event)).length);
    }
  }

  await keepSnapshots(client, deliveries);
  const rows = await insertDispatches(client, wanted);
  await writeVerdicts(client, verdicts);
  // Of a delivery that comes for the first time every row is new.
  const begun = new Map<bigint, number>();
  for (const { deliveryId } of rows) begun.set(deliveryId, (begun.get(deliveryId) ?? 0) + 1);
  for (const { delivery } of wanted) begun.set(delivery.id, (begun.get(delivery.id) ?? 0) - 1);
  const again = [...begun].filter(([, difference]) => difference < 0).map(([id]) => id);
  await reviveReplays(client, again);
  await settleFinished(client, again);
  return rows;
}
