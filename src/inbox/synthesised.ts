/**
 * Events that we make ourselves, in GitHub's shape already: what no forge sends (that a connection covers a repository, that
 * a hook was made), and what the poller found. They enter the inbox like every other delivery, so that they are retried,
 * replayed and seen in its list.
 */
import type { ToldOutcome } from '../accounts/connecting/connection-news.js';
import type { Classification, JsonObject } from '../forges/forge.js';
import { POLLED, SYNTHESISED } from '../lib/delivery-source.js';
import { parseId } from '../lib/ids.js';
import { CHANNEL } from './leases.js';
import type { Queryable } from './list.js';
import { type BodyCoding, packBody, unpackBody } from './packed-body.js';

const KEY_PREFIXES = { [SYNTHESISED]: 'forgeway:', [POLLED]: 'poll:' } as const;
const KEY_PREFIX = KEY_PREFIXES[SYNTHESISED];

export interface SynthesisedEvent {
  /** The hook whose connection it is about. */
  hook: { id: string; forge: string; host: string };
  /** The same for the same happening of this hook: a second one changes nothing. */
  key: string;
  /** GitHub's name. */
  name: string;
  /** GitHub's payload, with `action` where the event has one. */
  payload: JsonObject;
  /** The one app that hears of it; absent: all that listen. */
  app?: string;
}

/** In which the one app stands that hears of an event of ours. What a forge sends is never read for it. */
export const APP_HEADER = 'x-forgeway-app';

/** Stores events in their order and wakes the workers. Answers how many of them were new. */
export async function insertSynthesised(
  client: Queryable,
  events: readonly SynthesisedEvent[],
  source: keyof typeof KEY_PREFIXES = SYNTHESISED,
): Promise<number> {
  let added = 0;
  for (const { hook, key, name, payload, app } of events) {
    const headers = { 'content-type': 'application/json', ...(app !== undefined && { [APP_HEADER]: app }) };
    const body = packBody(Buffer.from(JSON.stringify(payload)));
    const { rowCount } = await client.query(
      `INSERT INTO webhook_delivery (hook_id, forge, host, delivery_key, event_type, headers, body, body_coding, source)
       VALUES ($1, $2, $3, $4, $5, $9, $6, $7, $8)
       ON CONFLICT (hook_id, delivery_key) DO NOTHING`,
      [
        hook.id,
        hook.forge,
        hook.host,
        `${KEY_PREFIXES[source]}${key}`,
        name,
        body.bytes,
        body.coding,
        source,
        JSON.stringify(headers),
      ],
    );
    added += rowCount ?? 0;
  }
  await client.query('SELECT pg_notify($1, $2)', [CHANNEL, '']);
  return added;
}

/** What became of an event; undefined while apps have still to run on it. */
export async function synthesisedOutcome(
  client: Queryable,
  hookId: string,
  key: string,
): Promise<ToldOutcome | undefined> {
  const { rows } = await client.query<ToldOutcome & { status: string }>(
    `SELECT status, coalesce(reason, error_message) AS reason FROM webhook_delivery
     WHERE hook_id = $1 AND delivery_key = $2 AND status IN ('done', 'ignored', 'dead')`,
    [hookId, `${KEY_PREFIX}${key}`],
  );
  return rows[0];
}

/** Apps that an event waits for, by name; none while no worker has taken it up. */
export async function synthesisedWaitsFor(client: Queryable, hookId: string, key: string): Promise<string[]> {
  const { rows } = await client.query<{ app: string }>(
    `SELECT DISTINCT d.app FROM webhook_delivery w JOIN dispatch d ON d.delivery_id = w.id
     WHERE w.hook_id = $1 AND w.delivery_key = $2 AND w.status = 'assigned' AND d.status IN ('pending', 'parked', 'paused')
     ORDER BY d.app`,
    [hookId, `${KEY_PREFIX}${key}`],
  );
  return rows.map(({ app }) => app);
}

/** Events of a hook that wait for apps to run on them, the oldest first. */
export async function synthesisedUnfinished(
  client: Queryable,
  hookId: string,
): Promise<{ key: string; name: string; payload: JsonObject }[]> {
  const { rows } = await client.query<{
    delivery_key: string;
    event_type: string;
    body: Buffer;
    body_coding: BodyCoding;
  }>(
    `SELECT delivery_key, event_type, body, body_coding FROM webhook_delivery
     WHERE hook_id = $1 AND source = $2 AND status IN ('received', 'assigned') AND body IS NOT NULL ORDER BY id`,
    [hookId, SYNTHESISED],
  );
  return rows.map((row) => ({
    key: row.delivery_key.slice(KEY_PREFIX.length),
    name: row.event_type,
    payload: JSON.parse(unpackBody({ coding: row.body_coding, bytes: row.body }).toString('utf8')) as JsonObject,
  }));
}

const fieldOf = (holder: unknown, field: string): unknown =>
  typeof holder === 'object' && holder !== null ? Reflect.get(holder, field) : undefined;
const idOf = (holder: unknown): bigint | undefined => {
  const id = fieldOf(holder, 'id');
  return typeof id === 'number' || typeof id === 'string' ? parseId(id) : undefined;
};

export function classifySynthesised(source: string, name: string, payload: JsonObject): Classification {
  const { action, repository, pull_request: pull, issue, installation } = payload;
  const repositoryId = idOf(repository);
  const number = fieldOf(pull ?? issue, 'number');
  // An App's number; a connection has none of its forge's, and whose its hook is says whose it is.
  const installationId = source === POLLED ? idOf(installation) : undefined;
  return {
    kind: 'events',
    events: [typeof action === 'string' ? { name, action } : { name }],
    ...(repositoryId !== undefined && { repositoryId }),
    ...(typeof number === 'number' && { number }),
    ...(installationId !== undefined && { installationId }),
  };
}
