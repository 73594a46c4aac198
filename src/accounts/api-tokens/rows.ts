/** Tokens of the API as rows: made, listed, revoked, and found by their secret. */
import type pg from 'pg';
import { ForgewayError } from '../../lib/errors.js';
import type { Store } from '../../store/database.js';
import { seenAs } from '../../store/seen-as.js';
import { type Scope, scopes } from '../access/actor.js';
import { isRole, type Role } from '../access/roles.js';
import { audit } from '../audit.js';
import { hashOfToken, newTokenSecret } from './secret.js';

/**
 * Whose it is. `user`: a person's, who may never do more with it than without. `organization`: for administration, such as
 * a Terraform provider's. `machine`: for one program that runs, reports or watches, and administers nothing.
 */
export const tokenKinds = ['user', 'organization', 'machine'] as const;
export type TokenKind = (typeof tokenKinds)[number];

/** The most that a token of this kind may be. Nobody owns an organization by a token. */
export const mostOf = { organization: 'admin', machine: 'maintainer' } as const satisfies Partial<
  Record<TokenKind, Role>
>;

export type TokenOwner =
  | { kind: 'organization' | 'machine'; organizationId: string; role: Role }
  /** With an organization: limited to it. */
  | { kind: 'user'; userId: string; organizationId?: string };

export interface TokenWish {
  owner: TokenOwner;
  name: string;
  scopes: readonly Scope[];
  /** None: it ends when somebody revokes it. */
  expiresAt: Date | null;
  /** For the audit trail. */
  createdBy: string;
}

export interface TokenSummary {
  id: string;
  kind: TokenKind;
  name: string;
  /** Its first characters. */
  prefix: string;
  scopes: readonly Scope[];
  role: Role | null;
  userId: string | null;
  organizationId: string | null;
  expiresAt: Date | null;
  /** To ten minutes. */
  lastUsedAt: Date | null;
  revokedAt: Date | null;
  createdBy: string;
  createdAt: Date;
}

const COLUMNS = `id, kind, name, prefix, scopes, role, user_id AS "userId", organization_id AS "organizationId",
  expires_at AS "expiresAt", last_used_at AS "lastUsedAt", revoked_at AS "revokedAt", created_by AS "createdBy",
  created_at AS "createdAt"`;

const seenBy = (owner: { organizationId?: string; userId?: string }) => ({
  ...(owner.organizationId !== undefined && { organizationId: owner.organizationId }),
  ...(owner.userId !== undefined && { userId: owner.userId }),
});

/** The secret is in the answer, and nowhere else afterwards. */
export async function createToken(store: Store, wish: TokenWish): Promise<TokenSummary & { token: string }> {
  const { owner } = wish;
  const { token, prefix, hash } = newTokenSecret();
  return seenAs(store, seenBy(owner), async (tx) => {
    const { rows } = await tx.query<TokenSummary>(
      `INSERT INTO api_token (organization_id, user_id, kind, name, prefix, secret_hash, scopes, role, expires_at, created_by)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING ${COLUMNS}`,
      [
        owner.organizationId ?? null,
        owner.kind === 'user' ? owner.userId : null,
        owner.kind,
        wish.name,
        prefix,
        hash,
        JSON.stringify(wish.scopes),
        owner.kind === 'user' ? null : owner.role,
        wish.expiresAt,
        wish.createdBy,
      ],
    );
    const [made] = rows;
    if (made === undefined) throw new Error('the token was not stored');
    if (owner.organizationId !== undefined)
      await audit(
        tx,
        owner.organizationId,
        'token.created',
        made.id,
        { kind: owner.kind, name: wish.name, scopes: wish.scopes },
        wish.createdBy,
      );
    return { ...made, token };
  });
}

export interface TokenPage {
  /** Only those made before this one. */
  before?: { createdAt: Date; id: string };
  limit: number;
}

/** Newest first, revoked ones too. Of an organization: its own, and its members' that are limited to it. */
export async function listTokens(
  store: Store,
  of: { organizationId: string } | { userId: string },
  { before, limit }: TokenPage,
): Promise<TokenSummary[]> {
  return seenAs(store, of, async (tx) => {
    const { rows } = await tx.query<TokenSummary>(
      `SELECT ${COLUMNS} FROM api_token
       WHERE ($1::timestamptz IS NULL OR (date_trunc('milliseconds', created_at), id) < ($1::timestamptz, $2::uuid))
       ORDER BY date_trunc('milliseconds', created_at) DESC, id DESC LIMIT $3`,
      [before?.createdAt ?? null, before?.id ?? null, limit],
    );
    return rows;
  });
}

/** False when there is none with this id there. Revoking twice is revoking once. */
export async function revokeToken(
  store: Store,
  of: { organizationId: string } | { userId: string },
  id: string,
  by: string,
): Promise<boolean> {
  return seenAs(store, of, async (tx) => {
    const { rows } = await tx.query<{ organization_id: string | null; now: boolean }>(
      `UPDATE api_token t SET revoked_at = coalesce(t.revoked_at, now())
       FROM (SELECT id, revoked_at FROM api_token WHERE id::text = $1 FOR UPDATE) old WHERE t.id = old.id
       RETURNING t.organization_id, old.revoked_at IS NULL AS now`,
      [id],
    );
    const [revoked] = rows;
    if (revoked?.organization_id && revoked.now) await audit(tx, revoked.organization_id, 'token.revoked', id, {}, by);
    return revoked !== undefined;
  });
}

/** The token that has this secret and still holds; the one that does not is as unknown as one that never was. */
export async function findToken(store: Store, token: string): Promise<TokenSummary | undefined> {
  return seenAs(store, { tokenHash: hashOfToken(token).toString('hex') }, async (tx) => {
    const { rows } = await tx.query<TokenSummary>(
      `SELECT ${COLUMNS} FROM api_token WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())`,
    );
    const [found] = rows;
    if (found === undefined) return undefined;
    await noteUse(tx, found);
    return checked(found);
  });
}

async function noteUse(tx: pg.PoolClient, { id, lastUsedAt }: TokenSummary): Promise<void> {
  // Most requests write nothing.
  if (lastUsedAt !== null && Date.now() - lastUsedAt.getTime() < 600_000) return;
  await tx.query(
    `UPDATE api_token SET last_used_at = now()
     WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < now() - interval '10 minutes')`,
    [id],
  );
}

/** What is read from the table decides who may do what: a value that we never write is not taken for one that we do. */
function checked(found: TokenSummary): TokenSummary {
  const known = (found.scopes as readonly unknown[]).every((scope) => (scopes as readonly unknown[]).includes(scope));
  if (!known || (found.role !== null && !isRole(found.role)))
    throw new ForgewayError('FORGEWAY_UNAUTHENTICATED', 'The row of the token is damaged.');
  return found;
}
