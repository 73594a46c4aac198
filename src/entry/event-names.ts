/** Names of the events that GitHub sends, as its own library lists them. */
import { emitterEventNames } from '@octokit/webhooks';
import { nearest } from '../lib/nearest.js';

const names: readonly string[] = emitterEventNames;
const known = new Set(names);
/** Its actions are whatever somebody has sent. */
const ANY_ACTION = /^repository_dispatch\../;

/** `push` and `issues.opened`; not `push.opened`, which is no event. */
export const isGitHubEvent = (event: string): boolean => known.has(event) || ANY_ACTION.test(event);

/** What was meant by an event that there is not: one of the same name, where that is an event's. */
export function meantEvent(event: string): string {
  const [name = ''] = event.split('.', 1);
  const ofName = names.filter((one) => one.startsWith(`${name}.`));
  return known.has(name) && ofName.length === 0 ? name : nearest(event, ofName.length > 0 ? ofName : names);
}
