/** Files of a merge request with their counted lines, also where GitLab leaves the diff of a file out. */

import { readDiff } from '../../../lib/diff-text.js';
import { ForgewayError } from '../../../lib/errors.js';
import { type RouteContext, RouteFailure } from '../../kit/route.js';
import type { FileInput } from '../../kit/shapes/inputs.js';
import { fileInput, type NativeDiff } from '../convert/commit.js';
import type { Thread } from './place.js';

/** GitLab collapses what is generated or long. Versions that do not say so send an empty diff all the same. */
function isLeftOut(diff: NativeDiff): boolean {
  if (diff.diff) return false;
  if (diff.collapsed != null || diff.too_large != null) return diff.collapsed === true || diff.too_large === true;
  const modeOnly = !diff.new_file && !diff.deleted_file && diff.a_mode != null && diff.a_mode !== diff.b_mode;
  return !diff.renamed_file && !modeOnly;
}

/** The whole diff, which is never cut; undefined before GitLab 17.9, and where it is too long for an answer. */
async function wholeDiff(context: RouteContext, pull: Thread): Promise<string | undefined> {
  try {
    return String((await context.native.send('GET', `${pull.api}/raw_diffs`, { as: 'text' })).data ?? '');
  } catch (error) {
    const isTooLong = error instanceof ForgewayError && error.code === 'FORGEWAY_ANSWER_TOO_LARGE';
    if (isTooLong || (error instanceof RouteFailure && UNAVAILABLE.has(error.status))) return undefined;
    throw error;
  }
}

const UNAVAILABLE: ReadonlySet<number> = new Set([403, 404, 413, 502]);

/**
 * One request more for what the list lacks: the SHAs, where they are asked for, and the lines of a diff that was left out,
 * whose patch stays out as GitHub's does for long ones.
 */
export async function pullFiles(
  context: RouteContext,
  pull: Thread,
  diffs: readonly NativeDiff[],
  { shas }: { shas: boolean },
): Promise<FileInput[]> {
  if (diffs.length === 0 || !(shas || diffs.some(isLeftOut))) return diffs.map(fileInput);
  const text = await wholeDiff(context, pull);
  const counted = new Map(readDiff(text ?? '').map((file) => [file.path, file]));
  return diffs.map((diff) => {
    const input = fileInput(diff);
    const found = counted.get(diff.new_path);
    if (found === undefined) return input;
    const { additions, deletions, sha } = found;
    return { ...input, ...(isLeftOut(diff) && { additions, deletions }), ...(sha !== undefined && { sha }) };
  });
}
