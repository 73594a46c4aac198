/** `terraform login`: an authorization code with a proof key (RFC 7636), worth one token of the person who allowed it. */
import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { Store } from '../../store/database.js';
import { createToken } from '../api-tokens/rows.js';
import { hashOf, newCode } from './codes.js';

export const TERRAFORM_CLIENT = 'terraform-cli';
/** Where the command line waits for its browser. */
export const LOGIN_PORTS = [10_000, 10_010] as const;
const CODE_MINUTES = 2;

/** True for an address on the person's own machine, in the range that we announce; a code goes nowhere else. */
export function isLoginAddress(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, port, pathname, search, hash, username } = new URL(text);
  const isOwnMachine = protocol === 'http:' && ['localhost', '127.0.0.1', '[::1]'].includes(hostname);
  const inRange = Number(port) >= LOGIN_PORTS[0] && Number(port) <= LOGIN_PORTS[1];
  return isOwnMachine && inRange && pathname === '/login' && search === '' && hash === '' && username === '';
}

export interface LoginRequest {
  redirectUri: string;
  /** base64url of the SHA-256 of the command line's secret. */
  challenge: string;
}

export async function allowTerraform(pool: pg.Pool, userId: string, o: LoginRequest): Promise<string> {
  const code = newCode();
  await pool.query(
    `INSERT INTO sign_in_code (kind, code_hash, challenge, user_id, status, asked_by, expires_at)
     VALUES ('terraform-login', $1, $2, $3, 'approved', $4, now() + make_interval(mins => $5))`,
    [hashOf(code), o.challenge, userId, JSON.stringify({ redirectUri: o.redirectUri }), CODE_MINUTES],
  );
  return code;
}

/**
 * The token, told once; undefined for a code that does not hold. One that comes with a wrong secret or address is used up too:
 * somebody else has it.
 */
export async function redeemTerraform(
  { pool, store }: { pool: pg.Pool; store: Store },
  o: { code: string; verifier: string; redirectUri: string },
): Promise<{ token: string; userId: string } | undefined> {
  const { rows } = await pool.query<{
    user_id: string;
    challenge: string;
    asked_by: { redirectUri?: string };
    expired: boolean;
  }>(
    `UPDATE sign_in_code SET consumed_at = now() WHERE kind = 'terraform-login' AND code_hash = $1 AND consumed_at IS NULL
     RETURNING user_id, challenge, asked_by, expires_at <= now() AS expired`,
    [hashOf(o.code)],
  );
  const [row] = rows;
  const challenge = createHash('sha256').update(o.verifier).digest('base64url');
  if (row === undefined || row.expired || row.challenge !== challenge) return undefined;
  if (row.asked_by.redirectUri !== o.redirectUri) return undefined;
  const { token } = await createToken(store, {
    owner: { kind: 'user', userId: row.user_id },
    name: 'terraform login',
    scopes: ['read', 'run', 'manage'],
    expiresAt: null,
    createdBy: `user:${row.user_id}`,
  });
  return { token, userId: row.user_id };
}
