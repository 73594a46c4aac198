/** Feeds of what happened, by the names of GitHub's events. */
import type { JsonObject } from '../../forge.js';
import { segment } from '../../kit/native-client.js';
import { ISSUE_EVENTS_NOTE, repositoryIssueEvents } from '../../kit/repository-issue-events.js';
import type { RouteContext, RouteRequest, RouteTable } from '../../kit/route.js';
import {
  type FeedPlace,
  type FeedStory,
  feedEvent,
  pushed,
  refStory,
  repositoryMade,
  toldIssue,
  toldPull,
  toldPullIssue,
} from '../../kit/shapes/feed.js';
import { NO_COMMIT } from '../../kit/shapes/fields.js';
import { repositoryInput } from '../convert/repository.js';
import { time } from '../convert/time.js';
import { accountIfTold } from '../convert/user.js';
import { countIn, flagIn, idOf, objectOf, param, repoPath, textIn, textOf } from './native.js';
import { pageIn, pageOf } from './pages.js';
import { emulated } from './row.js';

interface Told {
  context: RouteContext;
  native: JsonObject;
  place: FeedPlace;
  /** `12|Title` as the server writes what an action is about. */
  number: number;
  text: string;
}

/** A branch or a tag by its name alone; older servers write the name, newer ones the ref. */
const nameOf = ({ native }: Told): string => textOf(native, 'ref_name').replace(/^refs\/(?:heads|tags)\//, '');

function parsed(text: string): JsonObject {
  try {
    return objectOf(JSON.parse(text));
  } catch (error) {
    // It is the server's own text, which may be cut or of another version: then nothing is told of the commits.
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

function push(told: Told): FeedStory {
  const { native, place } = told;
  const ref = textOf(native, 'ref_name');
  // A new branch without commits of its own has nothing to tell.
  if (textOf(native, 'content') === '') return refStory('CreateEvent', 'branch', nameOf(told));
  const content = parsed(textOf(native, 'content'));
  const [, before = NO_COMMIT, head = NO_COMMIT] =
    /\/compare\/([0-9a-f]{7,64})\.\.\.([0-9a-f]{7,64})$/.exec(textOf(content, 'CompareURL')) ?? [];
  return pushed({
    id: idOf(native),
    place,
    ref: ref.startsWith('refs/') ? ref : `refs/heads/${ref}`,
    before,
    head: textIn(objectOf(content.HeadCommit), 'Sha1') ?? head,
    size: countIn(content, 'Len') ?? 0,
  });
}

const issue =
  (action: string) =>
  ({ context, place, number, text }: Told): FeedStory => ({
    type: 'IssuesEvent',
    payload: { action, issue: toldIssue(context.base, place, number, text) },
  });

const pull =
  (action: string, merged = false) =>
  ({ context, place, number, text }: Told): FeedStory => ({
    type: 'PullRequestEvent',
    payload: { action, number, pull_request: { ...toldPull(context.base, place, number, text), merged } },
  });

/** What was said is told beside its number; the title is not. */
const review =
  (state: string, action = 'created') =>
  ({ context, place, number, text }: Told): FeedStory => ({
    type: 'PullRequestReviewEvent',
    payload: { action, review: { state, body: text }, pull_request: toldPull(context.base, place, number, '') },
  });

const comment =
  (onPull: boolean) =>
  ({ context, native, place, number, text }: Told): FeedStory => {
    const told = objectOf(native.comment);
    const of = onPull ? toldPullIssue : toldIssue;
    const id = countIn(told, 'id') ?? countIn(native, 'comment_id') ?? 0;
    return {
      type: 'IssueCommentEvent',
      payload: {
        action: 'created',
        issue: of(context.base, place, number, ''),
        comment: {
          id,
          body: textIn(told, 'body') ?? text,
          url: `${context.base.api}/repos/${segment(place.owner)}/${segment(place.name)}/issues/comments/${id}`,
        },
      },
    };
  };

const removed =
  (kind: 'branch' | 'tag') =>
  (told: Told): FeedStory =>
    refStory('DeleteEvent', kind, nameOf(told));

/** GitHub's event for each of the server's actions; what has none is left out. */
const STORIES: Readonly<Record<string, (told: Told) => FeedStory>> = {
  create_repo: repositoryMade,
  star_repo: () => ({ type: 'WatchEvent', payload: { action: 'started' } }),
  commit_repo: push,
  mirror_sync_push: push,
  push_tag: (told) => refStory('CreateEvent', 'tag', nameOf(told)),
  mirror_sync_create: (told) => refStory('CreateEvent', 'branch', nameOf(told)),
  delete_tag: removed('tag'),
  delete_branch: removed('branch'),
  mirror_sync_delete: removed('branch'),
  create_issue: issue('opened'),
  close_issue: issue('closed'),
  reopen_issue: issue('reopened'),
  create_pull_request: pull('opened'),
  close_pull_request: pull('closed'),
  reopen_pull_request: pull('reopened'),
  merge_pull_request: pull('closed', true),
  auto_merge_pull_request: pull('closed', true),
  pull_request_ready_for_review: pull('ready_for_review'),
  approve_pull_request: review('approved'),
  reject_pull_request: review('changes_requested'),
  pull_review_dismissed: review('dismissed', 'dismissed'),
  comment_issue: comment(false),
  comment_pull: comment(true),
  publish_release: ({ native }) => ({
    type: 'ReleaseEvent',
    payload: {
      action: 'published',
      release: { tag_name: textOf(native, 'ref_name').replace(/^refs\/tags\//, ''), name: textOf(native, 'content') },
    },
  }),
};

function asEvent(context: RouteContext, value: unknown): JsonObject | undefined {
  const native = objectOf(value);
  const word = textOf(native, 'op_type');
  const story = Object.hasOwn(STORIES, word) ? STORIES[word] : undefined;
  const actor = accountIfTold(native.act_user);
  // A repository that is gone leaves its actions behind.
  if (story === undefined || actor === undefined || native.repo == null) return undefined;
  const { id, owner, name } = repositoryInput(native.repo);
  const place: FeedPlace = { id, owner: owner.login, name };
  const [, number = '0', text = ''] = /^(\d+)\|?(.*)$/s.exec(textOf(native, 'content')) ?? [];
  return feedEvent(context.base, {
    ...story({ context, native, place, number: Number(number), text }),
    id: idOf(native),
    actor,
    place,
    public: flagIn(native, 'is_private') !== true,
    createdAt: time(native.created),
  });
}

type Query = Parameters<typeof pageOf>[3];

const feed =
  (pathOf: (request: RouteRequest) => string, query: Query = {}) =>
  async (request: RouteRequest, context: RouteContext) => {
    const path = `${pathOf(request)}/activities/feeds`;
    const answer = await pageOf(request, context, path, query, (native) => asEvent(context, native));
    return { ...answer, data: (answer.data as unknown[]).filter((event) => event !== undefined) };
  };

const NOTE =
  'Issues and pull requests are named by number, title and address; what GitHub has no event for is left out.';
const ofUser = (request: RouteRequest): string => `/users/${segment(param(request, 'username'))}`;
const USER = 'user: GET /users/{username}/activities/feeds';

export const feeds: RouteTable = {
  'GET /repos/{owner}/{repo}/events': emulated(
    'read',
    'repository: GET /repos/{owner}/{repo}/activities/feeds',
    NOTE,
    feed(repoPath),
  ),
  'GET /orgs/{org}/events': emulated(
    'read',
    'organization: GET /orgs/{org}/activities/feeds',
    NOTE,
    feed((request) => `/orgs/${segment(param(request, 'org'))}`),
  ),
  'GET /users/{username}/events': emulated('read', USER, NOTE, feed(ofUser, { 'only-performed-by': true })),
  'GET /users/{username}/received_events': emulated('read', USER, NOTE, feed(ofUser, { 'only-performed-by': false })),
  'GET /repos/{owner}/{repo}/issues/events': emulated(
    'read',
    'issue: GET /repos/{owner}/{repo}/issues, GET /repos/{owner}/{repo}/issues/{index}/timeline',
    ISSUE_EVENTS_NOTE,
    async (request, context) => pageIn(request, await repositoryIssueEvents(request, context)),
  ),
};
