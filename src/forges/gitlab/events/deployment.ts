/** Deployments: GitLab tells one hook per state, GitHub a deployment and then its states. */
import type { ForgeEvent, JsonObject, TranslatePorts } from '../../forge.js';
import * as shape from '../../kit/shapes/deployment.js';
import { NO_COMMIT, UNKNOWN_TIME } from '../../kit/shapes/fields.js';
import type { AccountInput } from '../../kit/shapes/inputs.js';
import { stateOf } from '../convert/deployment.js';
import { time } from '../convert/read.js';
import { anyEvent, type DeploymentEvent, deploymentEvent } from '../schema.js';
import { accountInput } from './account.js';
import { hook } from './hook.js';
import { firstId, hasPlace, NO_PLACE, type Place, placeOf, repositoryInput } from './place.js';
import { rawFinding, rawPayload } from './raw.js';

/** The full SHA stands in the commit's address only. */
const shaOf = ({ commit_url: url, short_sha: short }: DeploymentEvent): string =>
  /\/commit\/([0-9a-f]{40,64})(?:$|[/?#])/.exec(url ?? '')?.[1] ?? short ?? NO_COMMIT;

function deploymentShape(
  payload: DeploymentEvent,
  place: Place,
  actor: AccountInput | undefined,
  ports: TranslatePorts,
): JsonObject {
  const at = time(payload.status_changed_at) ?? UNKNOWN_TIME;
  const sha = shaOf(payload);
  return shape.deployment(ports.base, place.owner, place.name, {
    id: payload.deployment_id,
    sha,
    ref: payload.ref ?? sha,
    environment: payload.environment,
    production: payload.environment_tier === 'production',
    description: payload.commit_title ?? null,
    creator: actor,
    createdAt: at,
    updatedAt: at,
  });
}

const statusShape = (payload: DeploymentEvent, deployment: JsonObject, ports: TranslatePorts): JsonObject =>
  shape.deploymentStatus(ports.base, deployment, {
    id: payload.deployment_id,
    state: stateOf(payload.status),
    description: payload.status,
    environmentUrl: payload.environment_external_url ?? undefined,
    logUrl: payload.deployable_url ?? undefined,
  });

const RAW = 'gitlab.deployment';

export const deployment = hook(deploymentEvent, {
  classify(payload) {
    const repositoryId = firstId(payload.project?.id);
    if (repositoryId === undefined) return { ignored: 'project.id is missing.' };
    if (!hasPlace(payload.project)) return { ignored: NO_PLACE };
    // Such as `approved` and `rejected`, which are of an approval: only apps written for GitLab can know them.
    if (stateOf(payload.status) === undefined) return rawFinding('deployment', anyEvent.parse(payload), payload.status);
    // Every deployment that does anything runs first.
    const first: ForgeEvent[] = payload.status === 'running' ? [{ name: 'deployment', action: 'created' }] : [];
    return {
      events: [...first, { name: 'deployment_status', action: 'created' }],
      repositoryId,
      identity: [payload.deployment_id, payload.status, payload.status_changed_at],
    };
  },
  async payload(payload, event, ports, delivery) {
    if (event.name === RAW) return rawPayload(anyEvent.parse(payload), event, ports, delivery.payload);
    const actor = accountInput(ports.base, payload.user);
    const { project } = payload;
    const place = placeOf(ports, repositoryInput(ports.base, project ?? {}, project?.id ?? 0, actor), actor);
    const told = deploymentShape(payload, place, actor, ports);
    return {
      action: event.action,
      ...(event.name === 'deployment_status'
        ? { deployment_status: statusShape(payload, told, ports), deployment: told }
        : { deployment: told, workflow: null, workflow_run: null }),
      ...place.fields,
    };
  },
});
