/**
 * Looks after the hooks: every so often each forge is asked which deliveries it could not make, for those that the inbox does
 * not have, and whether a hook was switched off. What is sent again comes in by the front door, under its old key.
 */
import { RouteFailure } from '../../forges/kit/route.js';
import { retryAfter } from '../../lib/backoff.js';
import { pause } from '../../lib/clock.js';
import { ForgewayError, messageOf } from '../../lib/errors.js';
import { redactText } from '../../lib/redact.js';
import type { Store } from '../../store/database.js';
import { ADVISORY_LOCKS } from '../advisory-locks.js';
import type { OpenHook } from './access.js';
import { type AskOptions, type AskTiming, askForMissed } from './ask.js';
import { collectMissed } from './collect.js';
import { type HookStateOptions, tendHook } from './hook-state.js';
import { dueHooks, noteLook, noteUnlisted, postponeLook, takeHook, type WatchedHook } from './watched-hooks.js';

export type RecoveryTiming = AskTiming &
  HookStateOptions['timing'] & {
    /** How long a request in hand may take when everything is to stop. */
    graceMs: number;
  };

export interface RecoveryOptions extends Omit<AskOptions, 'timing' | 'signal'> {
  /** As the worker role. */
  store: Store;
  open: OpenHook;
  /** From one cycle to the next, and how often one hook is looked at. */
  intervalSeconds: number;
  /** For tests: other waits. */
  timing?: Partial<RecoveryTiming>;
}

export interface Recovery {
  /** One cycle now, unless another process has one; never rejects. False when there was none. */
  cycle(): Promise<boolean>;
  /** Cycles from now on, the first at once: the server may have been down. */
  start(): void;
  /** Resolves when the request in hand is done, or was given up: a forge may take longer to answer than we have. */
  stop(): Promise<void>;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** Twelve asks spread over twenty hours: a door that stays shut for a night loses nothing. */
const TIMING: RecoveryTiming = {
  baseMs: MINUTE_MS,
  capMs: 6 * HOUR_MS,
  mostAsks: 12,
  arrivesWithinMs: 5_000,
  enableBaseMs: MINUTE_MS,
  enableCapMs: 6 * HOUR_MS,
  graceMs: 5_000,
};
/** Connections that are looked at beside each other. */
const ABREAST = 4;
/** Silence that a forge asks for without saying how long. */
const UNNAMED_WAIT_MS = MINUTE_MS;

export function createRecovery(options: RecoveryOptions): Recovery {
  const { store, log, metrics, open, intervalSeconds } = options;
  const stopped = new AbortController();
  const o = { store, log, metrics, timing: { ...TIMING, ...options.timing }, signal: stopped.signal };

  const stopping = new Promise<void>((resolve) => {
    stopped.signal.addEventListener('abort', () => setTimeout(resolve, o.timing.graceMs).unref(), { once: true });
  });

  /** Answers what is wrong with the hook, or null. */
  async function look(hook: WatchedHook): Promise<string | null> {
    const access = await open(hook);
    if (access === undefined) return null;
    // First of all: a hook that is off would only answer that it is off.
    const trouble = access.tending === undefined ? null : await tendHook(o, hook, access.tending);
    if (access.log === undefined || hook.unlisted) return trouble;
    let found: number;
    try {
      found = await collectMissed(store, hook, access.log);
    } catch (error) {
      if (!(error instanceof RouteFailure) || error.status !== 404) throw error;
      await noteUnlisted(store, hook);
      log.debug({ hook: hook.id, forge: hook.forge }, 'the forge lists no deliveries of this hook');
      return trouble;
    }
    if (found > 0) {
      metrics.missedDeliveries.inc({ forge: hook.forge, result: 'found' }, found);
      log.warn({ hook: hook.id, forge: hook.forge, missed: found }, 'the forge could not make deliveries');
    }
    if (trouble === null) await askForMissed(o, hook, access.log);
    return trouble;
  }

  /** False when the forge has something against every further request of the same credential. */
  async function lookSafely(hook: WatchedHook): Promise<boolean> {
    try {
      const trouble = await look(hook);
      await noteLook(store, hook, trouble);
      return true;
    } catch (error) {
      if (!(error instanceof RouteFailure) && !(error instanceof ForgewayError)) throw error;
      const wait = silenceOf(error);
      // Being asked to wait is nothing that a person has to mend.
      if (wait === undefined) await noteLook(store, hook, redactText(messageOf(error)).slice(0, 500));
      else await postponeLook(store, hook, wait);
      log.debug({ hook: hook.id, forge: hook.forge, err: messageOf(error) }, 'a hook could not be looked at');
      return !concernsAll(error);
    }
  }

  async function lookAtConnection(hooks: readonly WatchedHook[]): Promise<void> {
    for (const hook of hooks) {
      if (stopped.signal.aborted) return;
      if (!(await takeHook(store, hook, intervalSeconds))) continue;
      if (!(await lookSafely(hook))) return;
    }
  }

  async function run(): Promise<void> {
    const groups = new Map<string, WatchedHook[]>();
    for (const hook of await dueHooks(store)) {
      const name = hook.connectionId ?? `${hook.forge} ${hook.host}`;
      groups.set(name, [...(groups.get(name) ?? []), hook]);
    }
    const waiting = [...groups.values()];
    const lanes = Array.from({ length: ABREAST }, async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await lookAtConnection(next);
    });
    await Promise.all(lanes);
  }

  /** The lock belongs to a session. One that is lost lets another process begin, which takes each hook and delivery anew. */
  async function locked(): Promise<boolean> {
    const client = await store.pool.connect();
    // The failing query says the same; without a listener the event would end the process.
    client.on('error', (error) => log.debug({ err: messageOf(error) }, 'the session of the hook watch was lost'));
    try {
      const { rows } = await client.query<{ mine: boolean }>('SELECT pg_try_advisory_lock($1) AS mine', [
        ADVISORY_LOCKS.recovery,
      ]);
      if (rows[0]?.mine !== true) return false;
      await Promise.race([run(), stopping]);
      return true;
    } finally {
      // Closes the connection, and with it gives the lock back however the cycle ended.
      client.release(true);
    }
  }

  async function cycle(): Promise<boolean> {
    try {
      return await locked();
    } catch (error) {
      log.warn({ err: messageOf(error) }, 'the forges could not be asked for missed deliveries; tried again');
      return false;
    }
  }

  async function forever(): Promise<void> {
    while (!stopped.signal.aborted) {
      await cycle();
      await pause(intervalSeconds * 1_000, stopped.signal);
    }
  }

  let loop: Promise<void> | undefined;
  return {
    cycle,
    start() {
      loop ??= forever();
    },
    async stop() {
      stopped.abort();
      await loop;
    },
  };
}

/** Milliseconds of silence that the forge asked for; undefined when it did not. */
function silenceOf(error: RouteFailure | ForgewayError): number | undefined {
  if (!(error instanceof RouteFailure)) return undefined;
  const { status, headers } = error;
  // A 403 without these is a missing permission.
  const limited =
    status === 429 ||
    (status === 403 && (headers['retry-after'] !== undefined || headers['x-ratelimit-remaining'] === '0'));
  if (!limited) return undefined;
  return retryAfter(headers['retry-after'], new Date()) ?? UNNAMED_WAIT_MS;
}

/** A refused token, a limit or a dead forge: the next hook of the connection would be answered the same. */
const concernsAll = (error: RouteFailure | ForgewayError): boolean =>
  error instanceof ForgewayError || error.status === 401 || error.status >= 500 || silenceOf(error) !== undefined;
