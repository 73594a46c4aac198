/** Apps hear of the installation of a GitHub App that was connected here, since its forge told of it long ago or tells somebody else. */
import { z } from 'zod';
import type { ConnectionNews } from '../accounts/connecting/connection-news.js';
import { isForgeFailure, type NativeOf } from '../accounts/connecting/probe.js';
import { type CoveredRepository, claimedByOthers } from '../accounts/connection-rows.js';
import { type ConnectionDirectory, fixedToken, type OpenApp } from '../accounts/connections.js';
import { messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import type { Store } from '../store/database.js';
import type { openAppAccess } from '../translate/app-access.js';

const tokenSchema = z.object({ token: z.string() });
const pageSchema = z.object({
  total_count: z.number(),
  repositories: z.array(
    z.object({
      id: z.number().int(),
      name: z.string(),
      owner: z.object({ login: z.string() }),
      private: z.boolean(),
      html_url: z.string(),
      default_branch: z.string().nullish(),
    }),
  ),
});
const PER_PAGE = 100;
/** What is beyond comes with the first event of its own. */
const MOST_PAGES = 50;

export interface AppNewsOptions {
  store: Store;
  directory: ConnectionDirectory;
  news: ConnectionNews;
  nativeOf: NativeOf;
  asApp: ReturnType<typeof openAppAccess>;
  log: Logger;
}

async function repositoriesOf(o: AppNewsOptions, opened: OpenApp): Promise<CoveredRepository[]> {
  const { app, forge, baseUrl } = opened;
  const asked = await o
    .asApp(forge.endpoint(baseUrl), app.id, app.privateKey, opened.route)
    .send('POST', `/app/installations/${app.installationId}/access_tokens`);
  const native = o.nativeOf({ ...opened, ...fixedToken(tokenSchema.parse(asked.data).token) });
  const found: CoveredRepository[] = [];
  for (let page = 1; page <= MOST_PAGES; page += 1) {
    const listed = pageSchema.parse(await native.get('/installation/repositories', { per_page: PER_PAGE, page }));
    for (const { id, name, owner, html_url: url, default_branch: branch, ...one } of listed.repositories)
      found.push({
        id: BigInt(id),
        owner: owner.login,
        name,
        private: one.private,
        url,
        defaultBranch: branch ?? null,
      });
    if (listed.repositories.length < PER_PAGE || found.length >= listed.total_count) break;
  }
  return found;
}

/**
 * Tells apps of a connection by an App, once: when they see it and have not heard of it. Where the forge cannot be asked what
 * it covers they hear of it the next time, when it is tested or changed.
 */
export async function tellOfApp(o: AppNewsOptions, organizationId: string, connectionId: string): Promise<void> {
  const { store } = o;
  const isNew = await store.tenant(organizationId, async (tx) => {
    const { rowCount } = await tx.query(
      `SELECT FROM connection c JOIN installation i ON i.connection_id = c.id AND i.status = 'active'
       WHERE c.id = $1 AND c.kind = 'github-app' AND c.status = 'active'
         AND NOT EXISTS (SELECT FROM hook h WHERE h.id = c.id::text)`,
      [connectionId],
    );
    return rowCount === 1;
  });
  if (!isNew) return;
  try {
    const opened = await o.directory.speaker(organizationId, connectionId);
    if (!('app' in opened)) return;
    const covered = await repositoriesOf(o, opened);
    const place = { organizationId, forge: opened.forge.id, host: opened.host };
    const ids = covered.map(({ id }) => id);
    const foreign = await claimedByOthers(store, place, ids);
    await o.news.covered(
      opened,
      covered.filter(({ id }) => !foreign.has(id)),
    );
  } catch (error) {
    if (!isForgeFailure(error) && !(error instanceof z.ZodError)) throw error;
    o.log.warn(
      { connection: connectionId, err: messageOf(error) },
      'apps could not be told of a connection by an App yet',
    );
  }
}
