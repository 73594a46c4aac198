import { UNKNOWN_TIME } from '../../kit/shapes/fields.js';
import type { CommitInput } from '../../kit/shapes/inputs.js';
import { time } from '../convert/read.js';
import { toGitHubText } from '../references.js';
import type { NativeCommit } from '../schema.js';

/**
 * A commit of a hook. Its author is a name and an address that anybody may write, never an account (decision 13); GitLab
 * writes `[REDACTED]` for an address that is not public.
 */
export function commitInput(commit: NativeCommit, webUrl: string): CommitInput {
  const author = {
    name: commit.author?.name ?? '',
    email: commit.author?.email ?? '',
    date: time(commit.timestamp) ?? UNKNOWN_TIME,
  };
  return {
    sha: commit.id,
    message: toGitHubText((commit.message ?? '').replace(/(?<!\n)\n+$/, '')),
    htmlUrl: commit.url ?? `${webUrl}/-/commit/${commit.id}`,
    author,
    committer: author,
    added: commit.added ?? [],
    removed: commit.removed ?? [],
    modified: commit.modified ?? [],
  };
}
