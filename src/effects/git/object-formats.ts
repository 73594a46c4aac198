/** Reads what git prints of trees and commits. */
import type { GitObjectCommit, GitObjectIdentity, GitObjectTag } from './objects.js';

export const TREE_MODES = ['100644', '100755', '040000', '160000', '120000'] as const;
type Mode = (typeof TREE_MODES)[number];

export interface ListedEntry {
  path: string;
  mode: Mode;
  type: 'blob' | 'tree' | 'commit';
  sha: string;
  size?: number;
}

/** Output of `git ls-tree -z -l`. */
export function parseTree(text: string): ListedEntry[] {
  return text.split('\0').flatMap((line): ListedEntry[] => {
    const [, mode = '', type = '', sha = '', size = '', path = ''] =
      /^(\d+) (\w+) (\w+) +(\S+)\t([\s\S]*)$/.exec(line) ?? [];
    if (path === '' || (type !== 'blob' && type !== 'tree' && type !== 'commit')) return [];
    // Old repositories have 100664, which means the same to everybody.
    const known = TREE_MODES.find((one) => one === mode) ?? '100644';
    return [{ path, mode: known, type, sha, ...(size !== '-' && { size: Number(size) }) }];
  });
}

function parseIdentity(text: string): GitObjectIdentity {
  const [, name = '', email = '', seconds = '0'] = /^(.*?) ?<([^>]*)> (\d+)/.exec(text) ?? [];
  return { name, email, date: new Date(Number(seconds) * 1_000) };
}

/** The headers of an object, each with its values, and the text below them. */
function partsOf(text: string): { values(name: string): string[]; message: string } {
  const end = text.indexOf('\n\n');
  const headers = text.slice(0, end === -1 ? undefined : end).split('\n');
  return {
    values: (name) => headers.filter((line) => line.startsWith(`${name} `)).map((line) => line.slice(name.length + 1)),
    message: end === -1 ? '' : text.slice(end + 2).replace(/\n$/, ''),
  };
}

/** Output of `git cat-file tag`. */
export function parseTag(sha: string, text: string): GitObjectTag {
  const { values, message } = partsOf(text);
  return {
    sha,
    name: values('tag')[0] ?? '',
    message,
    object: values('object')[0] ?? '',
    type: (values('type')[0] ?? 'commit') as GitObjectTag['type'],
    tagger: parseIdentity(values('tagger')[0] ?? ''),
  };
}

/** Output of `git cat-file commit`. */
export function parseCommit(sha: string, text: string): GitObjectCommit {
  const { values, message } = partsOf(text);
  return {
    sha,
    tree: values('tree')[0] ?? '',
    parents: values('parent'),
    message,
    author: parseIdentity(values('author')[0] ?? ''),
    committer: parseIdentity(values('committer')[0] ?? ''),
  };
}
