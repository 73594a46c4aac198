/** “May this actor do this to this thing, and why”: one pure function for API roles and for people on a forge (decision 14). */
import { permissionAtLeast } from '../permissions.js';
import { type Action, type ActionRule, actions } from './actions.js';
import type { Actor, ForgeActor, Machine, Person } from './actor.js';
import { unconfirmedBecause } from './confirmed.js';
import { atLeast, type Role } from './roles.js';

/** What it would be done to. */
export interface Thing {
  /** Whose it is; absent for what belongs to the installation of Forgeway, or to a person alone. */
  organizationId?: string;
  /** The person whose own it is, such as a connection that they made for themselves; in the organization, where one is named. */
  ownerUserId?: string;
  /** It is taken away. What is their own a person may take away also while no forge confirms that they belong to its organization. */
  removal?: boolean;
}

/** Why not. `absent` is answered to the caller as if the thing did not exist. */
export type Because =
  | 'anonymous'
  | 'suspended'
  | 'absent'
  | 'role'
  | 'unconfirmed'
  | 'scope'
  | 'level'
  | 'unknown-level'
  | 'not-from-forge';

export type Decision = { allowed: true; why: string } | { allowed: false; because: Because; why: string };

const yes = (why: string): Decision => ({ allowed: true, why });
const no = (because: Because, why: string): Decision => ({ allowed: false, because, why });

/**
 * Decides, without asking anybody: the actor brings what is known of them. Whatever is not said is no.
 * The sentence in `why` is for the log, the audit trail and `forgeway access why`; it names no secret.
 */
export function decide(actor: Actor, action: Action, thing: Thing): Decision {
  const rule: ActionRule = actions[action];
  switch (actor.kind) {
    case 'anonymous':
      return no('anonymous', 'Nobody has signed in.');
    case 'forge':
      return byLevel(actor, rule, action);
    case 'machine':
      return ofMachine(actor, rule, action, thing);
    case 'user':
      return ofPerson(actor, rule, action, thing);
  }
}

function byLevel({ level, saidAt }: ForgeActor, rule: ActionRule, action: Action): Decision {
  if (rule.forge === undefined) return no('not-from-forge', `${action} cannot be asked for on a forge.`);
  if (level === undefined) return no('unknown-level', 'The forge could not be asked for their right.');
  const said = saidAt === undefined ? `says ${level}` : `said ${level} at ${saidAt.toISOString()} and does not answer`;
  const why = `The forge ${said}; ${action} needs ${rule.forge}.`;
  return permissionAtLeast(level, rule.forge) ? yes(why) : no('level', why);
}

function byRole(role: Role, rule: ActionRule, action: Action): Decision {
  return atLeast(role, rule.role)
    ? yes(`They are ${role}; ${action} needs ${rule.role}.`)
    : no('role', `They are ${role}; ${action} needs ${rule.role}.`);
}

function ofMachine(actor: Machine, rule: ActionRule, action: Action, thing: Thing): Decision {
  if (rule.platform) return no('role', `${action} is for administrators of this installation.`);
  if (thing.organizationId !== actor.organizationId) return no('absent', 'The token belongs to another organization.');
  if (thing.ownerUserId !== undefined) return no('absent', 'It belongs to a person, and a program is none.');
  if (!actor.scopes.includes(rule.scope)) return no('scope', `The token lacks the scope ${rule.scope}.`);
  return byRole(actor.role, rule, action);
}

function ofPerson(actor: Person, rule: ActionRule, action: Action, thing: Thing): Decision {
  if (actor.suspended) return no('suspended', 'Their account is suspended.');
  const { token } = actor;
  if (token?.organizationId !== undefined && token.organizationId !== thing.organizationId)
    return no('absent', 'The token is for another organization.');
  const within = (decision: Decision): Decision =>
    decision.allowed && token !== undefined && !token.scopes.includes(rule.scope)
      ? no('scope', `The token lacks the scope ${rule.scope}.`)
      : decision;
  if (rule.platform)
    return within(
      actor.platformAdmin
        ? yes('They are an administrator of this installation.')
        : no('role', `${action} is for administrators of this installation.`),
    );
  if (thing.ownerUserId !== undefined) {
    if (thing.ownerUserId !== actor.userId) return no('absent', 'It belongs to another person.');
    const { organizationId } = thing;
    const mayTakeAway = organizationId !== undefined && thing.removal && actor.unconfirmed?.has(organizationId);
    if (organizationId !== undefined && !actor.memberships.has(organizationId) && !mayTakeAway)
      return no('absent', 'They do not belong to the organization.');
    return within(rule.own ? yes('It is their own.') : no('role', `${action} is not about a person's own things.`));
  }
  const role = thing.organizationId === undefined ? undefined : actor.memberships.get(thing.organizationId);
  const unconfirmed = thing.organizationId === undefined ? undefined : actor.unconfirmed?.get(thing.organizationId);
  if (role === undefined)
    return unconfirmed === undefined
      ? no('absent', 'They do not belong to the organization.')
      : no('unconfirmed', unconfirmedBecause(unconfirmed, false));
  const decision = within(byRole(role, rule, action));
  const wouldDo =
    !decision.allowed && decision.because === 'role' && unconfirmed && atLeast(unconfirmed.role, rule.role);
  return wouldDo ? no('unconfirmed', unconfirmedBecause(unconfirmed, true)) : decision;
}
