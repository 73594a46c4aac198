/** Deployments: GitLab tells one hook per state, GitHub a deployment and then its states. */
import type { ForgeEvent, JsonObject, TranslatePorts } from '../../forge.js';
import { userOrGhost } from '../../kit/shapes/account.js';
import { NO_COMMIT, UNKNOWN_TIME } from '../../kit/shapes/fields.js';
import type { AccountInput } from '../../kit/shapes/inputs.js';
import { jsonId, nodeId } from '../../kit/shapes/node-id.js';
import { apiOf } from '../../kit/shapes/repository.js';
import { time } from '../convert/read.js';
import { type DeploymentEvent, deploymentEvent } from '../schema.js';
import { accountInput } from './account.js';
import { hook } from './hook.js';
import { firstId, hasPlace, type Place, placeOf, repositoryInput } from './place.js';

/** GitHub sends no hook for `inactive`, and its hooks have no word for a deployment that was cancelled. */
const STATES: Readonly<Record<string, string>> = {
  created: 'queued',
  blocked: 'waiting',
  running: 'in_progress',
  success: 'success',
  failed: 'failure',
  canceled: 'error',
};
const stateOf = (status: string) => (Object.hasOwn(STATES, status) ? STATES[status] : undefined);

/** The full SHA stands in the commit's address only. */
const shaOf = ({ commit_url: url, short_sha: short }: DeploymentEvent): string =>
  /\/commit\/([0-9a-f]{40,64})(?:$|[/?#])/.exec(url ?? '')?.[1] ?? short ?? NO_COMMIT;

function deploymentShape(
  payload: DeploymentEvent,
  place: Place,
  actor: AccountInput | undefined,
  ports: TranslatePorts,
) {
  const api = apiOf(ports.base, place.owner, place.name);
  const url = `${api}/deployments/${payload.deployment_id}`;
  const at = time(payload.status_changed_at) ?? UNKNOWN_TIME;
  const sha = shaOf(payload);
  return {
    url,
    id: jsonId(payload.deployment_id),
    node_id: nodeId('Deployment', payload.deployment_id),
    sha,
    ref: payload.ref ?? sha,
    task: 'deploy',
    payload: {},
    original_environment: payload.environment,
    environment: payload.environment,
    transient_environment: false,
    production_environment: payload.environment_tier === 'production',
    description: payload.commit_title ?? null,
    creator: userOrGhost(ports.base, actor),
    created_at: at,
    updated_at: at,
    statuses_url: `${url}/statuses`,
    repository_url: api,
  };
}

/** GitLab's states have no ids: a deployment enters each of them once. */
function statusShape(payload: DeploymentEvent, deployment: JsonObject): JsonObject {
  const state = stateOf(payload.status);
  return {
    url: `${deployment.statuses_url}/${payload.deployment_id}`,
    id: deployment.id,
    node_id: nodeId('DeploymentStatus', payload.deployment_id, state),
    state,
    creator: deployment.creator,
    description: payload.status,
    environment: payload.environment,
    environment_url: payload.environment_external_url ?? '',
    ...(payload.deployable_url && { log_url: payload.deployable_url }),
    target_url: payload.deployable_url ?? '',
    created_at: deployment.updated_at,
    updated_at: deployment.updated_at,
    deployment_url: deployment.url,
    repository_url: deployment.repository_url,
  };
}

export const deployment = hook(deploymentEvent, {
  classify(payload) {
    const repositoryId = firstId(payload.project?.id);
    if (repositoryId === undefined) return { ignored: 'project.id is missing.' };
    if (!hasPlace(payload.project)) return { ignored: 'project.path_with_namespace is missing.' };
    if (stateOf(payload.status) === undefined) return { ignored: 'GitHub knows no such state of a deployment.' };
    // Every deployment that does anything runs first.
    const first: ForgeEvent[] = payload.status === 'running' ? [{ name: 'deployment', action: 'created' }] : [];
    return {
      events: [...first, { name: 'deployment_status', action: 'created' }],
      repositoryId,
      identity: [payload.deployment_id, payload.status, payload.status_changed_at],
    };
  },
  async payload(payload, event, ports) {
    const actor = accountInput(ports.base, payload.user);
    const { project } = payload;
    const place = placeOf(ports, repositoryInput(ports.base, project ?? {}, project?.id ?? 0, actor), actor);
    const told = deploymentShape(payload, place, actor, ports);
    return {
      action: event.action,
      ...(event.name === 'deployment_status'
        ? { deployment_status: statusShape(payload, told), deployment: told }
        : { deployment: told, workflow: null, workflow_run: null }),
      ...place.fields,
    };
  },
});
