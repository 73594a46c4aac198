import { z } from 'zod';
import type { CommitInput, FileInput } from '../../kit/shapes/inputs.js';
import { toGitHubText } from '../references.js';
import { time } from './read.js';

export const nativeCommit = z.looseObject({
  id: z.string(),
  title: z.string().optional(),
  message: z.string().nullish(),
  author_name: z.string().nullish(),
  author_email: z.string().nullish(),
  authored_date: z.string().nullish(),
  committer_name: z.string().nullish(),
  committer_email: z.string().nullish(),
  committed_date: z.string().nullish(),
  created_at: z.string().nullish(),
  parent_ids: z.array(z.string()).nullish(),
  web_url: z.string().optional(),
  stats: z.looseObject({ additions: z.number(), deletions: z.number() }).nullish(),
});
export type NativeCommit = z.output<typeof nativeCommit>;

export const nativeDiff = z.looseObject({
  old_path: z.string(),
  new_path: z.string(),
  new_file: z.boolean(),
  renamed_file: z.boolean(),
  deleted_file: z.boolean(),
  diff: z.string().nullish(),
  collapsed: z.boolean().nullish(),
  too_large: z.boolean().nullish(),
  a_mode: z.string().nullish(),
  b_mode: z.string().nullish(),
});
export type NativeDiff = z.output<typeof nativeDiff>;

/** `webUrl` is the project's page. Accounts are never guessed from names or e-mails (decision 13). */
export function commitInput(commit: NativeCommit, webUrl: string): CommitInput {
  const authored = time(commit.authored_date ?? commit.created_at) ?? '1970-01-01T00:00:00Z';
  return {
    sha: commit.id,
    message: toGitHubText((commit.message ?? commit.title ?? '').replace(/(?<!\n)\n+$/, '')),
    htmlUrl: commit.web_url ?? `${webUrl}/-/commit/${commit.id}`,
    author: { name: commit.author_name ?? '', email: commit.author_email ?? '', date: authored, account: null },
    committer: {
      name: commit.committer_name ?? commit.author_name ?? '',
      email: commit.committer_email ?? commit.author_email ?? '',
      date: time(commit.committed_date) ?? authored,
      account: null,
    },
    parents: commit.parent_ids ?? [],
    stats: commit.stats ? { additions: commit.stats.additions, deletions: commit.stats.deletions } : undefined,
  };
}

/** GitLab's `diff` begins at the first hunk and does not count lines. */
export function fileInput(diff: NativeDiff): FileInput {
  const patch = diff.diff ?? '';
  const lines = patch.split('\n');
  return {
    path: diff.new_path,
    previousPath: diff.renamed_file ? diff.old_path : undefined,
    status: diff.new_file ? 'added' : diff.deleted_file ? 'removed' : diff.renamed_file ? 'renamed' : 'modified',
    additions: lines.filter((line) => line.startsWith('+')).length,
    deletions: lines.filter((line) => line.startsWith('-')).length,
    patch: patch === '' ? undefined : patch.replace(/\n$/, ''),
  };
}
