/** Groups: a top-level one is an organization to GitHub, one below it a team. */
import type { ForgeEvent, JsonObject, TranslatePorts } from '../../forge.js';
import { organization } from '../../kit/shapes/account.js';
import type { AccountInput } from '../../kit/shapes/inputs.js';
import { team } from '../../kit/shapes/team.js';
import { ownerOf } from '../references.js';
import { anyEvent, type GroupEvent, groupEvent } from '../schema.js';
import { senderOf } from './account.js';
import { type Finding, hook } from './hook.js';
import { rawPayload } from './raw.js';

type What = 'create' | 'destroy' | 'rename';

const loginOf = (fullPath: string) => fullPath.replaceAll('/', '~');
const fullPathOf = (payload: GroupEvent) =>
  payload.full_path ?? (payload.parent_full_path ? `${payload.parent_full_path}/${payload.path}` : payload.path);

/** The group above, which a subgroup is a team of. */
function parentOf(payload: GroupEvent): AccountInput {
  const login = payload.parent_full_path ? loginOf(payload.parent_full_path) : ownerOf(fullPathOf(payload));
  return { id: payload.parent_group_id ?? 0, login: login || 'ghost', type: 'Organization' };
}

const TEAM_ACTIONS: Readonly<Record<What, string>> = { create: 'created', destroy: 'deleted', rename: 'edited' };

function found(kind: string, what: What, payload: GroupEvent): Finding {
  const nested = fullPathOf(payload).includes('/');
  // GitHub tells nobody of a new organization.
  const event: ForgeEvent = nested
    ? { name: 'team', action: TEAM_ACTIONS[what] }
    : what === 'create'
      ? { name: `gitlab.system.${kind}` }
      : { name: 'organization', action: what === 'destroy' ? 'deleted' : 'renamed' };
  return {
    events: [event],
    identity: [kind, payload.group_id, payload.full_path, payload.path, payload.old_full_path, payload.updated_at],
  };
}

function teamFields(payload: GroupEvent, what: What, ports: TranslatePorts): JsonObject {
  const parent = parentOf(payload);
  const { group_id: id, name, path: slug } = payload;
  return {
    ...(what === 'rename' && { changes: payload.old_path ? { name: { from: payload.old_path } } : {} }),
    team: team(ports.base, {
      id,
      name,
      slug,
      organization: parent.login,
      htmlUrl: `${ports.base.web}/${fullPathOf(payload)}`,
    }),
    organization: organization(ports.base, parent),
  };
}

function organizationFields(payload: GroupEvent, what: What, ports: TranslatePorts): JsonObject {
  const login = loginOf(fullPathOf(payload));
  const old = payload.old_full_path ?? payload.old_path ?? login;
  return {
    ...(what === 'rename' && { changes: { login: { from: loginOf(old) } } }),
    organization: organization(ports.base, { id: payload.group_id, login, type: 'Organization' }),
  };
}

export const group = (kind: string, what: What) =>
  hook(groupEvent, {
    classify: (payload) => found(kind, what, payload),
    async payload(payload, event, ports, delivery) {
      if (event.name.startsWith('gitlab.')) return rawPayload(anyEvent.parse({}), event, ports, delivery.payload);
      const fields =
        event.name === 'team' ? teamFields(payload, what, ports) : organizationFields(payload, what, ports);
      return { action: event.action, ...fields, sender: senderOf(ports.base, undefined) };
    },
  });
