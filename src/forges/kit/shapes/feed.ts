/** Feeds of what happened, as GitHub's events API tells it: who did what where, and the payload of its type. */
import type { JsonObject } from '../../forge.js';
import { user } from './account.js';
import type { ShapeBase } from './base.js';
import { UNKNOWN_TIME } from './fields.js';
import type { AccountInput, Id } from './inputs.js';
import { jsonId } from './node-id.js';
import { apiOf } from './repository.js';

export interface FeedPlace {
  id: Id;
  owner: string;
  name: string;
}

/** One of GitHub's events without who and where. */
export interface FeedStory {
  /** Such as `PushEvent`. */
  type: string;
  payload: JsonObject;
}

export interface FeedEventInput extends FeedStory {
  id: Id;
  actor: AccountInput;
  place: FeedPlace;
  public: boolean;
  createdAt: string | undefined;
}

const actorOf = (base: ShapeBase, account: AccountInput): JsonObject => {
  const { id, login, gravatar_id, url, avatar_url } = user(base, account);
  return { id, login, display_login: login, gravatar_id, url, avatar_url };
};

export function feedEvent(base: ShapeBase, input: FeedEventInput): JsonObject {
  const { id, type, actor, place, payload } = input;
  return {
    id: String(id),
    type,
    actor: actorOf(base, actor),
    repo: { id: jsonId(place.id), name: `${place.owner}/${place.name}`, url: apiOf(base, place.owner, place.name) },
    payload,
    public: input.public,
    created_at: input.createdAt ?? UNKNOWN_TIME,
  };
}

/** An issue as feeds tell it: which one it is, and where the rest is read. */
export const toldIssue = (base: ShapeBase, place: FeedPlace, number: number, title: string): JsonObject => ({
  number,
  title,
  url: `${apiOf(base, place.owner, place.name)}/issues/${number}`,
});

/** The same of a pull request. */
export const toldPull = (base: ShapeBase, place: FeedPlace, number: number, title: string): JsonObject => ({
  ...toldIssue(base, place, number, title),
  url: `${apiOf(base, place.owner, place.name)}/pulls/${number}`,
});

/** The issue behind a pull request, as comments on it name it. */
export const toldPullIssue = (base: ShapeBase, place: FeedPlace, number: number, title: string): JsonObject => ({
  ...toldIssue(base, place, number, title),
  pull_request: { url: `${apiOf(base, place.owner, place.name)}/pulls/${number}` },
});

/** Commits that a branch got. */
export const pushed = (o: { id: Id; place: FeedPlace; ref: string; before: string; head: string; size: number }) => ({
  type: 'PushEvent',
  payload: {
    repository_id: jsonId(o.place.id),
    push_id: jsonId(o.id),
    size: o.size,
    distinct_size: o.size,
    ref: o.ref,
    head: o.head,
    before: o.before,
    commits: [],
  },
});

/** A branch or a tag that was made or removed; `ref` is its name alone. */
export const refStory = (what: 'CreateEvent' | 'DeleteEvent', kind: 'branch' | 'tag', ref: string): FeedStory => ({
  type: what,
  payload: {
    ref,
    ref_type: kind,
    full_ref: `refs/${kind === 'tag' ? 'tags' : 'heads'}/${ref}`,
    pusher_type: 'user',
  },
});

export const repositoryMade = (): FeedStory => ({
  type: 'CreateEvent',
  payload: { ref: null, ref_type: 'repository', pusher_type: 'user' },
});
