/** Moves a session's branch on the forge, and nothing else there. */

import { ForgewayError, messageOf } from '../../lib/errors.js';
import type { Outbound } from '../../lib/outbound/outbound.js';
import { runGit } from '../git/git-command.js';
import { gitNetwork } from '../git/git-network.js';
import type { GitMirrors } from '../git/mirror.js';
import { isAgentBranch } from './branch.js';
import type { AgentPush } from './runner.js';
import type { WorkTreeBase } from './work-tree.js';

/**
 * The commit that the work is based on is on no branch any more: somebody has moved or deleted its branch meanwhile. A forge takes
 * work on it from whoever has its history, of which our mirrors have the newest commit alone.
 */
const SHALLOW = /shallow update not allowed/;
/** git's own number for all of the history. */
const EVERYTHING = '--depth=2147483647';

/** A rule or a hook of the forge has said no, which it will say again. */
const REFUSED =
  /\[remote rejected\].*\((?:[^()]*hook declined|push declined[^()]*|refusing to allow [^()]*|[^()]*protected branch[^()]*)\)/;
/** Of forges whose hooks ask themselves over the network: it was not the hook that said no. */
const OUT_OF_ORDER =
  /internal (?:server|api) error|\b50[0234]\b|time(?:d)?[ -]?out|unreachable|connection refused|unavailable/i;

/**
 * Pushes one commit to one branch when that is where it is expected to be. One that is stopped may have arrived all the same.
 * @throws ForgewayError FORGEWAY_PUSH_REFUSED when a rule or a hook of the forge says no; FORGEWAY_GIT_FAILED, also for a branch that
 * is not the session's
 */
export async function pushCommit(
  mirrors: GitMirrors,
  outbound: Pick<Outbound, 'pin'>,
  o: { base: WorkTreeBase; sessionId: string },
  { source, branch, commit, expected }: AgentPush,
  signal?: AbortSignal,
): Promise<'pushed' | 'changed-meanwhile'> {
  if (!isAgentBranch(branch, o.sessionId))
    throw new ForgewayError('FORGEWAY_GIT_FAILED', 'Only the branch of the session itself is pushed.');
  if (new URL(source.url).origin !== new URL(source.origin).origin)
    throw new ForgewayError('FORGEWAY_GIT_FAILED', 'The repository’s address is not under its credential’s origin.');
  const ref = `refs/heads/${branch}`;
  const need = {
    repositoryId: o.base.repositoryId,
    source,
    shas: [o.base.sha, commit],
    fallbackRefs: [],
    ...(signal && { signal }),
  };
  return mirrors.use(need, async (mirror) => {
    const remote = async (args: readonly string[]) =>
      runGit(args, {
        ...{ gitDir: mirror.gitDir, lockFd: mirror.lockFd, ...mirror.limits, credential: source },
        network: await gitNetwork(outbound, source.url, source.route, mirror.gitDir),
      });
    const seen = async (): Promise<string | null> => {
      const lines = (await remote(['ls-remote', '--quiet', '--end-of-options', source.url, ref])).split('\n');
      return lines.map((line) => line.split('\t')).find(([, name]) => name === ref)?.[0] ?? null;
    };
    const before = await seen();
    if (before === commit) return 'pushed';
    if (before !== expected) return 'changed-meanwhile';
    const lease = `--force-with-lease=${ref}:${expected ?? ''}`;
    const send = () =>
      remote(['push', '--quiet', '--no-follow-tags', lease, '--end-of-options', source.url, `${commit}:${ref}`]);
    try {
      await send().catch(async (error: unknown) => {
        if (!SHALLOW.test(messageOf(error))) throw error;
        const fetch = ['fetch', '--quiet', '--no-tags', '--no-write-fetch-head', EVERYTHING];
        await remote([...fetch, '--end-of-options', source.url, o.base.sha]);
        await send();
      });
      return 'pushed';
    } catch (error) {
      // The answer may be what was lost.
      const after = await seen();
      if (after === commit) return 'pushed';
      if (after !== expected) return 'changed-meanwhile';
      const said = messageOf(error);
      if (REFUSED.test(said) && !OUT_OF_ORDER.test(said))
        throw new ForgewayError('FORGEWAY_PUSH_REFUSED', said, { cause: error });
      throw error;
    }
  });
}
