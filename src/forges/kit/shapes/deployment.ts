/** Deployments and the states that they enter. */
import type { JsonObject } from '../../forge.js';
import { userOrGhost } from './account.js';
import type { ShapeBase } from './base.js';
import type { AccountInput, Id } from './inputs.js';
import { jsonId, nodeId } from './node-id.js';
import { apiOf } from './repository.js';

export interface DeploymentInput {
  id: Id;
  sha: string;
  ref: string;
  environment: string;
  production: boolean;
  description: string | null;
  creator: AccountInput | undefined;
  createdAt: string;
  updatedAt: string;
}

export function deployment(base: ShapeBase, owner: string, repo: string, input: DeploymentInput): JsonObject {
  const api = apiOf(base, owner, repo);
  const url = `${api}/deployments/${input.id}`;
  return {
    url,
    id: jsonId(input.id),
    node_id: nodeId('Deployment', input.id),
    sha: input.sha,
    ref: input.ref,
    task: 'deploy',
    payload: {},
    original_environment: input.environment,
    environment: input.environment,
    transient_environment: false,
    production_environment: input.production,
    description: input.description,
    creator: userOrGhost(base, input.creator),
    created_at: input.createdAt,
    updated_at: input.updatedAt,
    statuses_url: `${url}/statuses`,
    repository_url: api,
  };
}

/** A state that a forge gives no id of its own: a deployment enters each of them once. `of` is the deployment as shown. */
export const deploymentStatus = (
  of: JsonObject,
  input: { id: Id; state: string | undefined; description: string; environmentUrl?: string; logUrl?: string },
): JsonObject => ({
  url: `${of.statuses_url}/${input.id}`,
  id: of.id,
  node_id: nodeId('DeploymentStatus', input.id, input.state),
  state: input.state,
  creator: of.creator,
  description: input.description,
  environment: of.environment,
  environment_url: input.environmentUrl ?? '',
  ...(input.logUrl && { log_url: input.logUrl }),
  target_url: input.logUrl ?? '',
  created_at: of.updated_at,
  updated_at: of.updated_at,
  deployment_url: of.url,
  repository_url: of.repository_url,
});
