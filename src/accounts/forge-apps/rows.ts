/**
 * Apps that administrators registered on forges, beside the one of the environment. They belong to the installation of Forgeway;
 * the hook of each belongs to the organization that whoever installs it is served in, like the hook of every App.
 */
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import type { RegisteredApp } from '../../forges/app-manifest.js';
import type { Store } from '../../store/database.js';
import { auditPlatform } from '../sign-in/policy.js';
import type { Vault } from '../vault.js';
import { PLATFORM, type SealedColumns, type SecretRow, sealedValues, sealSecrets } from '../vault-columns.js';

/** What people are shown of one. */
export interface ForgeApp {
  id: string;
  forge: string;
  host: string;
  appId: string;
  slug: string;
  name: string;
  pageUrl: string;
  ownerLogin: string;
  /** Last part of the address of its webhooks. */
  hookId: string;
}

const SHOWN = `id, forge, host, app_id AS "appId", slug, name, page_url AS "pageUrl", owner_login AS "ownerLogin", hook_id AS "hookId"`;

/** Where the secrets of a row are. */
export const placeOfApp = (id: string): SecretRow<'forge_app'> => ({
  table: 'forge_app',
  organizationId: PLATFORM,
  rowId: id,
});

/** The oldest first. @param pool of the role of the API */
export async function listForgeApps(pool: Pick<pg.Pool, 'query'>): Promise<ForgeApp[]> {
  const { rows } = await pool.query<ForgeApp>(`SELECT ${SHOWN} FROM forge_app ORDER BY created_at, id`);
  return rows;
}

export interface NewForgeApp {
  forge: string;
  host: string;
  baseUrl: string;
  hookId: string;
  app: RegisteredApp;
  by: string;
}

const insert = (table: string, columns: readonly (readonly [string, unknown])[]) => ({
  text: `INSERT INTO ${table} (${columns.map(([name]) => name).join(', ')}) VALUES (${columns.map((_, at) => `$${at + 1}`).join(', ')})`,
  values: columns.map(([, value]) => value),
});

const columnsOf = <T extends 'hook' | 'forge_app'>(table: T, sealed: SealedColumns<T>) => {
  const { names, values } = sealedValues(table, sealed);
  return names.map((name, at) => [name, values[at]] as const);
};

/**
 * Stores an App with its hook: once it is committed, what is signed with its secret is accepted. `taken`: an App of that number
 * on that host is stored already.
 * @param store as the role of the API @param organizationId whose its installations are
 */
export async function saveForgeApp(
  { store, vault, organizationId }: { store: Store; vault: Vault; organizationId: string },
  { forge, host, baseUrl, hookId, app, by }: NewForgeApp,
): Promise<'saved' | 'taken'> {
  return store.tenant(organizationId, async (tx) => {
    // Two at once are two Apps; of one App there is one code, which the forge takes once.
    const found = await tx.query('SELECT FROM forge_app WHERE forge = $1 AND host = $2 AND app_id = $3', [
      forge,
      host,
      app.id,
    ]);
    if (found.rowCount !== 0) return 'taken';
    const hookPlace = { table: 'hook', organizationId, rowId: hookId } as const;
    const secret = await sealSecrets(tx, vault, hookPlace, undefined, { secret: app.webhookSecret });
    await tx.query(
      insert('hook', [
        ['id', hookId],
        ['organization_id', organizationId],
        ['forge', forge],
        ['host', host],
        ['scope', 'app'],
        ['app_id', app.id],
        ['secret_source', 'sealed'],
        ...columnsOf('hook', secret),
      ]),
    );
    const id = randomUUID();
    const sealed = await sealSecrets(tx, vault, placeOfApp(id), undefined, {
      private_key: app.privateKey,
      client_secret: app.clientSecret,
    });
    await tx.query(
      insert('forge_app', [
        ['id', id],
        ['forge', forge],
        ['host', host],
        ['base_url', baseUrl],
        ['app_id', app.id],
        ['slug', app.slug],
        ['name', app.name],
        ['page_url', app.pageUrl],
        ['owner_id', app.owner.id],
        ['owner_login', app.owner.login],
        ['client_id', app.clientId],
        ['hook_id', hookId],
        ['registered_by', by],
        ...columnsOf('forge_app', sealed),
      ]),
    );
    await auditPlatform(tx, {
      actor: by,
      action: 'forge-app.registered',
      subject: `${forge} ${host} app ${app.id}`,
      detail: { slug: app.slug, owner: app.owner.login },
    });
    return 'saved';
  });
}

/**
 * Forgets an App with its key, and refuses its webhooks. Its hook stays, so that what has arrived is still known to be whose it
 * is. False when it is not there.
 */
export async function removeForgeApp(
  { store, organizationId }: { store: Store; organizationId: string },
  id: string,
  by: string,
): Promise<boolean> {
  return store.tenant(organizationId, async (tx) => {
    const { rows } = await tx.query<ForgeApp>(`DELETE FROM forge_app WHERE id = $1 RETURNING ${SHOWN}`, [id]);
    const [gone] = rows;
    if (gone === undefined) return false;
    await tx.query('UPDATE hook SET enabled = false WHERE id = $1', [gone.hookId]);
    const subject = `${gone.forge} ${gone.host} app ${gone.appId}`;
    await auditPlatform(tx, { actor: by, action: 'forge-app.removed', subject, detail: { slug: gone.slug } });
    return true;
  });
}
