import { AsyncLocalStorage } from 'node:async_hooks';
import type { LeftBehind } from './left-behind.js';

/**
 * Which delivery the code that runs now belongs to. The inbox enters it; handlers and our fetch read it. It is carried
 * here and not guessed from the payload, since installation numbers of different hosts and Apps collide (decision 5).
 */
export interface DeliveryScope {
  organizationId: string;
  forge: string;
  host: string;
  hookId: string;
  deliveryId: bigint;
  deliveryKey: string;
  eventName: string;
  eventIndex: number;
  app: string;
  receivedAt: Date;
  /** `webhook`, or who else reported it; see lib/delivery-source. */
  source?: string;
  /** Web address of a self-hosted instance, for people; null for a forge's own cloud. */
  instanceUrl: string | null;
  /** How many writes of our own led to this event; 0 when somebody else caused it. */
  loopDepth: number;
  /** It was read again, and its pull request is at another commit than when it was told: its sender need not have brought that. */
  headMoved?: boolean;
  /** Aborts when the handler has held its lane too long. */
  signal: AbortSignal;
  /** The run of the inbox that this is; absent where there is no inbox, and then no write is journaled. */
  attempt?: DispatchAttempt;
  /** Filled in while it runs; see {@link noteOutage}. */
  outage?: Outage;
  /** A pause covers the run: only what cannot wait is to be done. It is run once more when the pause is lifted. */
  urgent?: boolean;
  /** Default `send`. */
  writes?: RunWrites;
  /** What the handler does not await; kept for other people's apps only. */
  leftBehind?: LeftBehind;
}

/**
 * What becomes of the writes of a run. `shadow`: they are recorded and not sent, and the app is answered as if they had
 * been. `rehearsal`: the same, and of what our own handlers do nothing lasts either.
 */
export type RunWrites = 'send' | 'shadow' | 'rehearsal';

/** Whether a run's writes are recorded instead of sent. */
export const isHeldBack = (scope: Pick<DeliveryScope, 'writes'> | undefined): boolean =>
  scope?.writes === 'shadow' || scope?.writes === 'rehearsal';

/** One attempt of one dispatch row. Writes are refused once another attempt of the row, or another worker, has begun. */
export interface DispatchAttempt {
  dispatchId: bigint;
  /** Epoch of the lease under which it began. */
  epoch: bigint;
  /** Attempts begun, this one included. */
  number: number;
}

/** A forge that did not serve a run, and is not asked for a while. */
export interface Outage {
  /** When it is asked again, on the clock of `performance.now()`; undefined: all that was asked was served. */
  until?: number;
  /** `down`: it does not answer. `limit`: it wants to be asked less. What lasts longest. */
  why?: 'down' | 'limit';
}

/** The forge is not asked for `waitMs` from now, so that the run may fail without having had a chance. */
export function noteOutage(
  scope: DeliveryScope | undefined,
  waitMs: number,
  why: NonNullable<Outage['why']> = 'down',
): void {
  const until = performance.now() + waitMs;
  if (scope?.outage === undefined || waitMs <= 0 || until < (scope.outage.until ?? 0)) return;
  scope.outage.until = until;
  scope.outage.why = why;
}

const storage = new AsyncLocalStorage<DeliveryScope>();

export function runInDelivery<T>(scope: DeliveryScope, run: () => Promise<T>): Promise<T> {
  return storage.run(scope, run);
}

/** The current delivery, or undefined outside one (jobs, CLI). */
export function currentDelivery(): DeliveryScope | undefined {
  return storage.getStore();
}
