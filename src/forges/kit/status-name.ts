/**
 * Names of commit statuses, on forges that show a check run as one. On GitHub a check and a status of one name stand side by
 * side; there the later one would take the other's place. The second to come carries a mark that nobody sees.
 */
import { z } from 'zod';
import type { RouteContext } from './route.js';

/** U+2060: takes no room and breaks no line. */
const MARK = '\u2060';
/** What every forge keeps of a name. */
const LONGEST = 255;

const STATUS_NAME = 'status_name';
const kept = z.looseObject({ of: z.enum(['check', 'status']) });

/** A name that looks the same, and is another to the forge. */
const marked = (name: string): string => `${name.slice(0, LONGEST - MARK.length)}${MARK}`;

/** The name that apps gave. */
export const unmarked = (name: string): string => (name.endsWith(MARK) ? name.slice(0, -MARK.length) : name);

/**
 * The name of the commit status that shows a check, or that an app set. By commit alone, so that setting a status need not
 * ask for the repository; in a fork the mark does no harm.
 */
export async function statusName(
  context: RouteContext,
  of: 'check' | 'status',
  sha: string,
  name: string,
): Promise<string> {
  // Of a check and a status that come at the same moment one is first.
  const { record } = await context.records.add(STATUS_NAME, `${sha}:${name}`, { of });
  return kept.parse(record.data).of === of ? name : marked(name);
}
