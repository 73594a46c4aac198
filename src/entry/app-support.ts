/** What an app listens to, and which forge gives it. */
import type { ForgeDescriptor } from '../forges/forge.js';
import { eventsTold } from '../forges/kit/inbox-port.js';
import type { Support } from '../forges/kit/route.js';
import { ANY } from '../translate/subscriptions.js';

/** `none`: the forge never sends it. `own`: the app makes it itself. `unknown`: the forge does not say. */
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

function givenBy(forge: ForgeDescriptor, event: string): { given: Given; note?: string } {
  const eventSupport = eventsTold(forge);
  if (MADE_BY_APPS.test(event)) return { given: 'own' };
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

export function eventRows(events: readonly string[], forges: readonly ForgeDescriptor[]): EventRow[] {
  return events.map((event) => {
    const found = forges.map((forge) => ({ forge, ...givenBy(forge, event) }));
    const notes = found.flatMap(({ forge, given, note }) =>
      note === undefined || given === 'exact' ? [] : [`${forge.label}: ${note}`],
    );
    return { event, forges: Object.fromEntries(found.map(({ forge, given }) => [forge.label, given])), notes };
  });
}
