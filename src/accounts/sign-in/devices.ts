/**
 * Signing in where there is no browser, or another one: a device shows a short code that a signed-in person compares and allows
 * (RFC 8628), or an app is sent a one-time code by a link that only it opens, bound to a secret of its own (RFC 7636). Codes live
 * ten minutes, are kept as hashes, and are worth one session.
 */
import { createHash, randomInt } from 'node:crypto';
import type pg from 'pg';
import { hashOf, newCode } from './codes.js';

export const DEVICE_MINUTES = 10;
export const POLL_SECONDS = 5;

/** Letters and digits that nobody takes for others, and that make no words. */
const LETTERS = 'BCDFGHJKLMNPQRSTVWXZ23456789';
const USER_CODE_LENGTH = 8;

/** What a device says of itself, and from where it asked. */
export interface AskedBy {
  name: string;
  ip: string;
}

export interface WaitingDevice extends AskedBy {
  since: Date;
}

const plain = (userCode: string) => userCode.toUpperCase().replaceAll(/[^A-Z0-9]/g, '');

/** Both codes of a device that wants a session. @param pool of the role of the API */
export async function beginDevice(pool: pg.Pool, askedBy: AskedBy): Promise<{ deviceCode: string; userCode: string }> {
  const letters = Array.from({ length: USER_CODE_LENGTH }, () => LETTERS[randomInt(LETTERS.length)]).join('');
  const deviceCode = newCode();
  await pool.query(
    `WITH gone AS (DELETE FROM sign_in_code WHERE kind <> 'setup' AND expires_at < now() - interval '1 day')
     INSERT INTO sign_in_code (kind, code_hash, user_code_hash, asked_by, expires_at)
     VALUES ('device', $1, $2, $3, now() + make_interval(mins => $4))`,
    [hashOf(deviceCode), hashOf(letters), JSON.stringify(askedBy), DEVICE_MINUTES],
  );
  return { deviceCode, userCode: `${letters.slice(0, 4)}-${letters.slice(4)}` };
}

export async function findDevice(pool: pg.Pool, userCode: string): Promise<WaitingDevice | undefined> {
  const { rows } = await pool.query<{ asked_by: AskedBy; created_at: Date }>(
    `SELECT asked_by, created_at FROM sign_in_code
     WHERE kind = 'device' AND user_code_hash = $1 AND status = 'pending' AND expires_at > now()`,
    [hashOf(plain(userCode))],
  );
  const [row] = rows;
  return row === undefined ? undefined : { name: row.asked_by.name, ip: row.asked_by.ip, since: row.created_at };
}

/** What a person said; false when nothing waits under that code any more. */
export async function decideDevice(pool: pg.Pool, userCode: string, userId: string, allow: boolean): Promise<boolean> {
  const { rowCount } = await pool.query(
    `UPDATE sign_in_code SET status = $3, user_id = $2
     WHERE kind = 'device' AND user_code_hash = $1 AND status = 'pending' AND expires_at > now()`,
    [hashOf(plain(userCode)), userId, allow ? 'approved' : 'denied'],
  );
  return rowCount === 1;
}

/** In the words of RFC 8628. */
export type PollAnswer =
  | { userId: string }
  | { error: 'authorization_pending' | 'slow_down' | 'access_denied' | 'expired_token' | 'invalid_grant' };

/** A device asks whether somebody has decided. Allowed, it is answered so once. */
export async function pollDevice(pool: pg.Pool, deviceCode: string): Promise<PollAnswer> {
  const hash = hashOf(deviceCode);
  const used = await pool.query<{ user_id: string }>(
    `UPDATE sign_in_code SET consumed_at = now() WHERE kind = 'device' AND code_hash = $1 AND status = 'approved'
       AND consumed_at IS NULL AND expires_at > now() RETURNING user_id`,
    [hash],
  );
  if (used.rows[0] !== undefined) return { userId: used.rows[0].user_id };
  const { rows } = await pool.query<{ status: string; expired: boolean; consumed: boolean; soon: boolean }>(
    `UPDATE sign_in_code s SET last_polled_at = now() FROM sign_in_code old
     WHERE s.kind = 'device' AND s.code_hash = $1 AND old.id = s.id
     RETURNING s.status, s.expires_at <= now() AS expired, s.consumed_at IS NOT NULL AS consumed,
       coalesce(old.last_polled_at > now() - make_interval(secs => $2), false) AS soon`,
    [hash, POLL_SECONDS - 1],
  );
  const [row] = rows;
  if (row === undefined || row.consumed) return { error: 'invalid_grant' };
  if (row.status === 'denied') return { error: 'access_denied' };
  if (row.expired) return { error: 'expired_token' };
  return { error: row.soon ? 'slow_down' : 'authorization_pending' };
}

/** The code that the link back to an app carries. @param challenge base64url of the SHA-256 of the app's secret */
export async function allowApp(pool: pg.Pool, userId: string, challenge: string): Promise<string> {
  const code = newCode();
  await pool.query(
    `INSERT INTO sign_in_code (kind, code_hash, challenge, user_id, status, expires_at)
     VALUES ('deep-link', $1, $2, $3, 'approved', now() + make_interval(mins => $4))`,
    [hashOf(code), challenge, userId, DEVICE_MINUTES],
  );
  return code;
}

/** Whose session the app gets. A code that comes with a wrong secret is used up as well: somebody else has it. */
export async function redeemApp(pool: pg.Pool, code: string, verifier: string): Promise<string | undefined> {
  const { rows } = await pool.query<{ user_id: string; challenge: string; expired: boolean }>(
    `UPDATE sign_in_code SET consumed_at = now() WHERE kind = 'deep-link' AND code_hash = $1 AND consumed_at IS NULL
     RETURNING user_id, challenge, expires_at <= now() AS expired`,
    [hashOf(code)],
  );
  const [row] = rows;
  const challenge = createHash('sha256').update(verifier).digest('base64url');
  return row === undefined || row.expired || row.challenge !== challenge ? undefined : row.user_id;
}
