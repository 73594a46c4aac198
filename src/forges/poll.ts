/** What a forge's folder adds to polling: how to ask what changed, and what a webhook of it tells of time. */
import type { JsonObject } from './forge.js';
import type { NativeClient } from './kit/native-client.js';

/** A repository as apps see it: a nested group is one segment. */
export interface PolledPlace {
  owner: string;
  name: string;
}

export type Listed<T> =
  | { kind: 'unchanged' }
  | {
      kind: 'list';
      items: readonly T[];
      /** For the next time, where the forge gives one and the whole answer stood on one page. */
      etag: string | null;
      /** The forge's clock when it answered; null when it did not tell. */
      asOf: Date | null;
      /** False when there was more than is read at a time. */
      whole: boolean;
    };

/** An issue or a pull request, by the number that apps see. */
export interface ChangedObject {
  number: number;
  updatedAt: Date;
  isPull: boolean;
}

export interface BranchHead {
  name: string;
  sha: string;
}

/** What the body of a webhook says of the object that it tells of, so that a late one is known. */
export interface Telling {
  /** When the pull request or issue was changed last, as this webhook tells it. */
  version?: string;
  /** The commit that the head of a pull request points to. */
  head?: string;
  comment?: { id: string; version?: string };
  /** Id of a review, where webhooks have it. */
  review?: string;
  /** Full name of a ref and the commits it pointed to; zeros where it was not there. */
  ref?: { name: string; before?: string; after?: string };
  /** The release that it tells of. */
  release?: { tag: string };
}

export interface ForgePoll {
  /**
   * Issues and pull requests changed at or after `since`: one request, and one more for each further page. Confidential ones
   * only if asked for. @throws RouteFailure
   */
  changed(
    native: NativeClient,
    place: PolledPlace,
    at: { since: Date; etag: string | null; confidential: boolean },
  ): Promise<Listed<ChangedObject>>;
  /** All branches, in the same way. @throws RouteFailure */
  branches(native: NativeClient, place: PolledPlace, at: { etag: string | null }): Promise<Listed<BranchHead>>;
  /**
   * The client as one who may not see what is confidential has it: lists lack it, and what is asked for by name is not there.
   * Absent on a forge that has no such thing.
   */
  withoutConfidential?(native: NativeClient): NativeClient;
  /** Pure; never throws. */
  telling(eventType: string, payload: JsonObject): Telling;
}
