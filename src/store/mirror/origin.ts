/** Where mirrored rows come from and to whom they belong. Taken from the delivery or the job, never from a payload. */
export interface MirrorOrigin {
  organizationId: string;
  /** Id of the forge, as in its descriptor. */
  forge: string;
  host: string;
  /** Web address of a self-hosted forge; null for the forge's own cloud. */
  instanceUrl: string | null;
}

/** A mirrored repository as far as rows that hang on it need it. */
export interface RepositoryIdentity {
  /** Primary key of our row. */
  id: string;
  /** The forge's number, which a rename or a transfer keeps. */
  remoteId: bigint;
  owner: string;
  name: string;
}

/** A person or bot on the forge; teams carry their slug. */
export type Reviewer = Person | { team: string };
export interface Person {
  id: bigint;
  login: string;
}
export interface Label {
  name: string;
  color: string;
}
