import { AsyncLocalStorage } from 'node:async_hooks';

/** One attempt at a request of a caller of the API. Writes are refused once another attempt has begun, or its time is over. */
export interface RequestAttempt {
  requestId: bigint;
  /** Attempts begun, this one included. */
  number: number;
}

/** Which request of the API the code that runs now belongs to: its writes on forges are journaled under it. */
export interface RequestScope {
  organizationId: string;
  attempt: RequestAttempt;
  /** Aborts when another attempt has taken it over. */
  signal: AbortSignal;
}

const storage = new AsyncLocalStorage<RequestScope>();

export function runInRequest<T>(scope: RequestScope, run: () => Promise<T>): Promise<T> {
  return storage.run(scope, run);
}

/** The current request, or undefined outside one. */
export function currentRequest(): RequestScope | undefined {
  return storage.getStore();
}
