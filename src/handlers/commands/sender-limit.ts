/**
 * How often one person is heard (R21). Counted in the database, since comments of one person are worked off by several
 * processes. A comment that is worked off twice after a crash counts twice, which harms nobody.
 */

import type { HandlerOptions } from '../delivery-work.js';
import { inDelivery } from '../delivery-work.js';

const WINDOW_MINUTES = 10;
const DEFAULT_LIMIT = 30;

export interface SenderTurn {
  /** They may be heard. */
  heard: boolean;
  /** The first that is not heard: they are told so, once. */
  isFirst: boolean;
  /** What they are told. */
  why: string;
}

/**
 * Counts one more of this person's.
 * @param o.times how many times the limit this may be given: what stops something must not be kept from stopping it
 */
export async function takeSenderTurn(
  o: HandlerOptions & { commandLimit?: number },
  accountId: bigint,
  { times = 1 }: { times?: number } = {},
): Promise<SenderTurn> {
  const limit = (o.commandLimit ?? DEFAULT_LIMIT) * times;
  let given = 0;
  let minutes = WINDOW_MINUTES;
  await inDelivery(o, async ({ tx, origin }) => {
    const { rows } = await tx.query<{ given: number; minutes: number }>(
      `INSERT INTO command_sender AS s (organization_id, forge, host, account_id) VALUES ($1, $2, $3, $4)
       ON CONFLICT (organization_id, forge, host, account_id) DO UPDATE SET
         given = CASE WHEN s.window_start < now() - $5 * interval '1 minute' THEN 1 ELSE s.given + 1 END,
         window_start = CASE WHEN s.window_start < now() - $5 * interval '1 minute' THEN now() ELSE s.window_start END
       RETURNING given, ceil(extract(epoch FROM window_start + $5 * interval '1 minute' - now()) / 60)::int AS minutes`,
      [origin.organizationId, origin.forge, origin.host, accountId, WINDOW_MINUTES],
    );
    given = rows[0]?.given ?? 0;
    minutes = rows[0]?.minutes ?? WINDOW_MINUTES;
  });
  const wait = minutes <= 1 ? 'a minute' : `${minutes} minutes`;
  const why = `you have given ${limit} commands in ${WINDOW_MINUTES} minutes, and more are not heard. Try again in ${wait}.`;
  return { heard: given <= limit, isFirst: given === limit + 1, why };
}
