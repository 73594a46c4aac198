/** What is for administrators is asked of the forge once more, when a person's role comes from there. */
import { type Action, type ActionRule, actions } from '../accounts/access/actions.js';
import type { Actor } from '../accounts/access/actor.js';
import { atLeast } from '../accounts/access/roles.js';
import type { FreshMemberships } from '../accounts/membership/fresh.js';
import { ForgewayError } from '../lib/errors.js';
import { type Authority, permit } from './authorize.js';

/** See `freshMemberships`: answers within seconds, and asks nobody about a role that was given here. */
export type AskFreshRoles = (o: { userId: string; organizationIds: readonly string[] }) => Promise<FreshMemberships>;

/**
 * The actor with the role that they have now, with a token of theirs as with a session: what it makes outlives the role. To be
 * called after the action was permitted by the role that is known, so that nobody has a forge asked by being refused.
 * @throws ForgewayError FORGEWAY_FORBIDDEN with the reason when the forge does not say; else as `permit`
 */
export async function withFreshRole(
  services: Pick<Authority, 'access'> & { freshMemberships: AskFreshRoles },
  actor: Actor,
  action: Action,
  organizationId: string,
): Promise<Actor> {
  const rule: ActionRule = actions[action];
  if (actor.kind !== 'user' || rule.platform || !atLeast(rule.role, 'admin')) return actor;
  const { roles, unknown } = await services.freshMemberships({
    userId: actor.userId,
    organizationIds: [organizationId],
  });
  const thing = { organizationId, name: 'the role that the forge gives now' };
  const { [organizationId]: _, ...others } = Object.fromEntries(actor.memberships);
  const problem = unknown.get(organizationId);
  if (problem !== undefined) {
    // For the trail: without an answer there is no role.
    await services.access.check({ ...actor, memberships: new Map(Object.entries(others)) }, action, thing);
    throw new ForgewayError('FORGEWAY_FORBIDDEN', problem);
  }
  const role = roles.get(organizationId);
  // Decided and written down with that very role already.
  if (role !== undefined && role === actor.memberships.get(organizationId)) return actor;
  const memberships = new Map(Object.entries({ ...others, ...(role && { [organizationId]: role }) }));
  const now = { ...actor, memberships };
  await permit(services, now, action, thing);
  return now;
}
