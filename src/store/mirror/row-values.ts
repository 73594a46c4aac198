/** How people, labels and times stand in columns, both ways. */
import { formatId, parseId } from '../../lib/ids.js';
import type { Label, Person, Reviewer } from './origin.js';

/** For a jsonb column: ids as JSON numbers where that is exact, else as text. */
export function forJson(values: readonly (Person | Label | Reviewer)[]): object[] {
  return values.map((value) => ('id' in value ? { id: formatId(value.id), login: value.login } : value));
}

export function personOf(value: { id: number | string; login: string }): Person {
  return { id: parseId(value.id), login: value.login };
}

export function instantOf(value: string | null): Date | null {
  return value === null ? null : new Date(value);
}
