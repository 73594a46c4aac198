/** What the reconciler asks of whatever really runs previews: processes on this machine now, a cluster later. */

import type { PreviewConfig } from './preview-config.js';
import type { Condition } from './state.js';

/** One commit in one place, as it is kept in the preview's row. The driver alone reads `handle`. */
export interface Place {
  /** Unique; made up before anything is created, so that nothing is ever created unknown. */
  id: string;
  sha: string;
  /** The wish that it was made for. */
  version: string;
  config: PreviewConfig;
  built: boolean;
  /** It answered once; from then on an end of its process is a crash and not a failed start. */
  answered: boolean;
  /** Times it was started again after it ended by itself. */
  restarts: number;
  failure: PlaceFailure | null;
  /** Where it listens, while it runs: a port of this machine's loopback, or of its own when it has a door. */
  port: number | null;
  /** Path of the socket that leads to that port, when it has a network of its own. */
  door: string | null;
  handle: unknown;
}

export interface PlaceFailure {
  /** One line for a person. */
  cause: string;
  /** The last lines it printed, redacted. */
  log: string;
}

/** What a build needs to know. */
export interface BuildFacts {
  repositoryId: string;
  number: number;
  /** From where the commit is fetched; asked for only when it is needed. */
  source(): Promise<{
    url: string;
    username: string;
    password: string;
    origin: string;
    /** Full ref under which the forge offers the head of a pull request, also one from a fork. */
    pullRequestRef(number: number): string;
  }>;
}

/** Every method may be called again after it was interrupted anywhere. */
export interface PreviewDriver {
  observe(place: Place): Promise<Condition>;
  /** Checks the commit out and runs its build commands. Answers the place with `built` or `failure` set. */
  build(place: Place, facts: BuildFacts, signal: AbortSignal): Promise<Place>;
  /** Starts it on a free port. Answers the place with `port` and `handle` set. */
  start(place: Place, facts: BuildFacts): Promise<Place>;
  /** Waits until it answers. Answers the place with `answered` or `failure` set. */
  awaitReady(place: Place, signal: AbortSignal): Promise<Place>;
  /** For a place that ended by itself too often: answers it with `failure` set. */
  giveUp(place: Place): Promise<Place>;
  /** Ends its processes and keeps what was built. */
  stop(place: Place): Promise<Place>;
  /**
   * Ends the processes of everything that exists here, known to a row or not, and keeps what was built. One that cannot be
   * stopped does not keep the others running; it rejects once all have been tried.
   */
  stopAll(): Promise<void>;
  /** Leaves nothing of it: processes, files, user, log. */
  remove(place: Place, repositoryId: string): Promise<void>;
  /** Ids of everything that exists here, known to a row or not. */
  list(): Promise<string[]>;
  /** Removes what no row knows. */
  removeUnknown(id: string): Promise<void>;
}
