/** What the poller is handed by entry, since it imports neither the bridge nor the apps. */
import type { ForgeDescriptor, JsonObject } from '../../forges/forge.js';
import type { NativeClient } from '../../forges/kit/native-client.js';
import type { GitHubRequest } from '../../forges/kit/route.js';
import type { ShapeBase } from '../../forges/kit/shapes/base.js';
import type { ForgePoll } from '../../forges/poll.js';
import type { Logger } from '../../lib/logger.js';
import type { Metrics } from '../../lib/metrics.js';
import type { Store } from '../../store/database.js';

/** How one installation's forge is asked. */
export interface PollAccess {
  forge: ForgeDescriptor;
  native: NativeClient;
  github: GitHubRequest;
  base: ShapeBase;
}

export interface PollPorts {
  /** As the worker role. */
  store: Store;
  /** By the number that handlers see; what is confidential is not there unless asked for. @throws ForgewayError when it cannot be spoken for */
  access(installationId: bigint, o: { confidential: boolean }): Promise<PollAccess>;
  /** The app that writes down what apps are told: while it has work to do on an object, nothing is reported of it. */
  recorder: string;
  log: Logger;
  metrics: Metrics;
}

/** A repository that is polled. */
export interface Watched {
  organizationId: string;
  /** Our id. */
  id: string;
  remoteId: bigint;
  forge: string;
  host: string;
  /** Web address of a self-hosted instance; null for a forge's own cloud. */
  instanceUrl: string | null;
  owner: string;
  name: string;
  /** The number that handlers see. */
  virtualId: bigint;
  /** The App's own number of the installation; null for a connection by token. */
  installationId: bigint | null;
  /** Through which the events enter. */
  hookId: string;
  /** Whether its owner asked for confidential issues and notes. */
  confidential: boolean;
  cursor: Cursor;
}

/** Listed as changed, and still to be looked at. */
export interface Pending {
  number: number;
  isPull: boolean;
}

export interface Cursor {
  watermarkAt: Date | null;
  importedAt: Date | null;
  since: Date | null;
  etag: string | null;
  pending: readonly Pending[];
  /** Looks so far. */
  cycles: number;
  failures: number;
  /** Whether branches were looked at. */
  knowsBranches: boolean;
  branchesEtag: string | null;
}

/** One cycle's work on one repository, with what it needs to ask. */
export interface Visit extends Omit<PollPorts, 'access'> {
  watched: Watched;
  access: PollAccess & { poll: ForgePoll };
  /** The repository in GitHub's shape; asked for once. */
  repository(): Promise<JsonObject>;
}
