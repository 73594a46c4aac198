/**
 * What Forgeway needs to know about a forge. A forge is a value in the registry, never a `switch` elsewhere:
 * everything another folder could want to ask "which forge is this?" for is a field here.
 */
import type { ForgeAdministration } from './administration.js';
import type { AppInstallations } from './app-installation.js';
import type { ForgeAppManifest } from './app-manifest.js';
import type { DeliveryLog } from './delivery-log.js';
import type { ForgeEndpoint } from './endpoint.js';
import type { AskAssociations } from './kit/associations.js';
import type { ForgeFake, ForgeFakeOptions } from './kit/fake/forge-fake.js';
import type { NativeClient } from './kit/native-client.js';
import type { Records } from './kit/records.js';
import type { GitHubRequest, RouteTable, Support } from './kit/route.js';
import type { ShapeBase } from './kit/shapes/base.js';
import type { ForgeOAuth } from './oauth.js';
import type { ForgePoll } from './poll.js';
import type { ForgeRoles } from './roles.js';

/** Header names in lower case, as node:http gives them. */
export type WebhookHeaders = Readonly<Record<string, string | string[] | undefined>>;

export type JsonObject = Readonly<Record<string, unknown>>;

/** Checks a signature while the body streams in, so that an unsigned body is never parsed nor held longer than needed. */
export interface SignatureCheck {
  update(chunk: Buffer): void;
  /** True when the body seen so far carries a valid signature under one of the secrets. Constant time. Call once. */
  valid(): boolean;
}

/** One GitHub-shaped event found in a delivery. */
export interface ForgeEvent {
  /** GitHub's event name, such as `pull_request`. */
  name: string;
  /** GitHub's action, such as `synchronize`; absent for events without actions, such as `push`. */
  action?: string;
  /**
   * What changed, where the forge sends only the new state: worked out once when the delivery is classified, stored with
   * it, and handed to {@link ForgeDescriptor.payload}. Plain JSON. Examples: `{ label: { id, name, color } }`, `{ before: sha }`.
   */
  change?: JsonObject;
}

/** What a delivery is about, read without asking anybody. */
export type Classification =
  | { kind: 'ignored'; reason: string }
  | {
      kind: 'events';
      /** In the order in which GitHub would have sent them. */
      events: readonly ForgeEvent[];
      /** Forge's numeric repository id; absent for events of an account or an installation. */
      repositoryId?: bigint;
      /** Pull request or issue number as handlers see it: events of one number share a lane and stay in order. */
      number?: number;
      /** The forge's installation number, where the forge has Apps. */
      installationId?: bigint;
      /** Whose installation it is, where the delivery says so. */
      account?: { id: bigint; login: string };
      /**
       * Same for the same happening whoever reports it: object, digest of what changed, head SHA.
       * Absent when the event cannot be told apart from its repetition; such an event is never dropped. Does not hold
       * forge and host, which the caller puts before it.
       */
      semanticKey?: string;
    };

/**
 * What a delivery says of one object as it is now. The last one is kept, so that the next delivery about the same object,
 * which tells only the new state, can be compared with it. Plain JSON of a few hundred bytes.
 */
export interface Snapshot {
  repositoryId: bigint;
  kind: 'pull_request' | 'issue';
  number: number;
  /** Forge's version of the object: an older snapshot never replaces a newer one. */
  updatedAt: string | undefined;
  state: JsonObject;
}

export interface ClassifyOptions {
  /** State of the last {@link Snapshot} of the same object; absent when there is none. */
  previous?: JsonObject;
  /** Whether the connection asked for confidential issues and notes, which are ignored otherwise. */
  confidential?: boolean;
}

/** A stored delivery, as its translation gets it. */
/** What apps are told of one event: once, or as often as the list is long. */
export type Told = JsonObject | readonly JsonObject[];

export const eachOf = (told: Told): readonly JsonObject[] =>
  Array.isArray(told) ? (told as readonly JsonObject[]) : [told as JsonObject];

export interface NativeDelivery {
  eventType: string;
  payload: JsonObject;
  receivedAt: Date;
}

/** What a translation may use to fill in what the forge did not send. */
export interface TranslatePorts {
  base: ShapeBase;
  /** Asks the same forge in GitHub's language, through its own route table. Absent when no token is connected. */
  github?: GitHubRequest;
  /** Fields beyond the small core that the app said it reads, as `pull_request.additions`. */
  wanted: ReadonlySet<string>;
  /** Where a comment that an event tells of is remembered, for routes that name it by its id alone. */
  records?: Records;
  /** The forge's own number of the webhook that the delivery came through; undefined where it is not known. */
  hookNumber?(): Promise<number | undefined>;
}

/**
 * How well a forge gives an event, by GitHub's name with an action (`pull_request.opened`) or without one (`push`), where
 * it is the same for all. What has no row is never sent.
 */
export type EventSupport = Readonly<
  Record<
    string,
    {
      support: Support;
      /** Why it is partial or emulated, in one sentence; required for `partial`. */
      note?: string;
    }
  >
>;

/** Addresses of pages, for people. */
export interface AppPages {
  /** Where it is installed; `app` is the App's own page. */
  install(app: string): string;
  /** The settings of an installation: which repositories it reaches, whether it is suspended. */
  settings(web: string, installation: { id: bigint; accountLogin: string; ofOrganization: boolean }): string;
}

/** An agent that the forge runs itself. It works in the name of a person, whose own token it is asked with. */
export interface ForgeAgent {
  /** How commands call it. */
  name: string;
  label: string;
  /** `unavailable`: the forge did not take it, since it is not switched on there or not for this person. */
  assign(
    native: NativeClient,
    issue: { owner: string; name: string; number: number },
    o: { baseBranch: string; instructions: string },
  ): Promise<'assigned' | 'unavailable'>;
  unassign(native: NativeClient, issue: { owner: string; name: string; number: number }): Promise<void>;
  /** Whether a pull request is what it made for this issue. */
  isItsWork(
    pull: { authorLogin: string | null; headBranch: string; title: string; body: string },
    issue: number,
  ): boolean;
  /** Whether it has finished with one. */
  isFinished(pull: { draft: boolean; title: string }): boolean;
}

export interface ForgeDescriptor {
  /** Stable id, stored in `forge` columns and used in webhook paths. */
  id: string;
  /** Name for people. */
  label: string;
  /** Two letters in preview names, such as `gh` in `acme-web-gh-pr-12`. */
  tag: string;
  /** Accepted request content types, without parameters. */
  contentTypes: readonly string[];
  /** Further paths of the hook configured through the environment, such as the one other bots of this forge use. */
  webhookAliases?: readonly string[];
  /** Request headers that may be stored with a delivery. Never a credential or a signature. */
  storedHeaders: readonly string[];
  /** Undefined when the request carries no signature of the right form; the answer is the same 401. */
  signatureCheck(headers: WebhookHeaders, secrets: readonly string[]): SignatureCheck | undefined;
  /**
   * Secrets that nobody knows, one of each form that a hook may have. Deliveries to hooks that do not exist are checked against
   * them, so that being refused there takes the same time. One random text unless said otherwise.
   */
  decoySecrets?(): readonly string[];
  /** The forge's own id of the delivery, equal when it redelivers; undefined when it sends none. */
  deliveryKey(headers: WebhookHeaders): string | undefined;
  /** The native event name in the headers, or ''. */
  eventType(headers: WebhookHeaders): string;
  /**
   * The JSON object in a stored body: the body itself, or a form field that holds it. `contentType` is the request's,
   * parameters and case included or not. Never throws; `invalid` says why in one sentence for a person.
   */
  parse(contentType: string, body: Buffer): { payload: JsonObject } | { invalid: string };
  /** Pure; never throws: what cannot be understood is ignored with a reason. */
  classify(eventType: string, payload: JsonObject, options?: ClassifyOptions): Classification;
  /** Pure; never throws. Absent on a forge whose events always say what changed. */
  snapshot?(eventType: string, payload: JsonObject): Snapshot | undefined;
  /**
   * The GitHub-shaped payload of one event of a classified delivery: plain JSON, without `installation`, which the caller
   * adds. A field that was not sent and cannot be asked for gets the value that GitHub's schema allows for "unknown".
   * Where the delivery does not tell how often it happened, a list: apps are told each, in its order. It is the same list
   * whenever it is asked for, and empty when, looked at closer, the delivery tells no such event.
   * @throws ForgewayError FORGEWAY_PAYLOAD_INVALID naming the first missing field; what `ports.github` throws while the
   *   forge cannot be reached, so that the delivery is tried again.
   */
  payload(delivery: NativeDelivery, event: ForgeEvent, ports: TranslatePorts): Promise<Told>;

  /** How people write the base URL of an instance to servers and pages. @throws TypeError when it is no URL */
  endpoint(baseUrl: string): ForgeEndpoint;
  /** The forge's own cloud, for a connection that names no instance. */
  cloudUrl?: string;
  /** Owners may have several segments, as groups in groups; an app sees `a/b` as `a~b`. */
  nestedOwners?: boolean;
  /**
   * True where an address that is left out of a declaration means the cloud. Most instances of the others are somebody's own,
   * and a token must not go to the wrong one.
   */
  cloudByDefault?: true;
  /** The `authorization` header for a connection's token; `Bearer` and the token unless said otherwise. */
  authorization?(token: string): string;
  /** What the parsed body of a refusal says, where it is not in `message`, `error` or `error_description`. */
  failureMessage?(body: unknown): string | undefined;
  /** Folders that are read after `.github` for the settings of an app, such as `.gitlab`. */
  configFolders?: readonly string[];
  /** GitHub's requests on this forge; absent on GitHub itself, whose API is spoken already. */
  routes?: RouteTable;
  /** What accounts are to a repository, for `author_association`; without it everybody's is NONE. */
  associations?: AskAssociations;
  /** Asking what changed; absent on a forge that is served by its webhooks alone. */
  poll?: ForgePoll;
  /** Which of GitHub's events it gives; absent on GitHub itself, which gives them all. */
  eventSupport?: EventSupport;
  /** What names of events begin with, before a dot, that tell what GitHub has no word for; absent: there are none. */
  nativeEvents?: string;
  /** Events that it does not send, and that Forgeway tells instead of what apps write through it. */
  ownEvents?: EventSupport;
  /** A stateful double of an instance on loopback, for tests, the demo and `forgeway app test`. */
  startFake?(options: ForgeFakeOptions): Promise<ForgeFake>;
  /** Connecting an instance with a token: who am I, what may I do, which repositories, their webhooks. */
  administration?: ForgeAdministration;
  /** Signing in with it, and tokens that are refreshed; absent where it gives none. */
  oauth?: ForgeOAuth;
  /** Who belongs to its organizations and teams; absent on a forge that has none. */
  roles?: ForgeRoles;
  /** Where a person installs an App, or lets it reach further repositories; absent where there are none. Pure. */
  appPages?: AppPages;
  /** Asking about installations of an App; absent where there are none. */
  appInstallations?: AppInstallations;
  /** Registering an App from a manifest; absent where there are none. Pure. */
  appManifest?: ForgeAppManifest;
  /** What the forge remembers of the deliveries of an App's hook, where it has Apps. `native` speaks as the App itself. */
  appDeliveries?(native: NativeClient): DeliveryLog;
  /** An agent of the forge's own, that issues can be handed to. */
  agent?: ForgeAgent;
  /** `username` of git over HTTPS when the password is a token. */
  gitUsername: string;
  /** Full ref under which the forge offers the head of a pull request, also one from a fork. `number` is as apps see it. */
  pullRequestRef(number: number): string;
}

/**
 * Checks a descriptor and returns it, for forges that are defined outside of this folder.
 * @throws TypeError naming the field that is wrong
 */
export function defineForge(descriptor: ForgeDescriptor): ForgeDescriptor {
  if (!/^[a-z][a-z0-9-]{0,30}$/.test(descriptor.id))
    throw new TypeError(`The id of a forge is a short name, not "${descriptor.id}".`);
  if (!/^[a-z]{2}$/.test(descriptor.tag)) throw new TypeError(`The tag of ${descriptor.id} has two letters.`);
  if (descriptor.contentTypes.length === 0) throw new TypeError(`${descriptor.id} accepts no content type.`);
  const badHeader = descriptor.storedHeaders.find(
    (name) => name !== name.toLowerCase() || /token|signature|authorization|cookie/.test(name),
  );
  if (badHeader !== undefined) throw new TypeError(`${descriptor.id} may not store the header ${badHeader}.`);
  return descriptor;
}
