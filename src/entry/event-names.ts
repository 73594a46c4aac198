/** Names of the events that GitHub sends, as its own library lists them. */
import { emitterEventNames } from '@octokit/webhooks';
import { distance, nearest } from '../lib/nearest.js';

const names: readonly string[] = emitterEventNames;
const known = new Set(names);
/** Its actions are whatever somebody has sent. */
const ANY_ACTION = /^repository_dispatch\../;

/** `push` and `issues.opened`; not `push.opened`, which is no event. */
export const isGitHubEvent = (event: string): boolean => known.has(event) || ANY_ACTION.test(event);

/** Of so many letters one may be wrong in a slip of the pen. */
const LETTERS_PER_SLIP = 3;

/** What was meant by an event that there is not: one of the same name, where that is an event's. Undefined when it is like none. */
export function meantEvent(event: string): string | undefined {
  const [name = ''] = event.split('.', 1);
  const ofName = names.filter((one) => one.startsWith(`${name}.`));
  if (ofName.length > 0) return nearest(event, ofName);
  if (known.has(name)) return name;
  const closest = nearest(event, names);
  return distance(event, closest) * LETTERS_PER_SLIP <= event.length ? closest : undefined;
}
