/** Who may come in that is not known yet. */
import type pg from 'pg';
import { z } from 'zod';

/**
 * `closed`: nobody; an administrator is made by a link. `organization`: whoever belongs, on the forge they sign in with, to an
 * organization that is served here. `open`: everybody with an account on a forge that has a client.
 */
export const signUpPolicies = ['closed', 'organization', 'open'] as const;
export type SignUpPolicy = (typeof signUpPolicies)[number];

const KEY = 'sign_up';
const stored = z.object({ policy: z.enum(signUpPolicies) });

/** What somebody has said; undefined: nobody has. @param pool of the role of the API or the worker */
export async function statedSignUpPolicy(pool: Pick<pg.Pool, 'query'>): Promise<SignUpPolicy | undefined> {
  const { rows } = await pool.query<{ value: unknown }>('SELECT value FROM platform_setting WHERE key = $1', [KEY]);
  return rows[0] && stored.parse(rows[0].value).policy;
}

/** `closed` until somebody has said otherwise. @param pool of the role of the API or the worker */
export const readSignUpPolicy = async (pool: Pick<pg.Pool, 'query'>): Promise<SignUpPolicy> =>
  (await statedSignUpPolicy(pool)) ?? 'closed';

export async function writeSignUpPolicy(pool: pg.Pool, policy: SignUpPolicy, actor: string): Promise<void> {
  await pool.query(
    `INSERT INTO platform_setting (key, value, updated_by) VALUES ($1, $2, $3)
     ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_by = excluded.updated_by, updated_at = now()`,
    [KEY, JSON.stringify({ policy }), actor],
  );
  await auditPlatform(pool, { actor, action: 'sign-up.policy', subject: policy });
}

/** One line in the trail of what belongs to no organization. */
export async function auditPlatform(
  pool: Pick<pg.Pool, 'query'>,
  entry: { actor: string; action: string; subject: string; detail?: Record<string, unknown> },
): Promise<void> {
  await pool.query('INSERT INTO platform_audit_entry (actor, action, subject, detail) VALUES ($1, $2, $3, $4)', [
    entry.actor,
    entry.action,
    entry.subject,
    JSON.stringify(entry.detail ?? {}),
  ]);
}
