/** Registrations of Apps that are under way: from the button to the forge and back, in one browser, by one administrator. */
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { hashOf, newCode } from '../sign-in/codes.js';

/** A forge's code lives as long. */
export const REGISTRATION_MINUTES = 60;

export interface Registration {
  forge: string;
  host: string;
  baseUrl: string;
  /** Of the hook that the App's webhooks will come through. */
  hookId: string;
}

/** Who began it, or comes back. */
export interface RegistrationOf {
  actor: string;
  /** What the browser keeps. */
  browser: string;
}

/** Answers the state, which comes back once. @param pool of the role of the API */
export async function beginRegistration(
  pool: pg.Pool,
  { actor, browser }: RegistrationOf,
  place: Omit<Registration, 'hookId'>,
): Promise<{ state: string; hookId: string }> {
  const state = newCode();
  const hookId = randomUUID();
  await pool.query(
    `WITH gone AS (DELETE FROM forge_app_registration WHERE expires_at < now() - interval '1 day')
     INSERT INTO forge_app_registration (state_hash, browser_hash, actor, forge, host, base_url, hook_id, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, now() + make_interval(mins => $8))`,
    [hashOf(state), hashOf(browser), actor, place.forge, place.host, place.baseUrl, hookId, REGISTRATION_MINUTES],
  );
  return { state, hookId };
}

export type Taken =
  | { kind: 'taken'; id: string; registration: Registration }
  /** `unknown`: never begun here; `elsewhere`: in another browser; `other`: by somebody else. */
  | { kind: 'unknown' | 'elsewhere' | 'other' | 'expired' | 'used' };

/** Uses a state up, for whoever began with it alone. Of two at once one gets it. */
export async function takeRegistration(
  pool: pg.Pool,
  state: string,
  { actor, browser }: { actor: string; browser: string | undefined },
): Promise<Taken> {
  const values = [hashOf(state), hashOf(browser ?? ''), actor];
  const { rows } = await pool.query<Registration & { id: string }>(
    `UPDATE forge_app_registration SET consumed_at = now()
     WHERE state_hash = $1 AND browser_hash = $2 AND actor = $3 AND consumed_at IS NULL AND expires_at > now()
     RETURNING id, forge, host, base_url AS "baseUrl", hook_id AS "hookId"`,
    values,
  );
  const [row] = rows;
  if (row !== undefined) {
    const { id, ...registration } = row;
    return { kind: 'taken', id, registration };
  }
  const found = await pool.query<{ here: boolean; own: boolean; used: boolean }>(
    `SELECT browser_hash = $2 AS here, actor = $3 AS own, consumed_at IS NOT NULL AS used
     FROM forge_app_registration WHERE state_hash = $1`,
    values,
  );
  const [known] = found.rows;
  if (known === undefined) return { kind: 'unknown' };
  if (!known.here) return { kind: 'elsewhere' };
  if (!known.own) return { kind: 'other' };
  return { kind: known.used ? 'used' : 'expired' };
}

/** The forge gave no answer, so that its code is worth trying again: the same address may be opened once more. */
export async function giveBackRegistration(pool: pg.Pool, id: string): Promise<void> {
  await pool.query('UPDATE forge_app_registration SET consumed_at = NULL WHERE id = $1', [id]);
}
