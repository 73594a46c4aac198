/** What the pages on which Apps are registered need of the configuration, and whether any App is set up at all. */
import { listForgeApps } from '../accounts/forge-apps/rows.js';
import type { ForgeAppRoutesOptions } from '../api/forge-app-routes.js';
import type { HomeState } from '../api/home-page.js';
import type { Config } from '../config/config.js';
import { variables } from '../config/variables.js';
import type { Store } from '../store/database.js';
import { appAsks } from './app-manifest.js';
import { defaultAppCredentials, defaultForge, missingForSetup } from './default-app.js';

export function forgeAppSettings(config: Config): Pick<ForgeAppRoutesOptions, 'asks' | 'environment'> {
  const own = defaultAppCredentials(config);
  return {
    asks: appAsks,
    ...(own && { environment: { forge: defaultForge.id, host: own.host, appId: String(own.appId) } }),
  };
}

/**
 * What is missing before webhooks of an App are accepted, and where they are: nothing, when there is the App of the environment
 * or one that was registered. @param store as the role of the API
 */
export async function setupState(
  config: Config,
  store: Store,
  publicUrl: string,
): Promise<Pick<HomeState, 'missing' | 'webhookUrl'>> {
  const address = (...path: string[]) => [`${publicUrl}/api/webhooks`, ...path].join('/');
  const missing = missingForSetup(config);
  if (missing.length === 0) return { missing: [], webhookUrl: address(defaultForge.id) };
  const [registered] = await listForgeApps(store.pool);
  if (registered !== undefined) return { missing: [], webhookUrl: address(registered.forge, registered.hookId) };
  return {
    missing: missing.map((key) => {
      const { name: variable, meaning, fix } = variables[key];
      return { variable, meaning, fix };
    }),
    webhookUrl: address(defaultForge.id),
  };
}
