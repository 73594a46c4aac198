/** Feeds of what happened, and what accounts are notified of. */
import { z } from 'zod';
import { parameter } from '../../../kit/fake/request-check.js';
import type { FakeRequest, FakeRoute } from '../../../kit/fake/routing.js';
import { doer, notFound, ok, paged, paging, refuse, repositoryFor } from '../answers.js';
import { commentJson, issueUrl, repositoryJson, userJson } from '../objects.js';
import {
  type Activity,
  accountNamed,
  atLeast,
  levelOf,
  organizationNamed,
  repositoryById,
  type State,
} from '../state.js';
import type { World } from '../world.js';

type Notification = State['notifications'][number];

export function feedRoutes(world: World): FakeRoute[] {
  const { state } = world;

  function activityJson(of: Activity, login: string) {
    const repository = repositoryById(state, of.repository);
    const issue = repository?.issues.find(({ number }) => number === of.comment?.number);
    const comment = issue?.comments.find(({ id }) => id === of.comment?.id);
    const actor = userJson(world, of.by);
    return {
      id: of.id,
      user_id: actor.id,
      op_type: of.type,
      act_user_id: actor.id,
      act_user: actor,
      repo_id: of.repository,
      repo: repository ? repositoryJson(world, repository, login) : null,
      comment_id: of.comment?.id ?? 0,
      comment: repository && issue && comment ? commentJson(world, repository, issue, comment) : null,
      ref_name: of.ref,
      is_private: repository?.private ?? true,
      content: of.content,
      created: of.created,
    };
  }

  const feed = (
    path: string,
    tag: string,
    keep: (request: FakeRequest) => (activity: Activity) => boolean,
    more: z.ZodRawShape = {},
  ): FakeRoute => ({
    method: 'GET',
    path: `${path}/activities/feeds`,
    source: `${tag}: GET ${path.replace(/:(\w+)/g, '{$1}')}/activities/feeds`,
    query: z.object({ ...paging, date: z.iso.date().optional(), ...more }),
    run: (request) => {
      const { login } = doer(request);
      const keeps = keep(request);
      const seen = state.activities.filter((one) => {
        const repository = repositoryById(state, one.repository);
        return repository !== undefined && atLeast(levelOf(state, repository, login), 'read') && keeps(one);
      });
      return paged(world, request, seen.toReversed(), (one) => activityJson(one, login));
    },
  });

  const notificationJson = (of: Notification, login: string) => {
    const repository = repositoryById(state, of.repository) ?? notFound();
    const issue = repository.issues.find(({ number }) => number === of.number) ?? notFound();
    const type = issue.pull === null ? 'Issue' : 'Pull';
    const html = issueUrl(world, repository, issue);
    const url = `${world.apiUrl}/repos/${repository.owner}/${repository.name}/${type === 'Issue' ? 'issues' : 'pulls'}/${issue.number}`;
    const last = issue.comments.at(-1);
    const comment = last && `${world.apiUrl}/repos/${repository.owner}/${repository.name}/issues/comments/${last.id}`;
    return {
      id: of.id,
      repository: repositoryJson(world, repository, login),
      subject: {
        title: issue.title,
        url,
        latest_comment_url: comment ?? '',
        html_url: html,
        latest_comment_html_url: last ? `${html}#issuecomment-${last.id}` : '',
        type,
        state: issue.state,
      },
      unread: of.unread,
      pinned: false,
      updated_at: of.updated,
      url: `${world.apiUrl}/notifications/threads/${of.id}`,
    };
  };
  const time = parameter.time.optional();

  return [
    feed('/repos/:owner/:repo', 'repository', (request) => {
      const { id } = repositoryFor(world, request);
      return ({ repository }) => repository === id;
    }),
    feed('/orgs/:org', 'organization', (request) => {
      const { login } = organizationNamed(state, request.params.org ?? '') ?? notFound();
      return ({ repository }) => repositoryById(state, repository)?.owner === login;
    }),
    feed(
      '/users/:username',
      'user',
      (request) => {
        const { login } = accountNamed(state, request.params.username ?? '') ?? notFound();
        const isOwn = request.query.get('only-performed-by') === 'true';
        const watched = state.watches.filter((one) => one.login === login).map(({ repository }) => repository);
        return ({ by, repository }) => by === login || (!isOwn && watched.includes(repository));
      },
      { 'only-performed-by': parameter.flag.optional() },
    ),
    {
      method: 'GET',
      path: '/repos/:owner/:repo/notifications',
      source: 'notification: GET /repos/{owner}/{repo}/notifications',
      query: z.object({ ...paging, all: parameter.flag.optional(), since: time, before: time }),
      run: (request) => {
        const { id } = repositoryFor(world, request);
        const { login } = doer(request);
        const isAll = request.query.get('all') === 'true';
        const [since, before] = [request.query.get('since'), request.query.get('before')];
        const mine = state.notifications.filter(
          (one) =>
            one.login === login &&
            one.repository === id &&
            (isAll || one.unread) &&
            (since === null || Date.parse(one.updated) >= Date.parse(since)) &&
            (before === null || Date.parse(one.updated) <= Date.parse(before)),
        );
        return paged(world, request, mine, (one) => notificationJson(one, login));
      },
    },
    {
      method: 'GET',
      path: '/notifications/threads/:id',
      source: 'notification: GET /notifications/threads/{id}',
      run: (request) => {
        const { login } = doer(request);
        const thread = state.notifications.find(({ id }) => id === Number(request.params.id)) ?? notFound();
        if (thread.login !== login)
          return refuse(403, 'only user itself and admin are allowed to read/change this thread');
        return ok(notificationJson(thread, login));
      },
    },
    {
      method: 'GET',
      path: '/repos/:owner/:repo/issues/:index/subscriptions/check',
      source: 'issue: GET /repos/{owner}/{repo}/issues/{index}/subscriptions/check',
      run: (request) => {
        const repository = repositoryFor(world, request);
        const { login } = doer(request);
        const issue = repository.issues.find(({ number }) => number === Number(request.params.index)) ?? notFound();
        const subscribed = state.watches.some((one) => one.login === login && one.repository === repository.id);
        const url = `${world.apiUrl}/repos/${repository.owner}/${repository.name}`;
        return ok({
          subscribed,
          ignored: !subscribed,
          reason: null,
          created_at: issue.created,
          url: `${url}/issues/${issue.number}/subscriptions`,
          repository_url: url,
        });
      },
    },
  ];
}
