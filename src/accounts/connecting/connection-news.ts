/** How apps hear of a connection. The inbox carries the news, and is handed in: this folder does not know it. */
import type { HookOfConnection } from '../connection-hooks.js';
import type { CoveredRepository } from '../connection-rows.js';
import type { OpenApp, OpenConnection } from '../connections.js';

/** One event that was stored, to be waited for. */
export interface Told {
  hookId: string;
  key: string;
}

export interface ToldOutcome {
  status: 'done' | 'ignored' | 'dead';
  /** Why it was ignored or given up. */
  reason: string | null;
}

export interface ConnectionNews {
  /**
   * That the connection was made, the first time, then that repositories came which were not covered before. Answers
   * undefined when there is nothing to tell. `confidential` is what the poller goes by.
   */
  covered(
    connection: OpenConnection | OpenApp,
    repositories: readonly CoveredRepository[],
    confidential?: boolean,
  ): Promise<Told | undefined>;
  /** That repositories went, or the whole connection. */
  removed(connection: OpenConnection | OpenApp, repositories: readonly CoveredRepository[] | 'all'): Promise<Told>;
  /** That a hook was made, with the address that GitHub's API has for it. */
  ping(connection: OpenConnection, hook: HookOfConnection, url: string): Promise<void>;
  /** What became of an event; undefined when no worker has finished with it in `ms`. */
  outcome(told: Told, ms: number): Promise<ToldOutcome | undefined>;
  /** Names of the apps that an event still waits for; none while no worker has taken it up. */
  waitsFor(told: Told): Promise<readonly string[]>;
}
