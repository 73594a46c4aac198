/** What apps leave to the process when their handler is over: promises that nobody awaits, and an end that nobody expects. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { setImmediate } from 'node:timers/promises';
import { currentDelivery, type DeliveryScope } from './delivery-scope.js';

/**
 * What a handler has begun and does not await, as far as it can be known: requests, and promises that were rejected. A run is over
 * when these are: else what such a handler does is lost with a worker that ends, and nobody learns that it failed.
 */
export class LeftBehind {
  readonly #requests = new Set<Promise<unknown>>();
  readonly #rejections: unknown[] = [];
  #over = false;

  /** A request is under way until it is answered and read. */
  begun(request: Promise<unknown>): void {
    const ended: Promise<unknown> = request
      .catch(() => undefined)
      .finally(() => {
        this.#requests.delete(ended);
      });
    this.#requests.add(ended);
  }

  /** False when the run was over before, and somebody else has to be told. */
  rejected(error: unknown): boolean {
    if (!this.#over) this.#rejections.push(error);
    return !this.#over;
  }

  /** Resolves when no request is under way any more, with what promises were rejected with that nobody awaited. */
  async settled(): Promise<readonly unknown[]> {
    // In a turn of the event loop, whoever was answered has sent its next request, and Node has told of rejections.
    for (await setImmediate(); this.#requests.size > 0; await setImmediate()) await Promise.all(this.#requests);
    this.#over = true;
    return this.#rejections;
  }
}

/** What an app does that is no delivery's: a page that it answers, or what it began when it was loaded, such as a timer. */
export interface OwnScope {
  /** Is told what a promise was rejected with that nobody awaited. */
  rejected(error: unknown): void;
}

const ownScopes = new AsyncLocalStorage<OwnScope>();

/** Runs what an app does outside of deliveries. */
export function runOutside<T>(scope: OwnScope, run: () => T): T {
  return ownScopes.run(scope, run);
}

/**
 * An app that forgets an `await` does not take down everything that runs beside it: what its promise was rejected with belongs to
 * the delivery that the app was run on, or to what it does on its own. What belongs to neither is ours, and ends the process, unless
 * somebody else listens for it.
 * @param late is told of what comes when the run is over
 * @returns ends it
 */
export function catchStrayRejections(late: (scope: DeliveryScope, error: unknown) => void): () => void {
  const listener = (error: unknown) => {
    const scope = currentDelivery();
    if (scope?.leftBehind !== undefined) {
      if (!scope.leftBehind.rejected(error)) late(scope, error);
      return;
    }
    const own = ownScopes.getStore();
    if (own !== undefined) own.rejected(error);
    else if (process.listenerCount('unhandledRejection') === 1) throw error;
  };
  process.on('unhandledRejection', listener);
  return () => void process.off('unhandledRejection', listener);
}

/**
 * Says when an app ends the process by itself, as by `process.exit()` in a handler or in a timer of one.
 * @returns ends it
 */
export function tellWhoEnds(say: (scope: DeliveryScope, code: number) => void): () => void {
  const listener = (code: number) => {
    const scope = currentDelivery();
    if (scope !== undefined) say(scope, code);
  };
  process.once('exit', listener);
  return () => void process.off('exit', listener);
}
