/**
 * What a role from a forge is worth while that forge does not confirm it. An outage takes nobody's reading away for a day; what
 * changes something waits for the forge once a reading was missed; and nobody keeps a role for ever because nobody can be asked.
 */
import type { Role } from './roles.js';

/** A removal counts within five minutes, also while nobody can be asked. Longer than it is to the next reading, see REFRESH_MS. */
export const FULL_MS = 5 * 60_000;
export const READING_MS = 24 * 60 * 60_000;

/** Absent while it is confirmed. */
export interface Unconfirmed {
  /** What the forge said last. */
  role: Role;
  since: Date;
}

/** What the role counts as; undefined: nothing. */
export function worthOf(
  role: Role,
  confirmedAt: Date,
  now: Date,
): { role: Role | undefined; unconfirmed?: Unconfirmed } {
  const age = now.getTime() - confirmedAt.getTime();
  if (age <= FULL_MS) return { role };
  return { role: age <= READING_MS ? 'viewer' : undefined, unconfirmed: { role, since: confirmedAt } };
}

/** For the person, and for the trail. */
export const unconfirmedBecause = ({ role, since }: Unconfirmed, mayRead: boolean): string =>
  `The role ${role} comes from a forge that has not confirmed it since ${since.toISOString()}: ${
    mayRead ? 'until it does, only reading is possible' : 'until it does, it gives nothing'
  }. An administrator sees why with \`forgeway organizations list\`.`;
