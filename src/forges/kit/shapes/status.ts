/** Commit statuses: one, all of a commit put together, and the fields of the `status` event. */
import type { JsonObject } from '../../forge.js';
import { userOrGhost } from './account.js';
import type { ShapeBase } from './base.js';
import { commit } from './commit.js';
import { UNKNOWN_TIME } from './fields.js';
import type { CommitInput, CommitStatusInput } from './inputs.js';
import { jsonId, nodeId } from './node-id.js';
import { apiOf } from './repository.js';

export function commitStatus(base: ShapeBase, owner: string, repo: string, input: CommitStatusInput): JsonObject {
  const creator = userOrGhost(base, input.creator);
  return {
    url: `${apiOf(base, owner, repo)}/statuses/${input.sha}`,
    avatar_url: creator.avatar_url,
    id: jsonId(input.id),
    node_id: nodeId('StatusContext', input.id),
    state: input.state,
    description: input.description ?? null,
    target_url: input.targetUrl ?? null,
    context: input.context,
    created_at: input.createdAt ?? UNKNOWN_TIME,
    updated_at: input.updatedAt ?? input.createdAt ?? UNKNOWN_TIME,
    creator,
  };
}

/**
 * All statuses of a commit, as GET /repos/{owner}/{repo}/commits/{ref}/status answers it. `statuses` come from
 * {@link commitStatus}, newest first; of each context the newest counts.
 */
export function combinedStatus(
  _base: ShapeBase,
  repositoryObject: JsonObject,
  sha: string,
  statuses: readonly JsonObject[],
): JsonObject {
  const newest = new Map<unknown, JsonObject>();
  for (const status of statuses) if (!newest.has(status.context)) newest.set(status.context, status);
  const states = [...newest.values()].map((status) => status.state);
  const failed = states.some((state) => state === 'failure' || state === 'error');
  const passed = states.length > 0 && states.every((state) => state === 'success');
  const url = `${repositoryObject.url}/commits/${sha}`;
  return {
    state: failed ? 'failure' : passed ? 'success' : 'pending',
    statuses: [...newest.values()].map(({ creator: _creator, ...status }) => status),
    sha,
    total_count: newest.size,
    repository: repositoryObject,
    commit_url: url,
    url: `${url}/status`,
  };
}

/** The fields of a `status` event beside `repository` and `sender`. `branches` are those whose head the commit is. */
export function statusEvent(
  base: ShapeBase,
  owner: string,
  repo: string,
  input: CommitStatusInput,
  of: { commit: CommitInput; branches?: readonly string[] },
): JsonObject {
  const { id, state, description, target_url, context, avatar_url, created_at, updated_at } = commitStatus(
    base,
    owner,
    repo,
    input,
  );
  const api = apiOf(base, owner, repo);
  return {
    id,
    sha: input.sha,
    name: `${owner}/${repo}`,
    target_url,
    avatar_url,
    context,
    description,
    state,
    commit: commit(base, owner, repo, of.commit),
    branches: (of.branches ?? []).map((name) => ({
      name,
      commit: { sha: input.sha, url: `${api}/commits/${input.sha}` },
      protected: false,
    })),
    created_at,
    updated_at,
  };
}
