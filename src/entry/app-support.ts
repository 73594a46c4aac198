/** What an app listens to, and which forge gives it. */
import type { ForgeDescriptor } from '../forges/forge.js';
import { eventsTold } from '../forges/kit/inbox-port.js';
import type { Support } from '../forges/kit/route.js';
import { ANY } from '../translate/subscriptions.js';
import { isGitHubEvent, meantEvent } from './event-names.js';

/** `none`: the forge never sends it. `own`: the app makes it itself. `unknown`: nobody sends such a thing, or the forge does not say. */
export type Given = Support | 'none' | 'own' | 'unknown';

export interface EventRow {
  /** As the app wrote it, such as `issues.opened`; `*` for every event. */
  event: string;
  /** By the forge's label. */
  forges: Readonly<Record<string, Given>>;
  /** Why a forge gives less, one sentence each. */
  notes: readonly string[];
}

/** Events that GitHub's webhooks never carry: libraries make them inside the app. */
const MADE_BY_APPS = /^(schedule|error)(\.|$)/;

/** What a forge sends under a name of its own, which GitHub has not. */
const isOwnOf = ({ nativeEvents, eventSupport = {} }: ForgeDescriptor, event: string): boolean =>
  Object.hasOwn(eventSupport, event) || (nativeEvents !== undefined && event.startsWith(`${nativeEvents}.`));

function givenBy(forge: ForgeDescriptor, event: string): { given: Given; note?: string } {
  const eventSupport = eventsTold(forge);
  if (MADE_BY_APPS.test(event)) return { given: 'own' };
  if (event !== ANY && !isGitHubEvent(event)) {
    if (!isOwnOf(forge, event)) return { given: 'none' };
    const { support = 'exact', note } = eventSupport?.[event] ?? {};
    return { given: support, ...(note !== undefined && { note }) };
  }
  // A forge without routes is GitHub itself.
  if (eventSupport === undefined) return { given: forge.routes === undefined ? 'exact' : 'unknown' };
  if (event === ANY)
    return { given: 'partial', note: 'The app listens to every event, and gets those that there are.' };
  const [name = ''] = event.split('.', 1);
  const row = eventSupport[event] ?? eventSupport[name];
  if (row !== undefined) return { given: row.support, note: row.note };
  const actions = event === name ? Object.entries(eventSupport).filter(([key]) => key.startsWith(`${name}.`)) : [];
  const [first] = actions;
  if (first === undefined) return { given: 'none' };
  const same = actions.every(([, { support }]) => support === first[1].support);
  return { given: same ? first[1].support : 'partial' };
}

/** False for an event that no delivery of this forge can be. */
export const isGiven = (forge: ForgeDescriptor, event: string): boolean => givenBy(forge, event).given !== 'none';

const LISTED = 'https://docs.github.com/webhooks/webhook-events-and-payloads';

function unknownNote(event: string): string {
  const meant = meantEvent(event);
  const advice = meant === undefined ? `see ${LISTED}.` : `did you mean ${meant}?`;
  return `Nobody sends "${event}", as far as is known here: ${advice}`;
}

/** @param all every forge there is: an event of one of them is known also where only others are shown */
export function eventRows(
  events: readonly string[],
  forges: readonly ForgeDescriptor[],
  all: Iterable<ForgeDescriptor> = forges,
): EventRow[] {
  const everywhere = [...all];
  const isKnown = (event: string) =>
    event === ANY || MADE_BY_APPS.test(event) || isGitHubEvent(event) || everywhere.some((one) => isOwnOf(one, event));
  return events.map((event) => {
    if (!isKnown(event))
      return {
        event,
        forges: Object.fromEntries(forges.map(({ label }) => [label, 'unknown' as const])),
        notes: [unknownNote(event)],
      };
    const found = forges.map((forge) => ({ forge, ...givenBy(forge, event) }));
    const notes = found.flatMap(({ forge, given, note }) =>
      note === undefined || given === 'exact' ? [] : [`${forge.label}: ${note}`],
    );
    return { event, forges: Object.fromEntries(found.map(({ forge, given }) => [forge.label, given])), notes };
  });
}
