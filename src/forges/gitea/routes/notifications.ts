/** What the account of the token was notified of. */
import type { JsonObject } from '../../forge.js';
import type { RouteContext, RouteRequest, RouteTable } from '../../kit/route.js';
import { notification } from '../../kit/shapes/notification.js';
import { repositoryInput } from '../convert/repository.js';
import { time } from '../convert/time.js';
import { flagIn, idOf, objectOf, repoPath, textIn, textOf } from './native.js';
import { apiBase } from './objects.js';
import { pageOf } from './pages.js';
import { emulated } from './row.js';

const TYPES: Readonly<Record<string, string>> = {
  Issue: 'Issue',
  Pull: 'PullRequest',
  Commit: 'Commit',
  Repository: 'RepositoryInvitation',
};

/** The server's address of a thing as the one that apps know; null for what has none. */
function addressOf(request: RouteRequest, context: RouteContext, native: string): string | null {
  const [, what, which] =
    /\/(issues\/comments|issues|pulls|commits)\/([0-9a-f]+)$/.exec(native.replace(/\/+$/, '')) ?? [];
  return what === undefined ? null : `${apiBase(request, context)}/${what}/${which}`;
}

function asNotification(request: RouteRequest, context: RouteContext, value: unknown): JsonObject {
  const native = objectOf(value);
  const subject = objectOf(native.subject);
  const type = textOf(subject, 'type');
  const url = addressOf(request, context, textOf(subject, 'url'));
  return notification(context.base, repositoryInput(native.repository), {
    id: idOf(native),
    title: textOf(subject, 'title'),
    type: Object.hasOwn(TYPES, type) ? (TYPES[type] ?? type) : type,
    url,
    latestCommentUrl: addressOf(request, context, textOf(subject, 'latest_comment_url')) ?? url,
    reason: 'subscribed',
    unread: flagIn(native, 'unread') ?? true,
    updatedAt: time(native.updated_at),
  });
}

export const notifications: RouteTable = {
  'GET /repos/{owner}/{repo}/notifications': emulated(
    'read',
    'notification: GET /repos/{owner}/{repo}/notifications',
    'Why somebody is notified is not told: the reason is always `subscribed`.',
    (request, context) =>
      pageOf(
        request,
        context,
        `${repoPath(request)}/notifications`,
        {
          all: request.query.all === 'true' ? true : undefined,
          since: textIn(request.query, 'since'),
          before: textIn(request.query, 'before'),
        },
        (native) => asNotification(request, context, native),
      ),
  ),
};
