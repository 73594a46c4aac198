/** Members of projects and groups. None of these hooks says who did it. */
import type { JsonObject, TranslatePorts } from '../../forge.js';
import { organization, user } from '../../kit/shapes/account.js';
import type { AccountInput, RepositoryInput } from '../../kit/shapes/inputs.js';
import { team } from '../../kit/shapes/team.js';
import { isBot } from '../convert/user.js';
import { groupPath } from '../references.js';
import { accessLevelOf, permissionOf } from '../roles.js';
import { type GroupMemberEvent, groupMemberEvent, type ProjectMemberEvent, projectMemberEvent } from '../schema.js';
import { senderOf } from './account.js';
import { hook } from './hook.js';
import { firstId, hasPlace, placeOf, repositoryInput, visibilityOf } from './place.js';

const memberInput = ({
  user_id: id,
  user_username: login,
}: {
  user_id: string | number;
  user_username: string;
}): AccountInput => ({
  id,
  login,
  type: isBot(login) ? 'Bot' : 'User',
});

export function projectMemberPlace(
  ports: TranslatePorts,
  id: string | number,
  path: string,
  visibility: string | null | undefined,
) {
  const repository: RepositoryInput = {
    ...repositoryInput(ports.base, { path_with_namespace: path }, id),
    visibility: visibilityOf(undefined, visibility),
  };
  return placeOf(ports, repository);
}

/** GitHub's hook knows two permissions and the name of a role; a custom role goes by its own name on both. */
function permissionChange({ access_level: told }: ProjectMemberEvent): JsonObject {
  const word = permissionOf(accessLevelOf(told));
  const to = word === 'admin' || word === 'maintain' ? 'admin' : word === 'write' ? 'write' : undefined;
  return { ...(to && { permission: { to } }), role_name: { to: word === 'none' && told ? told : word } };
}

export const projectMember = (action: 'added' | 'edited' | 'removed') =>
  hook(projectMemberEvent, {
    classify(payload) {
      if (!hasPlace({ path_with_namespace: payload.project_path_with_namespace }))
        return { ignored: 'project_path_with_namespace is no path of a project.' };
      return {
        events: [{ name: 'member', action }],
        repositoryId: firstId(payload.project_id),
        identity: [action, payload.user_id, payload.access_level, payload.updated_at],
      };
    },
    async payload(payload, event, ports) {
      const { project_id: id, project_path_with_namespace: path, project_visibility: visibility } = payload;
      const changes = permissionChange(payload);
      return {
        action: event.action,
        member: user(ports.base, memberInput(payload)),
        ...(action === 'added' && { changes }),
        // What it was before is told by nobody.
        ...(action === 'edited' && { changes: { old_permission: { from: '' }, ...changes } }),
        ...projectMemberPlace(ports, id, path, visibility).fields,
      };
    },
  });

/** The hook has the last part of a nested group's path only; its id is right. */
const groupAccount = ({ group_id: id, group_path: path }: GroupMemberEvent): AccountInput => ({
  id,
  login: path,
  type: 'Organization',
});

function groupMembership(payload: GroupMemberEvent, group: AccountInput, ports: TranslatePorts): JsonObject {
  const member = memberInput(payload);
  const url = `${ports.base.api}/orgs/${encodeURIComponent(group.login)}`;
  return {
    url: `${url}/memberships/${encodeURIComponent(member.login)}`,
    state: 'active',
    role: permissionOf(accessLevelOf(payload.group_access)) === 'admin' ? 'admin' : 'member',
    organization_url: url,
    user: user(ports.base, member),
  };
}

/** A change of the level alone is no event of GitHub's: `membership.edited` is ours, for the roles to be read anew. */
const GROUP_EVENTS = {
  added: [
    { name: 'organization', action: 'member_added' },
    { name: 'membership', action: 'added' },
  ],
  edited: [{ name: 'membership', action: 'edited' }],
  removed: [
    { name: 'organization', action: 'member_removed' },
    { name: 'membership', action: 'removed' },
  ],
} as const;

export const groupMember = (action: keyof typeof GROUP_EVENTS) =>
  hook(groupMemberEvent, {
    classify: (payload) => ({
      events: GROUP_EVENTS[action],
      identity: [action, payload.group_id, payload.user_id, payload.group_access, payload.updated_at],
    }),
    async payload(payload, event, ports) {
      const group = groupAccount(payload);
      const fields = { organization: organization(ports.base, group), sender: senderOf(ports.base, undefined) };
      if (event.name === 'organization')
        return { action: event.action, membership: groupMembership(payload, group, ports), ...fields };
      const { group_id: id, group_name: name, group_path: slug } = payload;
      return {
        action: event.action,
        scope: 'team',
        member: user(ports.base, memberInput(payload)),
        team: team(ports.base, {
          id,
          name: name ?? slug,
          slug,
          organization: group.login,
          htmlUrl: `${ports.base.web}/${groupPath(group.login)}`,
        }),
        ...fields,
      };
    },
  });
