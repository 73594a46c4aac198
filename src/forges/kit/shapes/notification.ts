/** What an account is told beside its webhooks: GitHub's notification threads. */
import type { JsonObject } from '../../forge.js';
import type { ShapeBase } from './base.js';
import { UNKNOWN_TIME } from './fields.js';
import type { Id, RepositoryInput } from './inputs.js';
import { minimalRepository } from './repository.js';

export interface NotificationInput {
  id: Id;
  title: string;
  /** GitHub's name for the kind of thing, such as `PullRequest`. */
  type: string;
  /** Where it is read; null for what has no address here. */
  url: string | null;
  latestCommentUrl: string | null;
  /** GitHub's word, such as `mention`. */
  reason: string;
  unread: boolean;
  updatedAt: string | undefined;
}

export function notification(base: ShapeBase, repository: RepositoryInput, input: NotificationInput): JsonObject {
  const { id, title, type, url, latestCommentUrl, reason, unread } = input;
  const self = `${base.api}/notifications/threads/${id}`;
  return {
    id: String(id),
    repository: minimalRepository(base, repository),
    subject: { title, url, latest_comment_url: latestCommentUrl, type },
    reason,
    unread,
    updated_at: input.updatedAt ?? UNKNOWN_TIME,
    last_read_at: null,
    url: self,
    subscription_url: `${self}/subscription`,
  };
}
