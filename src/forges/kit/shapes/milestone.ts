/** Milestones. */
import type { JsonObject } from '../../forge.js';
import { userOrGhost } from './account.js';
import type { ShapeBase } from './base.js';
import { UNKNOWN_TIME } from './fields.js';
import type { MilestoneInput } from './inputs.js';
import { jsonId, nodeId } from './node-id.js';
import { apiOf, pageOf } from './repository.js';

export function milestone(base: ShapeBase, owner: string, repo: string, input: MilestoneInput): JsonObject {
  const url = `${apiOf(base, owner, repo)}/milestones/${input.number}`;
  return {
    url,
    html_url: input.htmlUrl ?? `${pageOf(base, owner, repo)}/milestone/${input.number}`,
    labels_url: `${url}/labels`,
    id: jsonId(input.id),
    node_id: nodeId('Milestone', input.id, `${owner}/${repo}#${input.number}`),
    number: input.number,
    title: input.title,
    description: input.description ?? null,
    creator: userOrGhost(base, input.creator),
    open_issues: input.openIssues ?? 0,
    closed_issues: input.closedIssues ?? 0,
    state: input.state,
    created_at: input.createdAt ?? UNKNOWN_TIME,
    updated_at: input.updatedAt ?? input.createdAt ?? UNKNOWN_TIME,
    due_on: input.dueOn ?? null,
    closed_at: input.closedAt ?? null,
  };
}
