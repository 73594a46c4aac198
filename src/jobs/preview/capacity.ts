/**
 * How many previews there may be. Of those that run on this machine only so many run at a time: the one that was not opened for
 * longest makes room for the next. A cluster has its own limits; there, and here, an organization has only so many in all.
 */
import type { PoolClient } from 'pg';
import type { Store } from '../../store/database.js';
import type { JobQueue } from '../queue/queue.js';
import { askPreview } from './desired.js';

interface RunningRow {
  id: string;
  phase: string;
  desired_version: bigint | string;
  /** Since somebody opened it; since it was ready, or made, where nobody has. */
  unused_ms: number;
}

/** Ids of all organizations; the worker role may list them. */
export async function organizationIds(store: Store): Promise<string[]> {
  const { rows } = await store.pool.query<{ id: string }>('SELECT id FROM organization ORDER BY id');
  return rows.map(({ id }) => id);
}

export interface Capacity {
  /** How many previews its organization has beside this one, when that is as many as it may; else undefined. */
  fullWith(preview: { id: string; organizationId: string }): Promise<number | undefined>;
  /**
   * Writes down what makes it one more, unless there are as many as there may be: then their number is answered. Of two that ask
   * at once the second is told of the first.
   */
  claim(
    preview: { id: string; organizationId: string },
    write: (tx: PoolClient) => Promise<void>,
  ): Promise<number | undefined>;
  /** True when one more may run on this machine. False: room is being made, ask again soon. */
  hasRoom(previewId: string): Promise<boolean>;
}

export function createCapacity(o: {
  store: Store;
  queue: JobQueue;
  limit: number;
  organizationLimit: number;
}): Capacity {
  const { store, queue, limit, organizationLimit } = o;
  const turns = new Map<string, Promise<unknown>>();

  async function fullBeside(tx: PoolClient, id: string): Promise<number | undefined> {
    const { rows } = await tx.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM preview WHERE id <> $1
         AND (driver_state -> 'serving' ->> 'id' IS NOT NULL OR driver_state -> 'candidate' ->> 'id' IS NOT NULL)`,
      [id],
    );
    const count = rows[0]?.count ?? 0;
    return count >= organizationLimit ? count : undefined;
  }

  return {
    fullWith: ({ id, organizationId }) => store.tenant(organizationId, (tx) => fullBeside(tx, id)),

    claim({ id, organizationId }, write) {
      const claimed = () =>
        store.tenant(organizationId, async (tx) => {
          await tx.query("SELECT pg_advisory_xact_lock(hashtextextended('previews of ' || $1, 0))", [organizationId]);
          const count = await fullBeside(tx, id);
          if (count === undefined) await write(tx);
          return count;
        });
      // Of those in this process only one waits for the lock, and for a connection with it.
      const turn = (turns.get(organizationId) ?? Promise.resolve()).then(claimed, claimed);
      turns.set(organizationId, turn);
      return turn.finally(() => {
        if (turns.get(organizationId) === turn) turns.delete(organizationId);
      });
    },

    async hasRoom(previewId) {
      const running: (RunningRow & { organizationId: string })[] = [];
      for (const organizationId of await organizationIds(store)) {
        const { rows } = await store.tenant(organizationId, (tx) =>
          tx.query<RunningRow>(
            `SELECT id, phase, desired_version,
               (extract(epoch FROM now() - coalesce(greatest(last_opened_at, ready_at), created_at)) * 1000)::float8 AS unused_ms FROM preview
             WHERE id <> $1 AND driver = 'process' AND (driver_state #>> '{serving,port}' IS NOT NULL
               OR driver_state #>> '{candidate,port}' IS NOT NULL)`,
            [previewId],
          ),
        );
        running.push(...rows.map((row) => ({ ...row, organizationId })));
      }
      if (running.length < limit) return true;
      const idle = running
        .filter(({ phase }) => phase === 'ready' || phase === 'failed')
        .sort((a, b) => b.unused_ms - a.unused_ms)[0];
      if (idle !== undefined) {
        // Whoever came meanwhile keeps it awake: the next time another one is asked.
        const unused = { version: idle.desired_version, forMs: idle.unused_ms };
        const asked = await store.tenant(idle.organizationId, (tx) =>
          askPreview(tx, { previewId: idle.id, to: 'sleep', unused }),
        );
        if (asked !== null)
          await queue.poke({ organizationId: idle.organizationId, id: idle.id }, { version: asked.version });
      }
      return false;
    },
  };
}
