/** Tokens of connections, sealed in their rows: where the keeper of this program reads and writes. */
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { pause } from '../../lib/clock.js';
import { ForgewayError } from '../../lib/errors.js';
import type { Store } from '../../store/database.js';
import { audit } from '../audit.js';
import { USELESS } from '../connection-state.js';
import type { Vault } from '../vault.js';
import { openSecrets, type SealedColumns, sealedColumnsOf, sealedValues, sealSecrets } from '../vault-columns.js';
import type { StoredTokens, TokenStore } from './keeper.js';

export interface StoredTokensOptions {
  store: Store;
  vault: Vault;
  /** How long the lock of a process that has died keeps others out, in milliseconds. Longer than asking a forge takes. */
  leaseMs?: number;
}

const LEASE_MS = 60_000;
/** A lock that is taken is looked at this often, a little later each time. */
const POLL_MS = { first: 20, most: 500 };

interface TokenRow extends SealedColumns<'connection'> {
  id: string;
  status: string;
  status_reason: string | null;
  access_token_expires_at: Date | null;
  refresh_token_expires_at: Date | null;
  token_granted_at: Date | null;
  token_failures: number;
  token_failed_at: Date | null;
  updated_at: Date;
}

const COLUMNS = `id, status, status_reason, access_token_expires_at, refresh_token_expires_at, token_granted_at, token_failures,
  token_failed_at, updated_at, ${sealedColumnsOf('connection').join(', ')}`;

/** Names the tokens of one connection. */
export const tokenKey = (organizationId: string, connectionId: string): string => `${organizationId}/${connectionId}`;

function placeOf(key: string): { organizationId: string; id: string } {
  const [organizationId = '', id = ''] = key.split('/', 2);
  return { organizationId, id };
}

export function createStoredTokens({ store, vault, leaseMs = LEASE_MS }: StoredTokensOptions): TokenStore {
  /** This process, among those that may hold a lease. */
  const self = randomUUID();

  const find = async (tx: pg.PoolClient, id: string, lock: '' | 'FOR UPDATE') => {
    const { rows } = await tx.query<TokenRow>(`SELECT ${COLUMNS} FROM connection WHERE id = $1 ${lock}`, [id]);
    return rows[0];
  };
  const secretsOf = (organizationId: string, row: TokenRow) =>
    openSecrets(vault, { table: 'connection', organizationId, rowId: row.id }, row);

  /** Changes the row while its refresh token is still the one that `previous` has. Sealing it anew changes nothing. */
  const change = (
    key: string,
    previous: StoredTokens,
    apply: (tx: pg.PoolClient, row: TokenRow, organizationId: string) => Promise<unknown>,
    gone?: (tx: pg.PoolClient, id: string, organizationId: string) => Promise<unknown>,
  ): Promise<void> => {
    const { organizationId, id } = placeOf(key);
    return store.tenant(organizationId, async (tx) => {
      const row = await find(tx, id, 'FOR UPDATE');
      if (row === undefined) await gone?.(tx, id, organizationId);
      if (row === undefined || secretsOf(organizationId, row).refresh_token !== previous.refreshToken) return;
      await apply(tx, row, organizationId);
    });
  };

  return {
    async read(key) {
      const { organizationId, id } = placeOf(key);
      const row = await store.tenant(organizationId, (tx) => find(tx, id, ''));
      if (row === undefined) return undefined;
      const { access_token, refresh_token } = secretsOf(organizationId, row);
      // One whose forge is away, or which lacks a scope, has its tokens all the same.
      const ended =
        !USELESS.has(row.status) && access_token !== undefined
          ? undefined
          : (row.status_reason ?? 'The connection has no token: connect the account again.');
      return {
        accessToken: access_token ?? '',
        ...(refresh_token !== undefined && { refreshToken: refresh_token }),
        ...(row.access_token_expires_at && { expiresAt: row.access_token_expires_at }),
        ...(row.refresh_token_expires_at && { refreshTokenExpiresAt: row.refresh_token_expires_at }),
        grantedAt: row.token_granted_at ?? row.updated_at,
        failures: row.token_failures,
        ...(row.token_failed_at && { failedAt: row.token_failed_at }),
        ...(ended !== undefined && { ended }),
      };
    },

    replace: (key, previous, tokens) => {
      // The connection went while its token was renewed: this one is to be ended, since the one before is no more.
      const handOver = async (tx: pg.PoolClient, id: string, organizationId: string) => {
        const { rows } = await tx.query<SealedColumns<'token_revocation'>>(
          `SELECT ${sealedColumnsOf('token_revocation').join(', ')} FROM token_revocation WHERE id = $1 FOR UPDATE`,
          [id],
        );
        const [ended] = rows;
        const place = { table: 'token_revocation', organizationId, rowId: id } as const;
        if (ended === undefined || openSecrets(vault, place, ended).refresh_token !== previous.refreshToken) return;
        const columns = await sealSecrets(tx, vault, place, ended, {
          access_token: tokens.accessToken,
          refresh_token: tokens.refreshToken ?? null,
        });
        const { names, values } = sealedValues('token_revocation', columns);
        await tx.query(
          `UPDATE token_revocation SET access_token_expires_at = $2, due_at = now(), trying_until = NULL,
             ${names.map((name, index) => `${name} = $${index + 3}`).join(', ')} WHERE id = $1`,
          [id, tokens.expiresAt ?? null, ...values],
        );
      };
      return change(key, previous, renew, handOver);

      async function renew(tx: pg.PoolClient, row: TokenRow, organizationId: string) {
        const place = { table: 'connection', organizationId, rowId: row.id } as const;
        const columns = await sealSecrets(tx, vault, place, row, {
          access_token: tokens.accessToken,
          refresh_token: tokens.refreshToken ?? null,
        });
        const sealed = sealedValues('connection', columns);
        await tx.query(
          `UPDATE connection SET access_token_expires_at = $2, refresh_token_expires_at = $3, scopes = coalesce($4, scopes),
             token_granted_at = now(), token_failures = 0, token_failed_at = NULL, updated_at = now(),
             ${sealed.names.map((name, index) => `${name} = $${index + 5}`).join(', ')}
           WHERE id = $1`,
          [
            row.id,
            tokens.expiresAt ?? null,
            tokens.refreshTokenExpiresAt ?? null,
            tokens.scopes?.join(' ') ?? null,
            ...sealed.values,
          ],
        );
      }
    },

    end: (key, previous, reason) =>
      change(key, previous, async (tx, row, organizationId) => {
        const { rowCount } = await tx.query(
          `UPDATE connection SET status = 'revoked', status_reason = $2, status_since = now(), revoked_at = now(), updated_at = now()
           WHERE id = $1 AND status <> ALL($3)`,
          [row.id, reason, [...USELESS]],
        );
        if (rowCount === 1) await audit(tx, organizationId, 'connection.ended', row.id, { reason }, 'forgeway');
      }),

    failed: (key, previous, at) =>
      change(key, previous, (tx, row) =>
        tx.query('UPDATE connection SET token_failures = token_failures + 1, token_failed_at = $2 WHERE id = $1', [
          row.id,
          at,
        ]),
      ),

    async lock(key, run) {
      const { organizationId, id } = placeOf(key);
      /** True also when the row is gone, which whoever then reads it is told. */
      const take = () =>
        store.tenant(organizationId, async (tx) => {
          const { rowCount } = await tx.query(
            `UPDATE connection SET token_lease_until = now() + make_interval(secs => $3), token_lease_by = $2
             WHERE id = $1 AND (token_lease_until IS NULL OR token_lease_until <= now())`,
            [id, self, leaseMs / 1_000],
          );
          if (rowCount === 1) return true;
          return (await tx.query('SELECT FROM connection WHERE id = $1', [id])).rowCount === 0;
        });
      const giveBack = () =>
        store.tenant(organizationId, (tx) =>
          tx.query('UPDATE connection SET token_lease_until = NULL WHERE id = $1 AND token_lease_by = $2', [id, self]),
        );
      const began = performance.now();
      for (let wait = POLL_MS.first; !(await take()); wait = Math.min(wait * 1.5, POLL_MS.most)) {
        // The lease of one that has died has ended long since: others are before us again and again.
        if (performance.now() - began > 2 * leaseMs)
          throw new ForgewayError(
            'FORGEWAY_CONNECTION_UNUSABLE',
            'Its token is being renewed, and that takes too long.',
          );
        await pause(wait * (0.5 + Math.random() / 2));
      }
      try {
        return await run();
      } finally {
        await giveBack();
      }
    },
  };
}
