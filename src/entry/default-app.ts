import { type Config, githubOrigin } from '../config/config.js';
import type { ForgeDescriptor } from '../forges/forge.js';
import { github } from '../forges/github/forge.js';
import type { Store } from '../store/database.js';
import type { HookRow } from '../webhook/hooks.js';

/** The App that is set up through the environment: the only place that knows which forge `APP_ID` belongs to. */
export const defaultForge: ForgeDescriptor = github;

/** The hook at `/api/webhooks/{forge}`, whose secret is WEBHOOK_SECRET and is not stored. */
export async function ensureDefaultHook(store: Store, organizationId: string, config: Config): Promise<void> {
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

/** Secrets a delivery to this hook may be signed with; none closes the hook. */
export function secretsOf(config: Config): (hook: HookRow) => Promise<readonly string[]> {
  return async (hook) => (hook.secretSource === 'environment' && config.webhookSecret ? [config.webhookSecret] : []);
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

/** Web address of a self-hosted forge, for people; null for a forge's own cloud. */
export function instanceUrlOf(config: Config): (forge: string, host: string) => string | null {
  const { web, host } = githubOrigin(config);
  return (forge, askedHost) =>
    config.gheHost !== undefined && forge === defaultForge.id && askedHost === host ? web : null;
}
