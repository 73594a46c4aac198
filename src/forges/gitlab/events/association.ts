/** What somebody is to a repository, for apps that read it. */
import type { TranslatePorts } from '../../forge.js';
import type { AccountInput, Association } from '../../kit/shapes/inputs.js';
import { askObject } from './ask.js';
import type { Place } from './place.js';

/** Everybody may read a public project, so that reading says nothing. */
const MEMBER: ReadonlySet<unknown> = new Set(['admin', 'maintain', 'write', 'triage']);

/**
 * Asked for only when the app reads `field`, such as `comment.author_association`; undefined leaves it open. GitLab does
 * not tell who contributed before, so that `CONTRIBUTOR` never comes.
 */
export async function associationOf(
  field: string,
  account: AccountInput | null | undefined,
  place: Place,
  ports: TranslatePorts,
): Promise<Association | undefined> {
  if (!account || !ports.wanted.has(field)) return undefined;
  if (account.login.toLowerCase() === place.owner.toLowerCase()) return 'OWNER';
  const route = 'GET /repos/{owner}/{repo}/collaborators/{username}/permission';
  const answer = await askObject(ports, route, { ...place.parameters, username: account.login });
  if (answer === undefined) return undefined;
  if (!MEMBER.has(answer.role_name) && !MEMBER.has(answer.permission)) return 'NONE';
  return place.repository.owner.type === 'Organization' ? 'MEMBER' : 'COLLABORATOR';
}
