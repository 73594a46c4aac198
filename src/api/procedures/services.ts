/** What the procedures are handed: the store as the api role, and what takes more than that role or than this folder may import. */
import type { Access } from '../../accounts/access/access.js';
import type { Blobs, StoredBlob } from '../../accounts/blobs.js';
import type { ConnectRequest } from '../../accounts/connecting/connect.js';
import type { DeclaredChange, DeclaredPlace, declareConnection } from '../../accounts/connecting/declared.js';
import type { Probed } from '../../accounts/connecting/probe.js';
import type { ServeWish } from '../../accounts/connecting/serve-repositories.js';
import type { ConsentedAccount } from '../../accounts/connection-kinds.js';
import type { ConnectionPlace } from '../../accounts/connection-rows.js';
import type { AppPage } from '../../accounts/install-state.js';
import type { PersonalInstallStateOptions } from '../../accounts/personal-install-state.js';
import type { PreviewSecret, PreviewSecretWish } from '../../accounts/preview-secrets.js';
import type { SignedLinks } from '../../accounts/signed-links.js';
import type { Vault } from '../../accounts/vault.js';
import type { Secrets } from '../../accounts/vault-columns.js';
import type { TokenFacts } from '../../forges/administration.js';
import type { ForgeDescriptor } from '../../forges/forge.js';
import type { Replay, ReplayOptions } from '../../inbox/replay.js';
import type { PlannedAgents } from '../../jobs/agent/agents.js';
import type { SessionWish } from '../../jobs/agent/desired.js';
import type { AskedPreview, PreviewAsk } from '../../jobs/preview/by-hand.js';
import type { ReadPreviewLog } from '../../jobs/preview/logs.js';
import type { JobKey } from '../../jobs/queue/queue.js';
import type { Logger } from '../../lib/logger.js';
import type { OutboundRoute } from '../../lib/outbound/outbound.js';
import type { Store } from '../../store/database.js';
import type { AskFreshRoles } from '../fresh-role.js';

/** GitHub's requests on one repository, whatever its forge. Answers come from outside: unknown until checked. */
export interface RepositoryRequests {
  request(route: string, parameters?: Record<string, unknown>): Promise<{ status: number; data: unknown }>;
}

/** An App's installation, as the forge told it. */
export interface InstallationFacts {
  accountId: bigint;
  accountLogin: string;
  accountType: string;
  suspended: boolean;
}

export interface AppKey {
  forge: ForgeDescriptor;
  /** Base URL of the instance. */
  url: string;
  appId: string;
  installationId: bigint;
  /** PEM. */
  privateKey: string;
  /** How the instance is reached, where that is not as usual. */
  route?: OutboundRoute | undefined;
}

/** Of a question to a forge. `unreachable`: it gave no answer. `forbidden`: it took the token, and said no. */
export type Asked<T> =
  | { ok: true; facts: T }
  | { ok: false; unreachable: boolean; forbidden?: boolean; reason: string };

export interface ConnectionWork {
  /** See `connectForge`: measures, stores, chooses repositories, makes webhooks. Lines for a person are in `notes`. */
  connect(
    organizationId: string,
    request: ConnectRequest,
    by: string,
  ): Promise<{ id: string; notes: readonly string[]; problems: readonly string[] }>;
  /** An account of the organization to which somebody agreed on the forge: stores it, tells the apps, measures what it may do. */
  connectOAuth(place: ConnectionPlace, account: ConsentedAccount): Promise<{ id: string }>;
  /** See `serveMore`. */
  serve(
    organizationId: string,
    connectionId: string,
    wish: ServeWish,
    by: string,
  ): Promise<{ notes: readonly string[]; problems: readonly string[] }>;
  /** Keeps a request whose forge cannot be reached, and why; it is carried out by itself later. Answers the connection's id. */
  keep(organizationId: string, request: ConnectRequest, reason: string, by: string): Promise<string>;
  /** See `disconnectForge`. */
  disconnect(
    organizationId: string,
    connectionId: string,
    o: {
      keepHooks: boolean;
      wait: boolean;
      by: string;
      /** Also what is held of it; see `deleteHeldData`. */
      withData?: boolean;
      /** A person's, which no app knows of. */
      own?: boolean;
    },
  ): Promise<{ problems: readonly string[] }>;
  /** See `exportConnection`. */
  export(
    organizationId: string,
    connectionId: string,
    write: (line: string) => Promise<void>,
    o: { actor: string; ownerId: string | null },
  ): Promise<number | undefined>;
  /** See `testConnection`. */
  test(organizationId: string, connectionId: string): Promise<Probed>;
  /** Asks a forge who a token is; stores nothing. */
  probe(forge: ForgeDescriptor, url: string, token: string, route?: OutboundRoute): Promise<Asked<TokenFacts>>;
  /** How the operator said that the organization's connections to this host reach it. */
  operatorsRoute(place: ConnectionPlace): Promise<OutboundRoute>;
  /** Asks a forge what an App's installation is; stores nothing. */
  installation(app: AppKey): Promise<Asked<InstallationFacts>>;
  /** See `declareConnection`. */
  declare(place: DeclaredPlace, o: Parameters<typeof declareConnection>[3]): Promise<string>;
  /** See `changeDeclared`; apps hear of a connection that was verified. */
  change(organizationId: string, connectionId: string, change: DeclaredChange, by: string): Promise<void>;
  /** Its secrets, to ask the forge with. They never leave the server. */
  secretsOf(organizationId: string, connectionId: string): Promise<Secrets<'connection'>>;
}

/** Secrets that previews are given; a value goes in and never comes out. */
export interface PreviewSecretWork {
  set(organizationId: string, wish: PreviewSecretWish): Promise<PreviewSecret>;
  list(organizationId: string, repositoryId?: string): Promise<PreviewSecret[]>;
  /** False: there was none. */
  delete(organizationId: string, id: string, by: string): Promise<boolean>;
}

/** What of workspaces takes keys, the job queue or the outside world. */
export interface WorkspaceWork {
  vault: Vault;
  blobs: Blobs;
  links: SignedLinks;
  /**
   * Checks an archive of a configuration while it arrives, and keeps it.
   * @throws ForgewayError FORGEWAY_ARCHIVE_REFUSED, FORGEWAY_TOO_LARGE; whatever the stream throws when it breaks
   */
  storeArchive(organizationId: string, bytes: AsyncIterable<Uint8Array>): Promise<StoredBlob>;
  /** A hint that a run has something to do; nothing is lost without it. */
  runSoon(key: JobKey & { version: bigint }): Promise<void>;
}

export interface Services {
  workspaces: WorkspaceWork;
  /** Opened as the api role. */
  store: Store;
  /** Decides what each caller may, and writes it down. */
  access: Pick<Access, 'check'>;
  forges: ReadonlyMap<string, ForgeDescriptor>;
  connections: ConnectionWork;
  /** Has a delivery of this organization run again. */
  replay(deliveryId: bigint, o: ReplayOptions): Promise<Replay>;
  /** A hint that there is work; nothing is lost without it. */
  syncSoon(key: JobKey & { version: bigint }): Promise<void>;
  /** The same for a session that somebody wants something of. */
  /** Writes down what somebody wants of a preview, in the trail too, and has it looked at. */
  askPreview(o: { organizationId: string; previewId: string; to: PreviewAsk; by: string }): Promise<AskedPreview>;
  sessionSoon(wish: SessionWish): Promise<void>;
  /** Absent: none are configured. */
  agents: PlannedAgents | undefined;
  /** @throws ForgewayError FORGEWAY_INSTALLATION_UNKNOWN or FORGEWAY_CONNECTION_UNUSABLE */
  requestsOf(organizationId: string, repositoryId: string): Promise<RepositoryRequests>;
  /** Page of the App that serves a host, as far as it is known now. */
  appPage(): Promise<AppPage>;
  previewSecrets: PreviewSecretWork;
  /** What a preview printed, as far as this machine keeps it. */
  previewLog: ReadPreviewLog;
  /** What a person may see on a forge, asked with a connection of theirs. */
  visibleWith: PersonalInstallStateOptions['visibleWith'];
  freshMemberships: AskFreshRoles;
  log: Logger;
}
