/**
 * Events that no forge sends, in GitHub's shape already: that a connection covers a repository, that a hook was made. They
 * enter the inbox like every other delivery, so that they are retried, replayed and seen in its list.
 */
import type { Classification, JsonObject } from '../forges/forge.js';
import { parseId } from '../lib/ids.js';
import { CHANNEL } from './leases.js';
import type { Queryable } from './list.js';

/** `webhook_delivery.source` of these rows. Webhooks are stored as `webhook`, whatever their headers say. */
export const SYNTHESISED = 'forgeway';

const KEY_PREFIX = 'forgeway:';

export interface SynthesisedEvent {
  /** The hook whose connection it is about. */
  hook: { id: string; forge: string; host: string };
  /** The same for the same happening of this hook: a second one changes nothing. */
  key: string;
  /** GitHub's name. */
  name: string;
  /** GitHub's payload, with `action` where the event has one. */
  payload: JsonObject;
}

/** Stores events and wakes the workers. */
export async function insertSynthesised(client: Queryable, events: readonly SynthesisedEvent[]): Promise<void> {
  for (const { hook, key, name, payload } of events)
    await client.query(
      `INSERT INTO webhook_delivery (hook_id, forge, host, delivery_key, event_type, headers, body, source)
       VALUES ($1, $2, $3, $4, $5, '{"content-type":"application/json"}', $6, $7)
       ON CONFLICT (hook_id, delivery_key) DO NOTHING`,
      [hook.id, hook.forge, hook.host, `${KEY_PREFIX}${key}`, name, Buffer.from(JSON.stringify(payload)), SYNTHESISED],
    );
  await client.query('SELECT pg_notify($1, $2)', [CHANNEL, '']);
}

export interface SynthesisedOutcome {
  status: 'done' | 'ignored' | 'dead';
  /** Why it was ignored or given up. */
  reason: string | null;
}

/** What became of an event; undefined while apps have still to run on it. */
export async function synthesisedOutcome(
  client: Queryable,
  hookId: string,
  key: string,
): Promise<SynthesisedOutcome | undefined> {
  const { rows } = await client.query<SynthesisedOutcome & { status: string }>(
    `SELECT status, coalesce(reason, error_message) AS reason FROM webhook_delivery
     WHERE hook_id = $1 AND delivery_key = $2 AND status IN ('done', 'ignored', 'dead')`,
    [hookId, `${KEY_PREFIX}${key}`],
  );
  return rows[0];
}

/** Events of a hook that wait for apps to run on them, the oldest first. */
export async function synthesisedUnfinished(
  client: Queryable,
  hookId: string,
): Promise<{ key: string; name: string; payload: JsonObject }[]> {
  const { rows } = await client.query<{ delivery_key: string; event_type: string; body: Buffer }>(
    `SELECT delivery_key, event_type, body FROM webhook_delivery
     WHERE hook_id = $1 AND source = $2 AND status IN ('received', 'assigned') AND body IS NOT NULL ORDER BY id`,
    [hookId, SYNTHESISED],
  );
  return rows.map((row) => ({
    key: row.delivery_key.slice(KEY_PREFIX.length),
    name: row.event_type,
    payload: JSON.parse(row.body.toString('utf8')) as JsonObject,
  }));
}

export function classifySynthesised(name: string, payload: JsonObject): Classification {
  const { action, repository } = payload;
  const id = typeof repository === 'object' && repository !== null ? Reflect.get(repository, 'id') : undefined;
  return {
    kind: 'events',
    events: [typeof action === 'string' ? { name, action } : { name }],
    ...(typeof id === 'number' || typeof id === 'string' ? { repositoryId: parseId(id) } : {}),
  };
}
