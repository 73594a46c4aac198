/**
 * What every handler does around its decision: one transaction as the delivery's organization, and the hints to the job
 * queues only after it has committed.
 */
import type { PoolClient } from 'pg';
import type { Pokes } from '../jobs/poke.js';
import type { JobKey } from '../jobs/queue/queue.js';
import { currentDelivery, type DeliveryScope } from '../lib/delivery-scope.js';
import type { Logger } from '../lib/logger.js';
import type { Store } from '../store/database.js';
import type { MirrorOrigin } from '../store/mirror/origin.js';

export interface HandlerOptions {
  /** As the worker role. */
  store: Store;
  pokes: Pokes;
  log: Logger;
}

/** A row to be looked at, as the `want…` functions return it; nothing when there is nothing to do. */
type Wanted = { id: string; version?: bigint | number } | null | undefined;

/** What a handler has in hand while its transaction runs. */
export interface DeliveryWork {
  tx: PoolClient;
  origin: MirrorOrigin;
  scope: DeliveryScope;
  log: Logger;
  /** Pokes a queue about a row once the transaction has committed. */
  poke(queue: keyof Pokes, wanted: Wanted): void;
}

/** Ends the transaction of a rehearsal, whose work was well. */
class Rehearsed extends Error {}

/**
 * Runs `run` in one transaction. In a rehearsal it is rolled back, and nobody is poked. Called outside a delivery it throws: a handler
 * without one knows no tenant. Answers what `run` does, and nothing in a rehearsal.
 */
export async function inDelivery<T>(
  o: HandlerOptions,
  run: (work: DeliveryWork) => Promise<T>,
): Promise<T | undefined> {
  const scope = currentDelivery();
  if (scope === undefined) throw new Error('a handler ran outside a delivery');
  scope.signal.throwIfAborted();
  const { organizationId, forge, host, instanceUrl } = scope;
  const log = o.log.child({ delivery: scope.deliveryKey, event: scope.eventName, app: scope.app });
  const origin: MirrorOrigin = { organizationId, forge, host, instanceUrl };
  const pokes: [keyof Pokes, JobKey, bigint | number | undefined][] = [];
  const poke: DeliveryWork['poke'] = (queue, wanted) => {
    if (wanted) pokes.push([queue, { organizationId, id: wanted.id }, wanted.version]);
  };
  let found: T;
  try {
    found = await o.store.tenant(organizationId, async (tx) => {
      const answer = await run({ tx, origin, scope, log, poke });
      if (scope.writes === 'rehearsal') throw new Rehearsed();
      return answer;
    });
  } catch (error) {
    if (error instanceof Rehearsed) return undefined;
    throw error;
  }
  await Promise.all(pokes.map(([queue, key, version]) => o.pokes[queue].poke(key, { version })));
  return found;
}
