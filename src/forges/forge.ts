/**
 * What Forgeway needs to know about a forge. A forge is a value in the registry, never a `switch` elsewhere:
 * everything another folder could want to ask "which forge is this?" for is a field here.
 */

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
}

/** What a delivery is about, read without asking anybody. */
export type Classification =
  | { kind: 'ignored'; reason: string }
  | {
      kind: 'events';
      events: readonly ForgeEvent[];
      /** Forge's numeric repository id; absent for events of an account or an installation. */
      repositoryId?: bigint;
      /** Pull request or issue number: events of one number share a lane and stay in order. */
      number?: number;
      /** The forge's installation number, where the forge has Apps. */
      installationId?: bigint;
      /**
       * Same for the same happening whoever reports it: object, digest of what changed, head SHA.
       * Absent when the event cannot be told apart from its repetition; such an event is never dropped. Does not hold
       * forge and host, which the caller puts before it.
       */
      semanticKey?: string;
    };

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
  classify(eventType: string, payload: JsonObject): Classification;
  /**
   * The GitHub-shaped payload of event `index` of a classified delivery.
   * @throws ForgewayError FORGEWAY_PAYLOAD_INVALID naming the first missing field.
   */
  payload(eventType: string, payload: JsonObject, index: number): JsonObject;
}
