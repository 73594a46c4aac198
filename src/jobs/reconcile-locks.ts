/**
 * "One worker per key", across processes: session-level advisory locks on one dedicated PostgreSQL connection. They end
 * with the process, however it ends, and a process that is only stopped keeps them, so no clock is trusted; unless whoever
 * made them says that its work bears two at a time for a moment (`silenceMs`). When the connection is lost so are all its locks, and every
 * holder is told through its signal.
 */
import { createHash } from 'node:crypto';
import { messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import type { Store } from '../store/database.js';
import { type LockSession, openLockSession } from './reconcile-lock-session.js';

export interface HeldLock {
  /** Aborts when the lock was lost with its connection. */
  readonly signal: AbortSignal;
  /** Never rejects. */
  release(): Promise<void>;
}

export interface KeyLocks {
  /** The lock, or undefined when another holder, here or in another process, has it. Rejects when PostgreSQL is away. */
  tryAcquire(name: string): Promise<HeldLock | undefined>;
  /** Gives the connection back, and with it every lock. */
  close(): Promise<void>;
}

export interface KeyLocksOptions {
  store: Pick<Store, 'pool'>;
  log: Logger;
  /** How often the connection is tested while it is open; a connection silent for as long again is given up. */
  heartbeatMs?: number;
  /**
   * A process that was stopped for so long has lost its locks: PostgreSQL ends a session that says nothing. Only for work whose every
   * effect is refused, or is the same, when it comes from somebody who has lost his turn. Several times `heartbeatMs`.
   */
  silenceMs?: number;
}

/** 64 bits of a hash: two names that share them only wait for each other. */
function lockNumber(name: string): bigint {
  return createHash('sha256').update(`forgeway:${name}`).digest().readBigInt64BE(0);
}

/** One per process, shared by everything that locks keys. Takes one connection of the store's pool, on first use. */
export function createKeyLocks({ store, log, heartbeatMs = 5_000, silenceMs }: KeyLocksOptions): KeyLocks {
  // Advisory locks are re-entrant within a session, so a second holder in this process is refused by this map.
  const held = new Map<bigint, AbortController>();
  const state: { session?: Promise<LockSession>; closed: boolean } = { closed: false };

  function lost(session: Promise<LockSession>, error: unknown): void {
    if (state.session === session) delete state.session;
    log.warn({ error: messageOf(error), locks: held.size }, 'lock connection lost; running work is stopped');
    for (const controller of held.values()) controller.abort(new Error('the connection that held the lock was lost'));
  }

  function currentSession(): Promise<LockSession> {
    if (state.session !== undefined) return state.session;
    const session = openLockSession(store.pool, { heartbeatMs, silenceMs }, (error) => lost(session, error));
    state.session = session;
    session.catch(() => {
      if (state.session === session) delete state.session;
    });
    return session;
  }

  function heldLock(number: bigint, controller: AbortController, session: LockSession): HeldLock {
    return {
      signal: controller.signal,
      async release() {
        try {
          if (!controller.signal.aborted) await session.unlock(number);
        } catch (error) {
          log.warn({ error: messageOf(error) }, 'a lock was not released; it ends with its connection');
        } finally {
          held.delete(number);
        }
      },
    };
  }

  return {
    async tryAcquire(name) {
      const number = lockNumber(name);
      if (state.closed || held.has(number)) return undefined;
      const controller = new AbortController();
      held.set(number, controller);
      try {
        const session = await currentSession();
        if (await session.tryLock(number)) return heldLock(number, controller, session);
      } catch (error) {
        held.delete(number);
        throw error;
      }
      held.delete(number);
      return undefined;
    },

    async close() {
      state.closed = true;
      const session = await state.session?.catch(() => undefined);
      delete state.session;
      session?.end();
    },
  };
}
