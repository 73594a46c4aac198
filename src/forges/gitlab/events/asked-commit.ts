/** The head of a push that lists no commits: of a branch that begins where another one is, GitHub tells the head all the same. */
import type { TranslatePorts } from '../../forge.js';
import { UNKNOWN_TIME } from '../../kit/shapes/fields.js';
import type { CommitInput, CommitUser } from '../../kit/shapes/inputs.js';
import { askObject, object } from './ask.js';
import type { Place } from './place.js';

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

function signer(value: unknown): CommitUser {
  const told = object(value);
  return { name: text(told?.name), email: text(told?.email), date: text(told?.date) || UNKNOWN_TIME };
}

/** Undefined where nobody may be asked, or the commit is gone. */
export async function askedCommit(ports: TranslatePorts, place: Place, sha: string): Promise<CommitInput | undefined> {
  const told = await askObject(ports, 'GET /repos/{owner}/{repo}/commits/{ref}', { ...place.parameters, ref: sha });
  const commit = object(told?.commit);
  if (told === undefined || commit === undefined) return undefined;
  const files = Array.isArray(told.files) ? told.files.map(object) : [];
  const pathsOf = (...statuses: string[]) =>
    files.filter((file) => statuses.includes(text(file?.status))).map((file) => text(file?.filename));
  return {
    sha: text(told.sha),
    treeSha: text(object(commit.tree)?.sha) || undefined,
    message: text(commit.message),
    htmlUrl: text(told.html_url),
    author: signer(commit.author),
    committer: signer(commit.committer),
    added: pathsOf('added', 'renamed'),
    removed: pathsOf('removed'),
    modified: pathsOf('modified'),
  };
}
