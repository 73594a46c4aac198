/** Decides and writes down: what endpoints, commands and jobs call. The rules are in `decide.ts` and `actions.ts`. */
import type { Logger } from '../../lib/logger.js';
import type { Store } from '../../store/database.js';
import type { PermissionAnswer, PermissionQuestion } from '../permissions.js';
import { type Action, type ActionRule, actions } from './actions.js';
import { type Actor, type ForgeActor, nameOfActor } from './actor.js';
import { type Decision, decide, type Thing } from './decide.js';
import { createDecisionTrail } from './trail.js';

export interface NamedThing extends Thing {
  /** For the trail, such as `connection 018f…` or `pull-request acme/web#12`. */
  name: string;
  /**
   * What it is called while they may not, where the name was made up by whoever asks: so that a thousand made-up names are
   * one row and not a thousand.
   */
  refusedAs?: string;
}

export interface Access {
  /**
   * Whether the actor may, written down before it resolves; of looking and being refused again the number follows in the
   * next seconds. Rejects when a decision that lets something happen cannot be written down.
   */
  check(actor: Actor, action: Action, thing: NamedThing): Promise<Decision>;
  /** Writes down what is still held. */
  close(): Promise<void>;
}

/** @param o.organizationId whose trail takes what belongs to no organization */
export function createAccess(o: { store: Store; log: Logger; organizationId: string }): Access {
  const trail = createDecisionTrail(o);
  return {
    async check(actor, action, thing) {
      const decision = decide(actor, action, thing);
      const rule: ActionRule = actions[action];
      // Nobody writes into the trail of an organization that they do not belong to, and it may not even exist.
      const isStranger = !decision.allowed && decision.because === 'absent';
      const entry = {
        organizationId: (isStranger ? undefined : thing.organizationId) ?? o.organizationId,
        actor: nameOfActor(actor),
        action,
        subject: decision.allowed ? thing.name : (thing.refusedAs ?? thing.name),
        allowed: decision.allowed,
        because: decision.allowed ? null : decision.because,
        why: decision.why,
      };
      // Whoever is refused may ask a thousand times a second: that is one row, and one with a number, as looking is.
      if (decision.allowed && rule.scope !== 'read') await trail.write(entry);
      else await trail.note(entry);
      return decision;
    },
    close: () => trail.close(),
  };
}

/** Somebody on a forge with the right that it answered; without one when it could not be asked or named somebody else. */
export function forgeActor(question: PermissionQuestion, answer: PermissionAnswer): ForgeActor {
  const { repository, user } = question;
  const { forge, host } = repository;
  return { kind: 'forge', forge, host, accountId: user.id, login: user.login, level: answer.level };
}
