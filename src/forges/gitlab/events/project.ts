/** Projects that come, go, and change their name or owner, told by group hooks and hooks of the whole instance. */
import type { JsonObject } from '../../forge.js';
import { organization } from '../../kit/shapes/account.js';
import type { ShapeBase } from '../../kit/shapes/base.js';
import { nameOf, ownerOf } from '../references.js';
import { type ProjectEvent, projectEvent } from '../schema.js';
import { hook } from './hook.js';
import { projectMemberPlace } from './member.js';
import { firstId, hasPlace } from './place.js';

type Action = 'created' | 'deleted' | 'renamed' | 'transferred' | 'edited';

function changesOf(action: Action, payload: ProjectEvent, base: ShapeBase): JsonObject | undefined {
  const old = payload.old_path_with_namespace ?? payload.path_with_namespace;
  if (action === 'renamed') return { repository: { name: { from: nameOf(old) } } };
  if (action === 'transferred')
    return {
      owner: {
        from: { organization: organization(base, { id: 0, login: ownerOf(old) || 'ghost', type: 'Organization' }) },
      },
    };
  // What was edited is told by nobody.
  return action === 'edited' ? {} : undefined;
}

export const project = (action: Action) =>
  hook(projectEvent, {
    classify(payload) {
      if (!hasPlace({ path_with_namespace: payload.path_with_namespace }))
        return { ignored: 'path_with_namespace is no path of a project.' };
      return {
        events: [{ name: 'repository', action }],
        repositoryId: firstId(payload.project_id),
        identity: [action, payload.project_id, payload.path_with_namespace, payload.updated_at],
      };
    },
    async payload(payload, event, ports) {
      const { project_id: id, path_with_namespace: path, project_visibility: visibility } = payload;
      const changes = changesOf(action, payload, ports.base);
      return {
        action: event.action,
        ...(changes && { changes }),
        ...projectMemberPlace(ports, id, path, visibility).fields,
      };
    },
  });
