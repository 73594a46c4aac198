/** What the account of the token was notified of. */
import type { JsonObject } from '../../forge.js';
import { segment } from '../../kit/native-client.js';
import { notFound, type RouteContext, type RouteRequest, type RouteTable } from '../../kit/route.js';
import { notification } from '../../kit/shapes/notification.js';
import { apiOf } from '../../kit/shapes/repository.js';
import { repositoryInput } from '../convert/repository.js';
import { time } from '../convert/time.js';
import { flagIn, idOf, numberParam, objectOf, repoPath, textIn, textOf } from './native.js';
import { pageOf } from './pages.js';
import { emulated } from './row.js';

const TYPES: Readonly<Record<string, string>> = {
  Issue: 'Issue',
  Pull: 'PullRequest',
  Commit: 'Commit',
  Repository: 'RepositoryInvitation',
};

/** The server's address of a thing as the one that apps know; null for what has none. */
function addressOf(api: string, native: string): string | null {
  const [, what, which] =
    /\/(issues\/comments|issues|pulls|commits)\/([0-9a-f]+)$/.exec(native.replace(/\/+$/, '')) ?? [];
  return what === undefined ? null : `${api}/${what}/${which}`;
}

function asNotification(context: RouteContext, value: unknown): JsonObject {
  const native = objectOf(value);
  const subject = objectOf(native.subject);
  const type = textOf(subject, 'type');
  const repository = repositoryInput(native.repository);
  const api = apiOf(context.base, repository.owner.login, repository.name);
  const url = addressOf(api, textOf(subject, 'url'));
  return notification(context.base, repository, {
    id: idOf(native),
    title: textOf(subject, 'title'),
    type: Object.hasOwn(TYPES, type) ? (TYPES[type] ?? type) : type,
    url,
    latestCommentUrl: addressOf(api, textOf(subject, 'latest_comment_url')) ?? url,
    reason: 'subscribed',
    unread: flagIn(native, 'unread') ?? true,
    updatedAt: time(native.updated_at),
  });
}

const threadAt = async (request: RouteRequest, context: RouteContext): Promise<JsonObject> =>
  objectOf(await context.native.get(`/notifications/threads/${numberParam(request, 'thread_id')}`));

/** Whether the account follows what the thread is about. Only issues and pull requests are followed one by one. */
async function subscription(request: RouteRequest, context: RouteContext) {
  const native = await threadAt(request, context);
  const told = asNotification(context, native);
  const { owner, name } = repositoryInput(native.repository);
  const [, number] = /\/(?:issues|pulls)\/(\d+)$/.exec(textOf(objectOf(told.subject), 'url')) ?? [];
  if (number === undefined) throw notFound();
  const watched = objectOf(
    await context.native.get(`/repos/${segment(owner.login)}/${segment(name)}/issues/${number}/subscriptions/check`),
  );
  return {
    data: {
      subscribed: watched.subscribed === true,
      ignored: watched.ignored === true,
      reason: null,
      created_at: time(watched.created_at) ?? null,
      url: textOf(told, 'subscription_url'),
      thread_url: textOf(told, 'url'),
    },
  };
}

const NOTE = 'Why somebody is notified is not told: the reason is always `subscribed`.';
const THREAD = 'notification: GET /notifications/threads/{id}';

export const notifications: RouteTable = {
  'GET /repos/{owner}/{repo}/notifications': emulated(
    'read',
    'notification: GET /repos/{owner}/{repo}/notifications',
    NOTE,
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
        (native) => asNotification(context, native),
      ),
  ),
  'GET /notifications/threads/{thread_id}': emulated('read', THREAD, NOTE, async (request, context) => ({
    data: asNotification(context, await threadAt(request, context)),
  })),
  'GET /notifications/threads/{thread_id}/subscription': emulated(
    'read',
    `${THREAD}; issue: GET /repos/{owner}/{repo}/issues/{index}/subscriptions/check`,
    'Whether the account follows the issue or the pull request; a commit and a repository have no such answer: 404.',
    subscription,
  ),
};
