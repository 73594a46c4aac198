/** Which pull requests a check run, a check suite or a workflow run belongs to, where the forge does not say: those whose head is its commit. */
import type { JsonObject } from '../forge.js';
import type { CheckedPullRequestInput } from './shapes/check-inputs.js';
import type { Id } from './shapes/inputs.js';

/** Of GitHub's route that lists the pull requests of a commit. */
export const PULLS_OF_COMMIT = 'GET /repos/{owner}/{repo}/commits/{commit_sha}/pulls';

const isObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null;
const part = (value: unknown, key: string): unknown => (isObject(value) ? value[key] : undefined);
const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** One in GitHub's form, at the commit that was checked: a merged result is built at a commit of its own. */
export const checkedPull = (told: JsonObject, sha: string, repositoryId: Id): CheckedPullRequestInput => ({
  id: typeof told.id === 'number' ? told.id : text(told.id) || 0,
  number: Number(told.number),
  headRef: text(part(told.head, 'ref')),
  headSha: sha,
  baseRef: text(part(told.base, 'ref')),
  baseSha: text(part(told.base, 'sha')),
  repositoryId,
});

/** The open ones at `sha` among those that {@link PULLS_OF_COMMIT} told, which also lists those that went past it. Never throws. */
export function pullsAt(told: unknown, sha: string, repositoryId: Id): CheckedPullRequestInput[] {
  if (!Array.isArray(told)) return [];
  return told
    .filter(isObject)
    .filter((one) => one.state === 'open' && part(one.head, 'sha') === sha)
    .map((one) => checkedPull(one, sha, repositoryId));
}
