import { createVault } from '../accounts/vault.js';
import { openSecrets, type SealedColumns } from '../accounts/vault-columns.js';
import { type Config, githubOrigin } from '../config/config.js';
import type { ForgeDescriptor } from '../forges/forge.js';
import { github } from '../forges/github/forge.js';
import type { Store } from '../store/database.js';
import type { MasterKeys } from '../store/master-keys.js';
import type { HookRow } from '../webhook/hooks.js';

/** The App that is set up through the environment: the only place that knows which forge `APP_ID` belongs to. */
export const defaultForge: ForgeDescriptor = github;

/** The hook at `/api/webhooks/{forge}`, whose secret is WEBHOOK_SECRET and is not stored. */
export async function ensureDefaultHook(
  store: Store,
  organizationId: string,
  config: Pick<Config, 'appId' | 'gheHost' | 'gheProtocol'>,
): Promise<void> {
  const { host } = githubOrigin(config);
  await store.tenant(organizationId, (tx) =>
    tx.query(
      `INSERT INTO hook (id, organization_id, forge, host, scope, app_id, secret_source)
       VALUES ($1, $2, $1, $3, 'app', $4, 'environment')
       ON CONFLICT (id) DO UPDATE SET host = excluded.host, app_id = excluded.app_id`,
      [defaultForge.id, organizationId, host, config.appId === undefined ? null : String(config.appId)],
    ),
  );
}

/**
 * Secrets a delivery to a hook may be signed with, the current one first; none closes the hook. A hook of the database has
 * its own, sealed, and while one replaces another the previous one too.
 */
export function secretsOf(
  config: Pick<Config, 'webhookSecret'>,
  keys: MasterKeys,
): (hook: HookRow) => Promise<readonly string[]> {
  const vault = createVault(keys.versions);
  return async ({ id, organizationId, secretSource, columns }) => {
    if (secretSource === 'environment') return config.webhookSecret === undefined ? [] : [config.webhookSecret];
    const sealed = columns as SealedColumns<'hook'> & { previous_secret_until: Date | null };
    const { secret, previous_secret: previous } = openSecrets(
      vault,
      { table: 'hook', organizationId, rowId: id },
      sealed,
    );
    const overlaps = sealed.previous_secret_until !== null && sealed.previous_secret_until > new Date();
    // Those before are one a line.
    return [secret, ...(overlaps ? (previous?.split('\n') ?? []) : [])].filter((text) => text !== undefined);
  };
}

/** Variables without which no webhook is accepted. */
export function missingForSetup(config: Config): ('appId' | 'privateKey' | 'webhookSecret')[] {
  return (['appId', 'privateKey', 'webhookSecret'] as const).filter((key) => config[key] === undefined);
}

/** Credentials of the default App, or undefined in setup mode. */
export function defaultAppCredentials(config: Config) {
  if (config.appId === undefined || config.privateKey === undefined) return undefined;
  const { api, web, host } = githubOrigin(config);
  return { appId: config.appId, privateKey: config.privateKey, apiUrl: api, webUrl: web, host };
}
