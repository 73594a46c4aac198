/** Teams of an organization. */
import type { JsonObject } from '../../forge.js';
import { encodePage } from './account.js';
import type { ShapeBase } from './base.js';
import type { TeamInput } from './inputs.js';
import { jsonId, nodeId } from './node-id.js';

export function team(base: ShapeBase, input: TeamInput): JsonObject {
  const url = `${base.api}/orgs/${encodeURIComponent(input.organization)}/teams/${encodeURIComponent(input.slug)}`;
  return {
    name: input.name,
    id: jsonId(input.id),
    node_id: nodeId('Team', input.id, `${input.organization}/${input.slug}`),
    slug: input.slug,
    description: input.description ?? null,
    privacy: 'closed',
    url,
    html_url: input.htmlUrl ?? `${base.web}/${encodePage(input.organization)}`,
    members_url: `${url}/members{/member}`,
    repositories_url: `${url}/repos`,
    permission: 'pull',
    notification_setting: 'notifications_enabled',
    type: 'organization',
    parent: null,
  };
}
