/**
 * Who is behind the commit that a pull request is at: whoever opened it, and whoever brought that commit, which may be somebody else
 * (R9). What an agent of ours made was pushed by us, and is the wish of whoever had it work.
 */
import type { PoolClient } from 'pg';
import { type CommitPlace, pusherOf } from '../accounts/access/trusted-commits.js';
import { madeFor } from './agent/made-for.js';

export interface BehindHead {
  id: bigint;
  login: string;
  /** In words, such as `opened it`. */
  did: string;
}

/**
 * Each of them once; undefined when nobody is known who answers for it. Who pushed is known where the forge has told us of it; else it was
 * somebody who might, since only they can push to a branch of the repository, and nobody is added: whoever opened it answers alone. Where
 * we have opened it, that is nobody. A fork's are not asked about: whoever may write there is no matter of ours.
 * @param opener as the forge says now
 */
export async function peopleBehind(
  tx: PoolClient,
  place: CommitPlace,
  opener: { id: bigint; login: string },
): Promise<BehindHead[] | undefined> {
  const { rowCount: isOurs } = await tx.query(
    'SELECT FROM pull_request WHERE repository_id = $1 AND number = $2 AND session_id IS NOT NULL',
    [place.repositoryId, place.number],
  );
  const made = await madeFor(tx, place);
  const pusher = made === undefined ? await pusherOf(tx, place) : undefined;
  // By no account where it was asked for here, by somebody who was let.
  if (isOurs && made === undefined && pusher === undefined) return undefined;
  const people = [
    ...(isOurs ? [] : [{ ...opener, did: 'opened it' }]),
    ...(made?.account == null ? [] : [{ ...made.account, did: 'had an agent make it' }]),
    ...(pusher === undefined ? [] : [{ ...pusher, did: 'pushed it' }]),
  ];
  return people.filter(({ id }, at) => people.findIndex((one) => one.id === id) === at);
}
