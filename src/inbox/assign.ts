/** One batch of the assigner: what each received delivery becomes. */
import type pg from 'pg';
import type { ForgeEvent, JsonObject } from '../forges/forge.js';
import type { Telling } from '../forges/poll.js';
import type { Metrics } from '../lib/metrics.js';
import { tokensHidden } from '../lib/redact.js';
import { together } from '../store/together.js';
import { compared } from './compared.js';
import type { Dispatcher } from './dispatch.js';
import { type EventClaim, findRepeated, readClaims, semanticKey, writeClaims } from './event-claims.js';
import { laneOf, shardOf } from './lane.js';
import { findOwners, type Owner, type Ownership, type Subject } from './ownership.js';
import { isCovered, type Passed, passedBy } from './poll/pieces.js';
import { ORDER_LOCK, passReports, type ReportPlace, type Reports, readReports } from './poll/reports.js';
import { isNumber, type Received } from './received.js';
import type { Beginnings, LaneRow, PlannedRow } from './row.js';
import { classificationToKeep, keepSnapshots, previousSnapshots } from './snapshots.js';

interface Wanted {
  delivery: Received;
  eventIndex: number;
  eventName: string;
  action: string | null;
  change: JsonObject | null;
  app: string;
  /** What was parsed from the body, for one app alone: it may change what it is given. */
  payload: JsonObject | undefined;
  organizationId: string;
  /** Something in it does not wait for its turn; see overtaking.ts. */
  overtakes: boolean;
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

/** What makes a dispatch row the one it is, as its unique index says it. */
export const DISPATCH_IDENTITY = `(delivery_id, event_index, app,
  (CASE WHEN writes = 'rehearsal' THEN - id ELSE coalesce(replay_of, 0) END))`;

type Plan = (rows: readonly PlannedRow[]) => Beginnings;

/** True of the newest run of one app on one event; a rehearsal is no run. */
const IS_NEWEST = "NOT EXISTS (SELECT FROM dispatch r WHERE r.replay_of = dispatch.id AND r.writes <> 'rehearsal')";

const BEGIN_ANEW = `status = 'pending', writes = 'send', attempts = 0, started_epoch = NULL, next_attempt_at = NULL,
  reason = NULL, error = NULL, finished_at = NULL, uncounted_attempts = 0, created_at = now()`;

/** Adds the dispatch rows; those of a delivery that came again run again only where they were dead and nobody replayed them. */
async function insertDispatches(
  client: pg.PoolClient,
  wanted: readonly Wanted[],
  beginnings: Beginnings,
): Promise<LaneRow[]> {
  if (wanted.length === 0) return [];
  const { rows } = await client.query<{
    id: bigint | string;
    delivery_id: bigint | string;
    event_index: number;
    app: string;
    created_at: Date;
    attempts: number;
    started_epoch: bigint | string | null;
  }>({
    name: 'inbox_insert_dispatches',
    text: `WITH held AS MATERIALIZED (
        SELECT shard, epoch FROM lane_lease WHERE owner = $11 AND holds_version = $12
          AND shard IN (SELECT b.shard FROM unnest($8::smallint[], $10::bigint[]) AS b(shard, epoch) WHERE b.epoch IS NOT NULL)
        ORDER BY shard FOR SHARE
      )
      INSERT INTO dispatch (delivery_id, event_index, event_name, action, app, organization_id, lane, shard, change,
        attempts, started_epoch, overtakes)
      SELECT delivery_id, event_index, event_name, action, app, organization_id, lane, n.shard, change,
        CASE WHEN held.shard IS NULL THEN 0 ELSE 1 END, held.epoch, n.overtakes AND held.shard IS NULL
      FROM unnest($1::bigint[], $2::int[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::text[], $8::smallint[],
          $9::jsonb[], $10::bigint[], $13::boolean[])
        WITH ORDINALITY
        AS n(delivery_id, event_index, event_name, action, app, organization_id, lane, shard, change, begins_in, overtakes, place)
      LEFT JOIN held ON held.shard = n.shard AND held.epoch = n.begins_in
      ORDER BY place
      ON CONFLICT ${DISPATCH_IDENTITY} DO UPDATE SET ${BEGIN_ANEW}
      WHERE dispatch.status = 'dead' AND ${IS_NEWEST}
      RETURNING id, delivery_id, event_index, app, created_at, attempts, started_epoch`,
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
      beginnings.epochs,
      beginnings.owner,
      beginnings.holdsVersion,
      wanted.map((w) => w.overtakes),
    ],
  });
  const identity = (delivery: bigint | string, index: number, app: string) => `${delivery}\n${index}\n${app}`;
  const byIdentity = new Map(wanted.map((w) => [identity(w.delivery.id, w.eventIndex, w.app), w]));
  return rows.flatMap((row): LaneRow[] => {
    const found = byIdentity.get(identity(row.delivery_id, row.event_index, row.app));
    if (!found) return [];
    const { delivery, payload } = found;
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
        attempts: row.attempts,
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
        ...(row.started_epoch === null ? { overtakes: found.overtakes } : { begunIn: BigInt(row.started_epoch) }),
      },
    ];
  });
}

/** Has those translated that are going to begin at once, while the database writes down that they do. */
function prepare(wanted: readonly Wanted[], { epochs }: Beginnings, dispatcher: Dispatcher): void {
  wanted.forEach(({ delivery, payload, eventIndex, eventName, action, change, app, organizationId }, at) => {
    if (epochs[at] === null) return;
    const {
      id: deliveryId,
      deliveryKey,
      hookId,
      forge,
      host,
      eventType,
      source,
      receivedAt,
      contentType,
      body,
    } = delivery;
    dispatcher.prepare?.({
      ...{ deliveryId, deliveryKey, hookId, forge, host, eventType, source, receivedAt, contentType, body },
      ...{ eventIndex, eventName, action, change, app, organizationId },
      ...(payload && { payload }),
    });
  });
}

async function writeVerdicts(client: pg.PoolClient, verdicts: readonly Verdict[]): Promise<void> {
  await client.query({
    name: 'inbox_write_verdicts',
    text: `UPDATE webhook_delivery w SET
        status = v.status, reason = v.reason, action = v.action, organization_id = v.organization_id,
        remote_repository_id = v.remote_repository_id,
        remote_installation_id = v.remote_installation_id,
        classification = coalesce(v.classification, w.classification),
        finished_at = CASE WHEN v.status = 'ignored' THEN now() END
      FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::bigint[],
          $7::bigint[], $8::jsonb[])
        AS v(id, status, reason, action, organization_id, remote_repository_id, remote_installation_id, classification)
      WHERE w.id = v.id AND w.status = 'received'`,
    values: [
      verdicts.map((v) => v.delivery.id),
      verdicts.map((v) => v.status),
      verdicts.map((v) => v.reason),
      verdicts.map((v) => v.action),
      verdicts.map((v) => v.organizationId),
      verdicts.map((v) => v.remoteRepositoryId),
      verdicts.map((v) => v.remoteInstallationId),
      verdicts.map((v) => classificationToKeep(v.delivery)),
    ],
  });
}

/** What said nothing because nothing was known before it is taken in once more, now that something is. */
async function readAgain(client: pg.PoolClient, deliveryIds: readonly bigint[]): Promise<void> {
  if (deliveryIds.length === 0) return;
  await client.query({
    name: 'inbox_read_again',
    text: `UPDATE webhook_delivery SET status = 'received', reason = NULL, classification = NULL, finished_at = NULL
      WHERE id = ANY($1::bigint[]) AND status = 'ignored'`,
    values: [deliveryIds],
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

/** Of those that listen, who hears of it. */
const heardBy = ({ onlyApp }: Received, listeners: readonly string[]): readonly string[] =>
  onlyApp === undefined ? listeners : listeners.filter((app) => app === onlyApp);

function wantedOf(
  { delivery, events }: Subject,
  owner: Owner,
  dispatcher: Dispatcher,
  covered: ReadonlySet<ForgeEvent>,
): Wanted[] {
  const lane = laneOf(delivery, events);
  return events.events
    .flatMap((event, eventIndex): Wanted[] =>
      (covered.has(event) ? [] : heardBy(delivery, dispatcher.subscribers(event.name, event.action))).map((app) => ({
        delivery,
        eventIndex,
        eventName: event.name,
        action: event.action ?? null,
        change: event.change ?? null,
        app,
        payload: undefined,
        overtakes:
          dispatcher.urgent?.(app, event.name, event.action ?? null)?.(delivery.body.toString('utf8')) === true,
        ...owner,
        ...remoteIdsOf(delivery),
        lane,
      })),
    )
    .map((one, at) => (at === 0 ? { ...one, payload: delivery.payload } : one));
}

/** The forge's own ids of what a delivery is about. */
function remoteIdsOf({ classification }: Received): {
  remoteRepositoryId: bigint | null;
  remoteInstallationId: bigint | null;
} {
  const { repositoryId, installationId } = classification.kind === 'events' ? classification : {};
  return { remoteRepositoryId: repositoryId ?? null, remoteInstallationId: installationId ?? null };
}

/** A delivery of a webhook whose events the poller may have reported. */
interface Late {
  subject: Subject;
  telling: Telling;
  place: ReportPlace;
}

const lateOnes = (owned: readonly { subject: Subject; organizationId: string | undefined }[]): Late[] =>
  owned.flatMap(({ subject, organizationId }) => {
    const { telling, forge, host } = subject.delivery;
    const { repositoryId } = subject.events;
    if (organizationId === undefined || telling === undefined || repositoryId === undefined) return [];
    const number = telling.ref === undefined ? (subject.events.number ?? 0) : 0;
    // The poller has reported nothing of a number that no forge gives, and could not even be asked.
    if (number !== 0 && !isNumber(number)) return [];
    return [{ subject, telling, place: { organizationId, forge, host, repositoryId, number } }];
  });

const readReportsOf = (client: pg.PoolClient, late: readonly Late[]): Promise<Reports> =>
  readReports(
    client,
    late.map(({ place }) => place),
  );

/** Events among these that the poller reported before; reports that these webhooks go beyond are over. */
async function findCovered(client: pg.PoolClient, late: readonly Late[], reports: Reports): Promise<Set<ForgeEvent>> {
  const covered = new Set<ForgeEvent>();
  const passed: (Passed & { place: ReportPlace })[] = [];
  for (const { subject, telling, place } of late) {
    const known = reports.of(place);
    if (known.size === 0) continue;
    for (const event of subject.events.events) {
      if (isCovered(event, telling, known, subject.delivery.comparedWith)) {
        covered.add(event);
        continue;
      }
      const beyond = passedBy(event, telling, known);
      if (beyond !== undefined) passed.push({ place, ...beyond });
    }
  }
  await passReports(client, passed);
  return covered;
}

const unheard = (subject: Subject): string => {
  const { onlyApp } = subject.delivery;
  return `${onlyApp === undefined ? 'no app listens' : `${onlyApp}, whom it is for, does not listen`} to ${namesOf(subject)}`;
};

const namesOf = ({ events }: Subject): string =>
  [...new Set(events.events.map((event) => (event.action ? `${event.name}.${event.action}` : event.name)))].join(', ');

/** What a crash of PostgreSQL takes back is assigned again; the deliveries themselves were committed to disk. */
const BEGIN = `BEGIN; SET LOCAL synchronous_commit = off; SELECT pg_advisory_xact_lock(${ORDER_LOCK})`;

const subjectsOf = (deliveries: readonly Received[]): Subject[] =>
  deliveries.flatMap((delivery) =>
    delivery.classification.kind === 'events' ? [{ delivery, events: delivery.classification }] : [],
  );

/** What the database is asked about subjects. */
interface Asked {
  owners: readonly Ownership[];
  claims: Map<string, EventClaim>;
  /** What the poller has reported, where a subject is its hook's organization's. */
  reports: Reports;
}

async function ask(client: pg.PoolClient, subjects: readonly Subject[]): Promise<Asked> {
  const late = lateOnes(
    subjects.map((subject) => ({ subject, organizationId: subject.delivery.hook?.organizationId })),
  );
  const [owners, claims, reports] = await together([
    findOwners(client, subjects),
    readClaims(client, subjects),
    readReportsOf(client, late),
  ]);
  return { owners, claims, reports };
}

/** Whether these are the same deliveries about the same, so that what was asked about the one holds for the other. */
function isSame(likely: readonly Subject[], subjects: readonly Subject[]): boolean {
  const about = ({ delivery, events }: Subject) =>
    [delivery.id, events.repositoryId, events.installationId, events.number, semanticKey({ delivery, events })].join(
      ' ',
    );
  return (
    likely.length === subjects.length &&
    likely.every((one, at) => {
      const subject = subjects[at];
      if (subject === undefined) return false;
      return one.events === subject.events || about(one) === about(subject);
    })
  );
}

/**
 * Gives deliveries their organization, lane and dispatch rows, or the reason why they are ignored, in one transaction.
 * Answers the rows that are to run. When it rejects, the transaction is still to be rolled back. Somebody waits for every
 * delivery, and most of the time is the way to the database: what does not depend on each other is sent together.
 * @throws Unclassifiable for a delivery that has to be given up, and what the database throws
 */
export async function assign(
  client: pg.PoolClient,
  received: readonly Received[],
  { dispatcher, metrics, plan }: { dispatcher: Dispatcher; metrics: Metrics; plan: Plan },
): Promise<LaneRow[]> {
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
  // Whose they are is asked before what they are is known for sure: it is nearly always the same.
  const likely = subjectsOf(received);
  const [, previous, asked] = await together([
    client.query(BEGIN),
    previousSnapshots(client, received),
    ask(client, likely),
  ]);
  const deliveries = compared(received, previous);
  const subjects = subjectsOf(deliveries);
  for (const delivery of deliveries)
    if (delivery.classification.kind === 'ignored') ignore(delivery, delivery.classification.reason, null, null);
  const { owners, claims, reports: likelyReports } = isSame(likely, subjects) ? asked : await ask(client, subjects);

  const owned = subjects.flatMap((subject, at) => {
    const owner = owners[at];
    const action = subject.events.events[0]?.action ?? null;
    if (owner && 'organizationId' in owner) return [{ subject, action, owner }];
    ignore(subject.delivery, owner?.reason ?? 'its owner is not known', action, null);
    return [];
  });

  const { repeated, fresh } = findRepeated(
    owned.map(({ subject }) => subject),
    claims,
  );
  const late = lateOnes(
    owned
      .filter(({ subject }) => !repeated.has(subject))
      .map(({ subject, owner: { organizationId } }) => ({ subject, organizationId })),
  );
  const isElsewhere = late.some(({ subject, place }) => place.organizationId !== subject.delivery.hook?.organizationId);
  const reports = isElsewhere ? await readReportsOf(client, late) : likelyReports;
  const covered = await findCovered(client, late, reports);
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
    else if (rows.length === 0) ignore(subject.delivery, unheard(subject), action, organizationId);
    else {
      const { delivery } = subject;
      const remote = remoteIdsOf(delivery);
      verdicts.push({ delivery, status: 'assigned', reason: null, action, organizationId, ...remote });
      metrics.events.inc({ source: delivery.source }, events.filter((event) => !covered.has(event)).length);
    }
  }

  const beginnings = plan(
    wanted.map((w) => ({ ...w, forge: w.delivery.forge, host: w.delivery.host, shard: shardOf(w.lane) })),
  );
  const writing = [
    writeClaims(client, fresh),
    keepSnapshots(client, previous),
    insertDispatches(client, wanted, beginnings),
    writeVerdicts(client, verdicts),
    readAgain(client, previous.unread()),
  ] as const;
  if (!deliveries.some(({ hasDispatches }) => hasDispatches)) {
    const written = together([...writing, client.query('COMMIT')]);
    prepare(wanted, beginnings, dispatcher);
    const [, , rows] = await written;
    return rows;
  }
  const [, , rows] = await together(writing);
  // Of a delivery that comes for the first time every row is new.
  const begun = new Map<bigint, number>();
  for (const { deliveryId } of rows) begun.set(deliveryId, (begun.get(deliveryId) ?? 0) + 1);
  for (const { delivery } of wanted) begun.set(delivery.id, (begun.get(delivery.id) ?? 0) - 1);
  const again = [...begun].filter(([, difference]) => difference < 0).map(([id]) => id);
  await reviveReplays(client, again);
  await settleFinished(client, again);
  await client.query('COMMIT');
  return rows;
}
