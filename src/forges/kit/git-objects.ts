/**
 * The port for what forges' APIs cannot write: single git objects, commits with chosen parents, refs moved by force. Behind
 * it stands a bare mirror and a push. Objects that were written and not yet pushed are found again by their SHA.
 */

export interface GitRepository {
  /** Numeric id on the forge; names the mirror together with forge and host. */
  id: bigint;
  /** HTTP address that git clones, without credentials. */
  cloneUrl: string;
}

export interface GitIdentity {
  name: string;
  email: string;
  date: Date;
}

export interface TreeEntry {
  path: string;
  mode: '100644' | '100755' | '040000' | '160000' | '120000';
  type: 'blob' | 'tree' | 'commit';
  /** Null removes the path from the base tree. */
  sha: string | null;
}

export interface GitCommitObject {
  sha: string;
  tree: string;
  parents: readonly string[];
  message: string;
  author: GitIdentity;
  committer: GitIdentity;
}

/** An annotated tag. */
export interface GitTagObject {
  sha: string;
  name: string;
  message: string;
  /** What it is put on. */
  object: string;
  type: 'commit' | 'tree' | 'blob' | 'tag';
  tagger: GitIdentity;
}

/** All of them reject with ForgewayError FORGEWAY_GIT_FAILED when git fails; `undefined` means there is no such object. */
export interface GitObjects {
  readBlob(repository: GitRepository, sha: string): Promise<Buffer | undefined>;
  readTree(
    repository: GitRepository,
    sha: string,
    recursive: boolean,
  ): Promise<readonly (TreeEntry & { size?: number })[] | undefined>;
  readCommit(repository: GitRepository, sha: string): Promise<GitCommitObject | undefined>;
  /** What changed on the way to `head` since it parted from `base`, as git prints it: one diff, or a mail for each commit. */
  readChanges(
    repository: GitRepository,
    base: string,
    head: string,
    form: 'diff' | 'patch',
  ): Promise<Buffer | undefined>;
  writeBlob(repository: GitRepository, content: Buffer): Promise<string>;
  /** Entries on top of `baseTree`; without one the tree has these entries only. */
  writeTree(repository: GitRepository, baseTree: string | undefined, entries: readonly TreeEntry[]): Promise<string>;
  writeCommit(repository: GitRepository, commit: Omit<GitCommitObject, 'sha'>): Promise<string>;
  readTag(repository: GitRepository, sha: string): Promise<GitTagObject | undefined>;
  /** The object alone: a ref has to come to hold it. */
  writeTag(repository: GitRepository, tag: Omit<GitTagObject, 'sha'>): Promise<string>;
  /**
   * Pushes `sha` to a full ref such as `refs/heads/main`. `expected` is the SHA the ref must have now (null: must not
   * exist); without `force` the push must be a fast-forward.
   */
  pushRef(
    repository: GitRepository,
    ref: string,
    sha: string,
    options: { force: boolean; expected?: string | null },
  ): Promise<'moved' | 'not-fast-forward' | 'changed-meanwhile'>;
  /** Merges `head` into branch `base` and pushes; `undefined` when there is nothing to merge. */
  merge(
    repository: GitRepository,
    base: string,
    head: string,
    message: string,
    author: GitIdentity,
  ): Promise<{ merged: string } | { conflict: true } | undefined>;
}
