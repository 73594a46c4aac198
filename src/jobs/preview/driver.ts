/** What the reconciler asks of whatever really runs previews: processes on this machine, or a Kubernetes cluster. */

import type { PreviewIdentity } from './name.js';
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
  /** False: code of somebody who may not write to the repository, which somebody approved. */
  trusted: boolean;
  /** The same, and stays when it is started for a later one. */
  madeFor: string;
  built: boolean;
  /** It answered once; from then on an end of its process is a crash and not a failed start. */
  answered: boolean;
  /** Times it was started again after it ended by itself. */
  restarts: number;
  /** Times that its build was begun before, for the same wish, and kept from ending by something that passes. */
  tries: number;
  failure: PlaceFailure | null;
  /** Where it listens, while it runs: a port of this machine's loopback, or of its own when it has a door or a cluster. */
  port: number | null;
  /** Path of the socket that leads to that port, when it has a network of its own. */
  door: string | null;
  /** Where it is reached in a cluster. */
  service: PlaceService | null;
  handle: unknown;
}

export interface PlaceService {
  cluster: string;
  namespace: string;
  /** Name of the Service. */
  name: string;
}

export interface PlaceFailure {
  /** One line for a person. */
  cause: string;
  /** The last lines it printed, redacted. */
  log: string;
  /** Nothing that the commit did: a registry, a forge or a node that was away. It may go better in a while. */
  passing?: boolean;
  /** Then: when that was, as ISO 8601. */
  at?: string;
}

/** What a driver needs to know of a preview, whatever commit it shows. */
export interface PreviewFacts {
  organizationId: string;
  repositoryId: string;
  /** Allocated; `unnamed-…` while nothing was ever made of it. */
  name: string;
  identity: PreviewIdentity;
  /** Only certain people may see it. */
  private: boolean;
  /** Visitors are led through our own listener for a while, which sees them, whatever other ways in there are. */
  watched: boolean;
  /** Where it lives: see {@link PreviewDriver.home}. */
  cluster: string | null;
  /** Ids of the places that its row knows: what else of it there is, was left over. */
  places: readonly string[];
  /** From where the commit is fetched; asked for only when it is needed. */
  source(): Promise<{
    url: string;
    username: string;
    password: string;
    origin: string;
    /** Full ref under which the forge offers the head of a pull request, also one from a fork. */
    pullRequestRef(number: number): string;
  }>;
  /** Whether a commit has a file of this name. */
  hasFile(path: string, sha: string): Promise<boolean>;
  /** The values that were stored for its repository under these names. */
  secrets(names: readonly string[]): Promise<Readonly<Record<string, string>>>;
}

/** Full ref that leads to the wanted commit where the forge does not give it by itself. */
export function headRefOf(
  { identity: { subject } }: Pick<PreviewFacts, 'identity'>,
  source: { pullRequestRef(number: number): string },
): string {
  return subject.kind === 'branch' ? `refs/heads/${subject.branch}` : source.pullRequestRef(subject.number);
}

export type DriverName = 'process' | 'kubernetes';

/** Every method may be called again after it was interrupted anywhere. */
export interface PreviewDriver {
  readonly name: DriverName;
  /** In which cluster previews of an organization are made now; null where there is only this machine. */
  home(organizationId: string): Promise<string | null>;
  /** How it stands now. What has failed and has mended itself since is not `failed` any more. */
  observe(place: Place, facts: PreviewFacts): Promise<Condition>;
  /** The same from what is known already: cheap, and perhaps a moment old. */
  glance(place: Place, facts: Pick<PreviewFacts, 'private'>): Promise<Condition>;
  /** Makes what the commit needs in order to run. Answers the place with `built` or `failure` set. */
  build(place: Place, facts: PreviewFacts, signal: AbortSignal): Promise<Place>;
  /** Starts it. Answers the place with `port` and `handle` set. */
  start(place: Place, facts: PreviewFacts, signal: AbortSignal): Promise<Place>;
  /** Waits until it answers. Answers the place with `answered` or `failure` set. */
  awaitReady(place: Place, facts: PreviewFacts, signal: AbortSignal): Promise<Place>;
  /** For a place that ended by itself too often: answers it with `failure` set. */
  giveUp(place: Place): Promise<Place>;
  /** Ends what runs of it and keeps what was built. */
  stop(place: Place, facts: PreviewFacts): Promise<Place>;
  /** The same for a worker that ends, of what cannot run on without it; the place as it is where it can. */
  halt(place: Place): Promise<Place>;
  /** Whether all visitors come through our own listener: where they do not, nobody can say that none came. */
  seesVisits(facts: Pick<PreviewFacts, 'private' | 'cluster' | 'organizationId'>): Promise<boolean>;
  /** Lets visitors in to what they see now, null: to nothing. */
  publish(serving: Place | null, facts: PreviewFacts): Promise<void>;
  /** Leaves nothing of a place: what runs, files, logs. */
  remove(place: Place, facts: PreviewFacts): Promise<void>;
  /** Leaves nothing of the preview at all, after its places were removed. */
  removeAll(facts: PreviewFacts): Promise<void>;
  /**
   * Ends everything that would end with this worker, known to a row or not, and keeps what was built. One that cannot be
   * stopped does not keep the others running; it rejects once all have been tried.
   */
  stopAll(): Promise<void>;
  /** Ids of everything that exists on this machine, known to a row or not. */
  list(): Promise<string[]>;
  /** Removes what no row knows. */
  removeUnknown(id: string): Promise<void>;
}
