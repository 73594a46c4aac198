/** Labels. */
import type { JsonObject } from '../../forge.js';
import type { ShapeBase } from './base.js';
import type { LabelInput } from './inputs.js';
import { jsonId, nodeId } from './node-id.js';
import { apiOf } from './repository.js';

export function label(base: ShapeBase, owner: string, repo: string, input: LabelInput): JsonObject {
  return {
    id: jsonId(input.id),
    node_id: nodeId('Label', input.id, `${owner}/${repo}#${input.name}`),
    url: `${apiOf(base, owner, repo)}/labels/${encodeURIComponent(input.name)}`,
    name: input.name,
    description: input.description ?? null,
    color: input.color,
    default: input.isDefault ?? false,
  };
}
