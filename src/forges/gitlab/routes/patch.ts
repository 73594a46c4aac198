/** `git format-patch` of commits, which GitLab shows on its pages and not in its API. */
import { segment } from '../../kit/native-client.js';
import type { RouteContext } from '../../kit/route.js';
import { type NativeCommit, type NativeDiff, nativeDiff } from '../convert/commit.js';
import { everything, type Place } from './place.js';

/** One file as `git diff` writes it; GitLab's `diff` begins at the first hunk. */
export function gitDiff(diff: NativeDiff): string {
  const before = diff.new_file ? '/dev/null' : `a/${diff.old_path}`;
  const after = diff.deleted_file ? '/dev/null' : `b/${diff.new_path}`;
  const mode = (name: 'a_mode' | 'b_mode') => (typeof diff[name] === 'string' ? diff[name] : '100644');
  return [
    `diff --git a/${diff.old_path} b/${diff.new_path}\n`,
    diff.new_file ? `new file mode ${mode('b_mode')}\n` : '',
    diff.deleted_file ? `deleted file mode ${mode('a_mode')}\n` : '',
    diff.renamed_file ? `rename from ${diff.old_path}\nrename to ${diff.new_path}\n` : '',
    diff.diff ? `--- ${before}\n+++ ${after}\n${diff.diff.replace(/\n?$/, '\n')}` : '',
  ].join('');
}

/** Oldest first. */
export async function mailbox(context: RouteContext, place: Place, commits: readonly NativeCommit[]): Promise<string> {
  const messages: string[] = [];
  for (const [at, commit] of commits.entries()) {
    const diffs = await everything(context, `${place.api}/repository/commits/${segment(commit.id)}/diff`, nativeDiff);
    const [subject = '', ...rest] = (commit.message ?? commit.title ?? '').trimEnd().split('\n');
    const date = new Date(commit.authored_date ?? commit.created_at ?? 0).toUTCString().replace('GMT', '+0000');
    const which = commits.length === 1 ? '[PATCH]' : `[PATCH ${at + 1}/${commits.length}]`;
    messages.push(
      `From ${commit.id} Mon Sep 17 00:00:00 2001\nFrom: ${commit.author_name ?? ''} <${commit.author_email ?? ''}>\n` +
        `Date: ${date}\nSubject: ${which} ${subject}\n${rest.length > 0 ? rest.join('\n') : ''}\n---\n${diffs.map(gitDiff).join('')}--\n\n`,
    );
  }
  return messages.join('');
}
