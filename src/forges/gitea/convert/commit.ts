import type { CommitInput, CommitUser, FileInput } from '../../kit/shapes/inputs.js';
import { nativeCommit, nativeFile, nativePushCommit, read } from '../schema.js';
import { time } from './time.js';
import { accountIfTold } from './user.js';

/** Git's own zero; GitHub's schema wants a time where the forge has none. */
const EPOCH = '1970-01-01T00:00:00Z';

interface Signer {
  name?: string | null;
  email?: string | null;
  date?: string | null;
}

const signer = (person: Signer | null | undefined, date?: string | null): CommitUser => ({
  name: person?.name ?? '',
  email: person?.email ?? '',
  date: time(person?.date) ?? time(date) ?? EPOCH,
});

const pusher = (
  person: (Signer & { username?: string | null }) | null | undefined,
  date?: string | null,
): CommitUser => ({
  ...signer(person, date),
  ...(person?.username && { username: person.username }),
});

/** Without the newline that Git ends one with, which GitHub does not show. */
function messageOf(message: string | null | undefined): string {
  const text = message ?? '';
  let end = text.length;
  while (text[end - 1] === '\n') end -= 1;
  return text.slice(0, end);
}

/**
 * A commit of the API. Its accounts are found by e-mail address by the forge: they are shown, and nothing is decided by them.
 * @throws ForgewayError FORGEWAY_PAYLOAD_INVALID
 */
export function commitInput(native: unknown): CommitInput {
  const commit = read('commit', nativeCommit, native);
  return {
    sha: commit.sha,
    ...(commit.commit.tree && { treeSha: commit.commit.tree.sha }),
    message: messageOf(commit.commit.message),
    htmlUrl: commit.html_url ?? '',
    author: { ...signer(commit.commit.author), account: accountIfTold(commit.author) ?? null },
    committer: {
      ...signer(commit.commit.committer ?? commit.commit.author),
      account: accountIfTold(commit.committer) ?? null,
    },
    parents: commit.parents?.map((parent) => parent.sha),
    ...(commit.stats && { stats: { additions: commit.stats.additions, deletions: commit.stats.deletions } }),
    ...(commit.files && { files: fileInputs(commit.files) }),
    verified: commit.commit.verification?.verified ?? undefined,
  };
}

/** A commit of a push; `commits` are cut to five by most servers. @throws ForgewayError FORGEWAY_PAYLOAD_INVALID */
export function pushCommitInput(native: unknown): CommitInput {
  const commit = read('commit', nativePushCommit, native);
  return {
    sha: commit.id,
    message: messageOf(commit.message),
    htmlUrl: commit.url ?? '',
    author: pusher(commit.author, commit.timestamp),
    committer: pusher(commit.committer ?? commit.author, commit.timestamp),
    added: commit.added ?? [],
    removed: commit.removed ?? [],
    modified: commit.modified ?? [],
    verified: commit.verification?.verified ?? undefined,
  };
}

const FILE_STATUS: Readonly<Record<string, FileInput['status']>> = {
  added: 'added',
  copied: 'added',
  deleted: 'removed',
  removed: 'removed',
  renamed: 'renamed',
};

/** A changed file, of a pull request or a commit; the latter have no counts. @throws ForgewayError FORGEWAY_PAYLOAD_INVALID */
export function fileInput(native: unknown): FileInput {
  const file = read('file', nativeFile, native);
  const status = file.status ?? '';
  return {
    path: file.filename,
    ...(file.previous_filename && file.previous_filename !== file.filename && { previousPath: file.previous_filename }),
    status: (Object.hasOwn(FILE_STATUS, status) ? FILE_STATUS[status] : undefined) ?? 'modified',
    additions: file.additions ?? 0,
    deletions: file.deletions ?? 0,
    ...(file.html_url && { htmlUrl: file.html_url }),
  };
}

/** The files of a list, without what is none. Never throws. */
function fileInputs(native: readonly unknown[]): FileInput[] {
  return native.filter((entry) => nativeFile.safeParse(entry).success).map(fileInput);
}
