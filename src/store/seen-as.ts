/** Reading before a tenant is known: policies show a row to whoever names it by something that only its owner knows. */
import type pg from 'pg';
import type { Store } from './database.js';

/** What a transaction may name; each is the setting that a policy of row level security compares with. */
export interface Seen {
  organizationId?: string;
  /** Of the person who asks: their memberships and their own tokens. */
  userId?: string;
  /** Hex; the one token whose secret has this hash. */
  tokenHash?: string;
  /** The one organization of this name. */
  organizationSlug?: string;
}

const SETTINGS: Readonly<Record<keyof Seen, string>> = {
  organizationId: 'app.organization_id',
  userId: 'app.user_id',
  tokenHash: 'app.token_hash',
  organizationSlug: 'app.organization_slug',
};

/** Runs in one transaction that has named these; the settings end with it, so that a pooled connection never keeps them. */
export async function seenAs<T>(store: Store, seen: Seen, run: (tx: pg.PoolClient) => Promise<T>): Promise<T> {
  return store.tenant(seen.organizationId ?? '', async (tx) => {
    for (const [name, value] of Object.entries(seen) as [keyof Seen, string][])
      if (name !== 'organizationId') await tx.query('SELECT set_config($1, $2, true)', [SETTINGS[name], value]);
    return run(tx);
  });
}
