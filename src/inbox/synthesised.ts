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

export interface SynthesisedEvent {
  /** The hook whose connection it is about. */
  hook: { id: string; forge: string; host: string };
  /** The same for the same happening: a second one changes nothing. */
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
      [hook.id, hook.forge, hook.host, `forgeway:${key}`, name, Buffer.from(JSON.stringify(payload)), SYNTHESISED],
    );
  await client.query('SELECT pg_notify($1, $2)', [CHANNEL, '']);
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
