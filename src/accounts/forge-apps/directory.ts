/** Opens the keys of registered Apps, for whoever speaks as one. */
import type pg from 'pg';
import type { ForgeDescriptor } from '../../forges/forge.js';
import type { Clock } from '../../lib/clock.js';
import type { OpenApp } from '../connections.js';
import type { Vault } from '../vault.js';
import { openSecrets, type SealedColumns, sealedColumnsOf } from '../vault-columns.js';
import { placeOfApp } from './rows.js';

/** One App of one server. */
export interface AppPlace {
  forge: string;
  host: string;
  appId: string;
}

/** Enough to sign in its name. */
export interface OpenForgeApp extends Pick<OpenApp, 'forge' | 'baseUrl' | 'route'> {
  app: { id: string; privateKey: string };
}

export interface ForgeAppDirectory {
  /** Undefined when no such App is registered. @throws ForgewayError FORGEWAY_SECRET_UNREADABLE */
  open(place: AppPlace): Promise<OpenForgeApp | undefined>;
}

interface AppRow extends SealedColumns<'forge_app'> {
  id: string;
  base_url: string;
}

/** One that was removed is spoken for no longer than this. */
const KNOWN_FOR_MS = 10_000;
/** One that was just registered is spoken for after this at the latest. */
const UNKNOWN_FOR_MS = 1_000;
const MOST_ENTRIES = 1_000;

/** @param o.pool of the role of the worker */
export function createForgeAppDirectory(o: {
  pool: Pick<pg.Pool, 'query'>;
  vault: Vault;
  forges: ReadonlyMap<string, ForgeDescriptor>;
  clock: Clock;
}): ForgeAppDirectory {
  const kept = new Map<string, { found: OpenForgeApp | undefined; until: number }>();

  const load = async ({ forge: id, host, appId }: AppPlace): Promise<OpenForgeApp | undefined> => {
    const { rows } = await o.pool.query<AppRow>(
      `SELECT id, base_url, ${sealedColumnsOf('forge_app').join(', ')} FROM forge_app
       WHERE forge = $1 AND host = $2 AND app_id = $3`,
      [id, host, appId],
    );
    const [row] = rows;
    const forge = o.forges.get(id);
    if (row === undefined || forge === undefined) return undefined;
    const { private_key: privateKey } = openSecrets(o.vault, placeOfApp(row.id), row);
    return privateKey === undefined ? undefined : { forge, baseUrl: row.base_url, app: { id: appId, privateKey } };
  };

  return {
    async open(place) {
      const key = JSON.stringify([place.forge, place.host, place.appId]);
      const now = o.clock.now().getTime();
      const known = kept.get(key);
      if (known !== undefined && now < known.until) return known.found;
      const found = await load(place);
      kept.delete(key);
      kept.set(key, { found, until: now + (found === undefined ? UNKNOWN_FOR_MS : KNOWN_FOR_MS) });
      const oldest = kept.keys().next();
      if (kept.size > MOST_ENTRIES && !oldest.done) kept.delete(oldest.value);
      return found;
    },
  };
}
