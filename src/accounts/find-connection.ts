/** Which connection speaks for a person or an organization on one instance of a forge. */
import { ForgewayError } from '../lib/errors.js';
import type { Store } from '../store/database.js';
import { USELESS } from './connection-state.js';

export interface ConnectionWish {
  organizationId: string;
  /** Only a connection of this person's own, while they belong to the organization and are not suspended; undefined: only those of the organization. */
  userId?: string;
  forge: string;
  host: string;
  /** Login of the account that it belongs to, where there are several. */
  account?: string;
}

export interface FoundConnection {
  id: string;
  kind: 'github-app' | 'oauth' | 'pat';
}

/** The one that works, an App before a token; else one that may work again. @throws ForgewayError FORGEWAY_CONNECTION_UNKNOWN or _UNUSABLE */
export async function findConnection(store: Store, wish: ConnectionWish): Promise<FoundConnection> {
  const { organizationId, userId, forge, host, account } = wish;
  const rows = await store.tenant(organizationId, async (tx) => {
    const found = await tx.query<FoundConnection & { status: string; reason: string | null; account: string }>(
      `SELECT id, kind, status, status_reason AS reason, coalesce(account_login, '') AS account FROM connection
       WHERE forge = $1 AND host = $2 AND user_id IS NOT DISTINCT FROM $3
         AND ($3::text IS NULL OR EXISTS (SELECT FROM member m JOIN "user" u ON u.id = m.user_id
           WHERE m.organization_id = $5 AND m.user_id = $3 AND u.suspended_at IS NULL))
         AND ($4::text IS NULL OR lower(account_login) = lower($4))
       ORDER BY status = ANY($6), status <> 'active', array_position(ARRAY['github-app', 'oauth', 'pat'], kind), created_at`,
      [forge, host, userId ?? null, account ?? null, organizationId, [...USELESS]],
    );
    return found.rows;
  });
  const [first] = rows;
  const whose = userId === undefined ? 'The organization' : 'The user';
  if (first === undefined)
    throw new ForgewayError(
      'FORGEWAY_CONNECTION_UNKNOWN',
      `${whose} has no connection to ${host}${account === undefined ? '' : ` as ${account}`}. Connect it first.`,
    );
  // What is away, or lacks a scope, is asked: only so can it answer again, and nobody has to connect it anew.
  if (USELESS.has(first.status))
    throw new ForgewayError('FORGEWAY_CONNECTION_UNUSABLE', first.reason ?? `The connection is ${first.status}.`, {
      details: { reconnect: true },
    });
  const accounts = new Set(
    rows.filter((row) => row.status === first.status && row.kind === first.kind).map((row) => row.account),
  );
  // Which of them would be asked is not for chance to decide.
  if (accounts.size > 1)
    throw new ForgewayError(
      'FORGEWAY_CONNECTION_UNKNOWN',
      `${whose} has several connections to ${host}: name the account, one of ${[...accounts].sort().join(', ')}.`,
    );
  return { id: first.id, kind: first.kind };
}
