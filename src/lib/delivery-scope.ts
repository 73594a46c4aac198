import { AsyncLocalStorage } from 'node:async_hooks';

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
  /** Web address of a self-hosted instance, for people; null for a forge's own cloud. */
  instanceUrl: string | null;
  /** How many writes of our own led to this event; 0 when somebody else caused it. */
  loopDepth: number;
  /** Aborts when the handler has held its lane too long. */
  signal: AbortSignal;
  /** The run of the inbox that this is; absent where there is no inbox, and then no write is journaled. */
  attempt?: DispatchAttempt;
  /** `shadow`: writes are recorded and not sent, and the app is answered as if they had been. Default `send`. */
  writes?: 'send' | 'shadow';
}

/** One attempt of one dispatch row. Writes are refused once another attempt of the row, or another worker, has begun. */
export interface DispatchAttempt {
  dispatchId: bigint;
  /** Epoch of the lease under which it began. */
  epoch: bigint;
  /** Attempts begun, this one included. */
  number: number;
}

const storage = new AsyncLocalStorage<DeliveryScope>();

export function runInDelivery<T>(scope: DeliveryScope, run: () => Promise<T>): Promise<T> {
  return storage.run(scope, run);
}

/** The current delivery, or undefined outside one (jobs, CLI). */
export function currentDelivery(): DeliveryScope | undefined {
  return storage.getStore();
}
