/** Files that a run of a workflow left. */
import type { JsonObject } from '../../forge.js';
import type { ShapeBase } from './base.js';
import type { Id } from './inputs.js';
import { jsonId, nodeId } from './node-id.js';
import { apiOf } from './repository.js';

export interface ArtifactInput {
  id: Id;
  name: string;
  size: number;
  expired: boolean;
  createdAt: string | null;
  updatedAt: string | null;
  expiresAt: string | null;
  run: { id: Id; headBranch: string | null; headSha: string };
}

export function artifact(base: ShapeBase, owner: string, repo: string, input: ArtifactInput): JsonObject {
  const url = `${apiOf(base, owner, repo)}/actions/artifacts/${input.id}`;
  return {
    id: jsonId(input.id),
    node_id: nodeId('Artifact', input.id, `${owner}/${repo}`),
    name: input.name,
    size_in_bytes: input.size,
    url,
    archive_download_url: `${url}/zip`,
    expired: input.expired,
    created_at: input.createdAt,
    updated_at: input.updatedAt,
    expires_at: input.expiresAt,
    workflow_run: { id: jsonId(input.run.id), head_branch: input.run.headBranch, head_sha: input.run.headSha },
  };
}
