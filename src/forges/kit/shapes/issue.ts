/** Issues, and pull requests seen as issues. */
import type { JsonObject } from '../../forge.js';
import { user, userOrGhost } from './account.js';
import type { ShapeBase } from './base.js';
import { reactions } from './comment.js';
import { fieldsOf, given, UNKNOWN_TIME } from './fields.js';
import type { IssueInput } from './inputs.js';
import { label } from './label.js';
import { milestone } from './milestone.js';
import { jsonId, nodeId } from './node-id.js';
import { apiOf } from './repository.js';

export function issue(base: ShapeBase, owner: string, repo: string, input: IssueInput, known?: JsonObject): JsonObject {
  const read = fieldsOf(known);
  const api = apiOf(base, owner, repo);
  const url = `${api}/issues/${input.number}`;
  const assignees = read(
    input.assignees?.map((one) => user(base, one)),
    'assignees',
    [],
  ) as unknown[];
  const author = input.author === undefined ? undefined : userOrGhost(base, input.author);
  const { pullRequest } = input;
  return {
    url,
    repository_url: api,
    labels_url: `${url}/labels{/name}`,
    comments_url: `${url}/comments`,
    events_url: `${url}/events`,
    html_url: input.htmlUrl,
    id: jsonId(input.id),
    node_id: nodeId(pullRequest === undefined ? 'Issue' : 'PullRequest', input.id, `${owner}/${repo}#${input.number}`),
    number: input.number,
    title: input.title,
    user: read(author, 'user', userOrGhost(base, undefined)),
    labels: read(
      input.labels?.map((one) => label(base, owner, repo, one)),
      'labels',
      [],
    ),
    state: input.state,
    locked: read(input.locked, 'locked', false),
    assignee: assignees[0] ?? null,
    assignees,
    milestone: read(input.milestone && milestone(base, owner, repo, input.milestone), 'milestone', null),
    comments: read(input.comments, 'comments', 0),
    created_at: read(input.createdAt, 'created_at', UNKNOWN_TIME),
    updated_at: read(input.updatedAt ?? input.createdAt, 'updated_at', UNKNOWN_TIME),
    closed_at: read(input.closedAt, 'closed_at', null),
    author_association: read(input.association, 'author_association', 'NONE'),
    active_lock_reason: read(undefined, 'active_lock_reason', null),
    body: read(input.body, 'body', null),
    reactions: read(undefined, 'reactions', reactions(url)),
    timeline_url: `${url}/timeline`,
    performed_via_github_app: null,
    state_reason: read(input.stateReason, 'state_reason', null),
    ...(pullRequest !== undefined && {
      ...given({ draft: pullRequest.draft }),
      pull_request: {
        url: `${api}/pulls/${input.number}`,
        html_url: pullRequest.htmlUrl,
        diff_url: `${pullRequest.htmlUrl}.diff`,
        patch_url: `${pullRequest.htmlUrl}.patch`,
        merged_at: pullRequest.mergedAt ?? null,
      },
    }),
  };
}
