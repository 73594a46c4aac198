/**
 * Accounts that have installed an App of this Forgeway and are not known here. The sign-up policy decides: `open` serves them,
 * `organization` those that are listed (admitted by an administrator, linked, or served through another App), `closed` those that
 * were admitted. The account that owns an App which was registered here may always install it.
 *
 * Until somebody has said what the policy is, a registered App serves its owner and who was admitted. That of the environment
 * serves whoever can install it: who owns it is not known here, and a private App can be installed by nobody else.
 *
 * Through an App that was removed here nobody new comes in, whatever the policy: what it sent before may still be queued.
 */
import type pg from 'pg';
import { statedSignUpPolicy } from './sign-in/policy.js';

export interface Newcomer {
  forge: string;
  host: string;
  appId: string;
  hookId: string;
  installationId: bigint;
  /** Whose it is; undefined when the delivery does not say. */
  account: { id: bigint; login: string } | undefined;
  /** How many deliveries of it are judged. */
  deliveries: number;
  /** The last of them tells that it was uninstalled. */
  leaves: boolean;
}

type Queryable = Pick<pg.ClientBase, 'query'>;

/** Everything that may speak for an account, by its number on its host. */
interface Standing {
  admitted: boolean;
  owns: boolean;
  listed: boolean;
  registered: boolean;
  /** Its hook takes deliveries with the secret of the environment. */
  environment: boolean;
  enabled: boolean;
}

const STANDING = `SELECT
  EXISTS (SELECT FROM admitted_account a WHERE a.forge = $1 AND a.host = $2 AND a.account_id = $4) AS admitted,
  EXISTS (SELECT FROM forge_app f WHERE f.forge = $1 AND f.host = $2 AND f.app_id = $3 AND f.owner_id = $4) AS owns,
  EXISTS (SELECT FROM forge_app f WHERE f.forge = $1 AND f.host = $2 AND f.app_id = $3) AS registered,
  EXISTS (SELECT FROM hook h WHERE h.id = $5 AND h.enabled) AS enabled,
  EXISTS (SELECT FROM hook h WHERE h.id = $5 AND h.secret_source = 'environment') AS environment,
  EXISTS (SELECT FROM organization_source s WHERE s.forge = $1 AND s.host = $2 AND s.remote_id = $4)
    OR EXISTS (SELECT FROM installation i WHERE i.forge = $1 AND i.host = $2 AND i.account_id = $4 AND i.status = 'active'
      AND i.connection_id IS NULL) AS listed`;

async function judge(
  tx: Queryable,
  { forge, host, appId, hookId, account }: Newcomer,
): Promise<'served' | 'waits' | 'no App'> {
  const { rows } = await tx.query<Standing>(STANDING, [forge, host, appId, account?.id ?? null, hookId]);
  const { admitted, owns, listed, registered, environment, enabled } = rows[0] ?? {};
  if (!enabled || !(registered || environment)) return 'no App';
  const policy = (await statedSignUpPolicy(tx)) ?? (registered ? 'closed' : 'open');
  const served = policy === 'open' || admitted || owns || (policy === 'organization' && listed);
  return served ? 'served' : 'waits';
}

const WAIT = `INSERT INTO waiting_installation AS w (forge, host, app_id, installation_id, hook_id, account_id, account_login,
    deliveries)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
  ON CONFLICT (forge, host, app_id, installation_id) DO UPDATE SET deliveries = w.deliveries + excluded.deliveries, last_seen_at = now(),
    account_id = coalesce(excluded.account_id, w.account_id), account_login = coalesce(excluded.account_login, w.account_login)`;

/**
 * Undefined when the newcomer is served; otherwise why not and what to do, in one sentence. Whoever is not served is noted, so
 * that an administrator sees them, until they uninstall the App. @param tx as the worker
 */
export async function whyNotServed(tx: Queryable, newcomer: Newcomer): Promise<string | undefined> {
  const judged = await judge(tx, newcomer);
  if (judged === 'served') return undefined;
  const { forge, host, appId, installationId, hookId, account, deliveries, leaves } = newcomer;
  const isGone = judged === 'no App';
  // Nobody can admit whoever waits for an App whose key is not here.
  if (leaves || isGone)
    await tx.query(
      'DELETE FROM waiting_installation WHERE forge = $1 AND host = $2 AND app_id = $3 AND installation_id = $4',
      [forge, host, appId, installationId],
    );
  else {
    const { id = null, login = null } = account ?? {};
    await tx.query(WAIT, [forge, host, appId, installationId, hookId, id, login, deliveries]);
  }
  if (isGone)
    return `App ${appId} was removed here, so nobody new is served through it: register it again at /setup/apps`;
  const who = account?.login ?? `installation ${installationId}`;
  return `${who} installed the App and is not admitted here: an administrator admits it at /setup/apps or with \`forgeway installations admit ${account?.login ?? installationId}\``;
}

export interface WaitingInstallation {
  id: string;
  forge: string;
  host: string;
  appId: string;
  installationId: bigint;
  hookId: string;
  accountId: bigint | null;
  accountLogin: string | null;
  /** Deliveries that were ignored. */
  deliveries: number;
  firstSeenAt: Date;
  lastSeenAt: Date;
}

/** Those that came last, first. @param pool of the role of the API or the worker */
export async function listWaiting(pool: Queryable): Promise<WaitingInstallation[]> {
  const { rows } = await pool.query<WaitingInstallation>(
    `SELECT id, forge, host, app_id AS "appId", installation_id AS "installationId", hook_id AS "hookId",
       account_id AS "accountId", account_login AS "accountLogin", deliveries, first_seen_at AS "firstSeenAt",
       last_seen_at AS "lastSeenAt"
     FROM waiting_installation ORDER BY last_seen_at DESC, id`,
  );
  return rows;
}
