/** Merges without a working copy, in the four ways in which forges do it. */
import { type FakeIdentity, identityLine, readCommitObject } from './git-commits.js';
import { git, gitText, tryGit } from './git-process.js';

export interface MergeOptions {
  /** Name of the branch that is moved. */
  base: string;
  head: string;
  message: string;
  /** Who merges: author of the new commit, and committer of commits that are rebased. */
  author: FakeIdentity;
  how: 'merge' | 'squash' | 'rebase' | 'fast-forward';
}

type Outcome = { sha: string } | { conflict: true };

interface Merge extends MergeOptions {
  /** Where `base` stands; the merge is refused when it moves meanwhile. */
  tip: string;
}

/** Both SHAs. */
export async function hasConflicts(directory: string, tip: string, head: string): Promise<boolean> {
  return (await mergedTree(directory, tip, head)) === undefined;
}

/** With nothing to merge the branch stays and its SHA is the answer. */
export async function mergeBranches(directory: string, merge: Merge, clock: () => Date): Promise<Outcome> {
  const { tip, head, base } = merge;
  const reaches = async (a: string, b: string) =>
    (await tryGit(directory, ['merge-base', '--is-ancestor', a, b])).code === 0;
  if (await reaches(head, tip)) return { sha: tip };
  const sha = await mergedCommit(directory, merge, clock, () => reaches(tip, head));
  if (sha === undefined) return { conflict: true };
  await git(directory, ['update-ref', `refs/heads/${base}`, sha, tip]);
  return { sha };
}

async function mergedCommit(
  directory: string,
  merge: Merge,
  clock: () => Date,
  isFastForward: () => Promise<boolean>,
): Promise<string | undefined> {
  const { tip, head, message, author, how } = merge;
  if (how === 'fast-forward') return (await isFastForward()) ? head : undefined;
  if (how === 'rebase') return rebased(directory, merge, clock);
  const tree = await mergedTree(directory, tip, head);
  if (tree === undefined) return undefined;
  const line = identityLine(author, clock);
  return writeRawCommit(directory, tree, how === 'merge' ? [tip, head] : [tip], line, line, message);
}

/** The tree of both together; undefined when they conflict. */
async function mergedTree(directory: string, ours: string, theirs: string): Promise<string | undefined> {
  const { code, out, said } = await tryGit(directory, ['merge-tree', '--write-tree', '--no-messages', ours, theirs]);
  if (code > 1) throw new Error(`git merge-tree ended with ${code}: ${said}`);
  return code === 0 ? out.toString('utf8').trim() : undefined;
}

/** Puts the commits of `head` on top of `tip` one by one, leaving out merges and what changes nothing any more. */
async function rebased(
  directory: string,
  { tip, head, author }: Merge,
  clock: () => Date,
): Promise<string | undefined> {
  const list = await gitText(directory, ['rev-list', '--reverse', '--topo-order', '--no-merges', head, `^${tip}`]);
  let on = tip;
  for (const sha of list.split('\n').filter((line) => line !== '')) {
    const picked = await readCommitObject(directory, sha);
    const before = await readCommitObject(directory, on);
    if (picked === undefined || before === undefined) throw new Error(`The commit ${sha} is gone.`);
    const tree = await pickedTree(directory, before.tree, picked.tree, picked.parents[0]);
    if (tree === undefined) return undefined;
    if (tree === before.tree) continue;
    const wrote = identityLine(picked.author, clock);
    on = await writeRawCommit(directory, tree, [on], wrote, identityLine(author, clock), picked.message);
  }
  return on;
}

/**
 * What a cherry-pick would leave. Git finds the base of a merge in the history alone, so the three trees get a history of
 * three commits in which the picked commit's parent is that base.
 */
async function pickedTree(
  directory: string,
  ours: string,
  theirs: string,
  parent: string | undefined,
): Promise<string | undefined> {
  const nobody = 'nobody <nobody@localhost> 0 +0000';
  const write = (tree: string, parents: string[]) => writeRawCommit(directory, tree, parents, nobody, nobody, '');
  const emptyTree = () => gitText(directory, ['mktree']);
  const baseTree = parent === undefined ? await emptyTree() : (await readCommitObject(directory, parent))?.tree;
  const base = await write(baseTree ?? (await emptyTree()), []);
  return mergedTree(directory, await write(ours, [base]), await write(theirs, [base]));
}

async function writeRawCommit(
  directory: string,
  tree: string,
  parents: readonly string[],
  author: string,
  committer: string,
  message: string,
): Promise<string> {
  const head = [`tree ${tree}`, ...parents.map((sha) => `parent ${sha}`), `author ${author}`, `committer ${committer}`];
  const input = `${head.join('\n')}\n\n${message}`;
  return gitText(directory, ['hash-object', '-t', 'commit', '-w', '--stdin'], { input });
}
