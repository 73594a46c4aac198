/** How people are called where something is written for people: rows keep who it was by an id, which says nothing to anybody. */
import type pg from 'pg';

/**
 * @param by as rows keep it: `user:ID`, `user:ID token:ID`, `machine:ID`, or a name already
 * @param tx as the organization; of others nobody is known
 */
export async function personOf(tx: pg.PoolClient, by: string | null): Promise<string> {
  const [, kind, id] = /^(user|machine):(\S+)/.exec(by ?? '') ?? [];
  if (kind === undefined) return by ?? 'somebody';
  const { rows } =
    kind === 'user'
      ? await tx.query<{ name: string }>('SELECT name FROM "user" WHERE id = $1', [id])
      : await tx.query<{ name: string }>('SELECT name FROM api_token WHERE id::text = $1', [id]);
  const [row] = rows;
  if (row === undefined) return kind === 'user' ? 'somebody who is gone' : 'a token that is gone';
  return kind === 'user' ? row.name : `the token “${row.name}”`;
}

/** Why a run is over that somebody has ended. */
export const endedBy = async (tx: pg.PoolClient, how: 'canceled' | 'discarded', by: string | null): Promise<string> =>
  `It was ${how} by ${await personOf(tx, by)}.`;
