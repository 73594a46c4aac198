/** What may have become of a connection, what its owner has to do then, and who may say so. */
import type { Store } from '../store/database.js';
import { audit } from './audit.js';

/** Each with the sentence for its owner. */
export const connectionStates = {
  active: 'Nothing to do.',
  expired: 'The token has expired: make a new one, and connect the same address again with it.',
  revoked:
    'The forge does not accept the token or the App’s key, as when it, its account or its installation was removed or suspended: mend that, or connect the same address again with a new one.',
  insufficient_scope:
    'The token may not do all that was asked of it: make one with the scope that is named, and connect the same address again with it.',
  unreachable:
    'The forge cannot be reached: what waits for it is not lost and is tried again by itself, as is a connection that was never confirmed. If the forge should be up, check its address and the network in between.',
} as const satisfies Readonly<Record<string, string>>;

export type ConnectionState = keyof typeof connectionStates;

/** In these the token is good for nothing, so nobody is asked with it. */
export const USELESS: ReadonlySet<string> = new Set<ConnectionState>(['expired', 'revoked']);

export const adviceFor = (status: string): string =>
  status in connectionStates ? connectionStates[status as ConnectionState] : connectionStates.revoked;

/** What a token is that the forge refuses. */
export const refusedState = (expiresAt: Date | undefined | null, now: Date): 'expired' | 'revoked' =>
  expiresAt && expiresAt <= now ? 'expired' : 'revoked';

/** Which states a new one may take the place of: what was seen in passing never revives a token that was refused. */
const FOLLOWS: Readonly<Record<ConnectionState, readonly ConnectionState[]>> = {
  active: ['unreachable'],
  expired: ['active', 'insufficient_scope', 'unreachable', 'revoked'],
  revoked: ['active', 'insufficient_scope', 'unreachable'],
  insufficient_scope: ['active', 'unreachable'],
  unreachable: ['active'],
};

/**
 * Notes what was seen of a connection while it was used. Answers whether that was news; then it is audited.
 * @param reason for people, one or two sentences; null for `active`
 */
export async function noteState(
  store: Store,
  organizationId: string,
  connectionId: string,
  status: ConnectionState,
  reason: string | null,
): Promise<boolean> {
  return store.tenant(organizationId, async (tx) => {
    const { rowCount } = await tx.query(
      `UPDATE connection SET status = $2, status_reason = $3, status_since = now(), updated_at = now(),
         revoked_at = CASE WHEN $2 IN ('expired', 'revoked') THEN now() ELSE revoked_at END
       WHERE id = $1 AND status = ANY($4)`,
      [connectionId, status, reason, FOLLOWS[status]],
    );
    if (rowCount !== 1) return false;
    await audit(tx, organizationId, 'connection.state', connectionId, { status }, 'forgeway');
    return true;
  });
}
