/** Reviews of pull requests. */
import type { JsonObject } from '../../forge.js';
import { userOrGhost } from './account.js';
import type { ShapeBase } from './base.js';
import { NO_COMMIT } from './fields.js';
import type { ReviewInput } from './inputs.js';
import { jsonId, nodeId } from './node-id.js';
import { apiOf } from './repository.js';

/** `state` is in lower case in webhooks and in upper case in the API; only the API knows a commit that is null. */
export function review(
  base: ShapeBase,
  owner: string,
  repo: string,
  input: ReviewInput,
  form: 'webhook' | 'api',
): JsonObject {
  const pull = `${apiOf(base, owner, repo)}/pulls/${input.number}`;
  return {
    id: jsonId(input.id),
    node_id: nodeId('PullRequestReview', input.id, `${owner}/${repo}#${input.number}`),
    user: userOrGhost(base, input.author),
    // As GitHub: a webhook says null where the API says ''.
    body: input.body || (form === 'webhook' ? null : ''),
    commit_id: input.commitSha ?? (form === 'webhook' ? NO_COMMIT : null),
    submitted_at: input.submittedAt ?? null,
    state: form === 'webhook' ? input.state : input.state.toUpperCase(),
    html_url: input.htmlUrl,
    pull_request_url: pull,
    author_association: input.association ?? 'NONE',
    _links: { html: { href: input.htmlUrl }, pull_request: { href: pull } },
  };
}
