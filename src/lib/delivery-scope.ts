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
}

const storage = new AsyncLocalStorage<DeliveryScope>();

export function runInDelivery<T>(scope: DeliveryScope, run: () => Promise<T>): Promise<T> {
  return storage.run(scope, run);
}

/** The current delivery, or undefined outside one (jobs, CLI). */
export function currentDelivery(): DeliveryScope | undefined {
  return storage.getStore();
}
