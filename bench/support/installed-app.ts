/** Writes down that the App is installed on every repository of a double, as its events would have told. */
import type { Store } from '../../src/store/database.js';
import type { GitHubDouble } from './github-double.js';

export const GITHUB_DOUBLE_FORGE = 'github';

export async function installOn(store: Store, organizationId: string, double: GitHubDouble): Promise<void> {
  const { host, appId, installationId, repositories } = double;
  await store.tenant(organizationId, async (tx) => {
    await tx.query(
      `INSERT INTO hook (id, organization_id, forge, host, scope, app_id, secret_source)
       VALUES ('double', $1, $2, $3, 'app', $4, 'environment')`,
      [organizationId, GITHUB_DOUBLE_FORGE, host, String(appId)],
    );
    const { rows } = await tx.query<{ id: string }>(
      `INSERT INTO installation (organization_id, forge, host, app_id, installation_id, virtual_id)
       VALUES ($1, $2, $3, $4, $5, $5) RETURNING id`,
      [organizationId, GITHUB_DOUBLE_FORGE, host, String(appId), installationId],
    );
    for (const [name, { id }] of repositories) {
      await tx.query('INSERT INTO repository_claim (forge, host, remote_id, organization_id) VALUES ($1, $2, $3, $4)', [
        GITHUB_DOUBLE_FORGE,
        host,
        id,
        organizationId,
      ]);
      await tx.query(
        `INSERT INTO repository (organization_id, forge, host, remote_id, remote_url, remote_owner, remote_name,
           remote_instance_url, installation_id, default_branch, private, archived)
         VALUES ($1, $2, $3, $4, $5, 'acme', $6, $7, $8, 'main', false, false)`,
        [organizationId, GITHUB_DOUBLE_FORGE, host, id, `${double.url}/acme/${name}`, name, double.url, rows[0]?.id],
      );
    }
  });
}

/** For `createBridge`. */
export const appOf = ({ appId, privateKey, url, host }: GitHubDouble) => ({
  appId,
  privateKey,
  apiUrl: `${url}/api/v3`,
  webUrl: url,
  host,
});
