/** Codes that are worth something once. Only their hashes are kept; 256 bits need no slow hash. */
import { createHash, randomBytes } from 'node:crypto';
import type pg from 'pg';

export const newCode = (): string => randomBytes(32).toString('base64url');
export const hashOf = (code: string): string => createHash('sha256').update(code).digest('base64url');

const SETUP_HOURS = 24;

/** Who opens the link with it and signs in becomes an administrator. Those made before are worth nothing any more. */
export async function createSetupCode(pool: pg.Pool): Promise<string> {
  const code = newCode();
  await pool.query(
    `WITH gone AS (DELETE FROM sign_in_code WHERE kind = 'setup' AND consumed_at IS NULL)
     INSERT INTO sign_in_code (kind, code_hash, expires_at) VALUES ('setup', $1, now() + make_interval(hours => $2))`,
    [hashOf(code), SETUP_HOURS],
  );
  return code;
}

export async function isSetupCode(pool: pg.Pool, code: string): Promise<boolean> {
  const { rowCount } = await pool.query(
    `SELECT FROM sign_in_code WHERE kind = 'setup' AND code_hash = $1 AND consumed_at IS NULL AND expires_at > now()`,
    [hashOf(code)],
  );
  return rowCount === 1;
}

/** Uses it up; false when it is none, or somebody was faster. */
export async function consumeSetupCode(pool: pg.Pool, codeHash: string): Promise<boolean> {
  const { rowCount } = await pool.query(
    `UPDATE sign_in_code SET consumed_at = now()
     WHERE kind = 'setup' AND code_hash = $1 AND consumed_at IS NULL AND expires_at > now()`,
    [codeHash],
  );
  return rowCount === 1;
}
