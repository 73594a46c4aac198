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
  /** What few forges keep. */
  task?: string;
  payload?: unknown;
  transient?: boolean;
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
    task: input.task ?? 'deploy',
    payload: input.payload ?? {},
    original_environment: input.environment,
    environment: input.environment,
    transient_environment: input.transient ?? false,
    production_environment: input.production,
    description: input.description,
    creator: userOrGhost(base, input.creator),
    created_at: input.createdAt,
    updated_at: input.updatedAt,
    statuses_url: `${url}/statuses`,
    repository_url: api,
  };
}

export interface DeploymentStatusInput {
  id: Id;
  state: string | undefined;
  description: string;
  environmentUrl?: string;
  logUrl?: string;
  /** Where it is not that of the deployment. */
  environment?: string;
  creator?: AccountInput;
  /** Where it is told when the state was entered; else when the deployment was changed last. */
  createdAt?: string;
}

/** A state of a deployment. One that a forge gives no id of its own is entered once. `of` is the deployment as shown. */
export const deploymentStatus = (base: ShapeBase, of: JsonObject, input: DeploymentStatusInput): JsonObject => ({
  url: `${of.statuses_url}/${input.id}`,
  id: jsonId(input.id),
  node_id: nodeId('DeploymentStatus', input.id, input.state),
  state: input.state,
  creator: input.creator === undefined ? of.creator : userOrGhost(base, input.creator),
  description: input.description,
  environment: input.environment ?? of.environment,
  environment_url: input.environmentUrl ?? '',
  ...(input.logUrl && { log_url: input.logUrl }),
  target_url: input.logUrl ?? '',
  created_at: input.createdAt ?? of.updated_at,
  updated_at: input.createdAt ?? of.updated_at,
  deployment_url: of.url,
  repository_url: of.repository_url,
});
