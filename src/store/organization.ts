import { randomUUID } from 'node:crypto';
import type { Store } from './database.js';

const DEFAULT_SLUG = 'default';

async function findDefault(store: Store): Promise<string | undefined> {
  // Without a tenant: the worker role may list organizations.
  const { rows } = await store.pool.query<{ id: string }>('select id from organization where slug = $1', [
    DEFAULT_SLUG,
  ]);
  return rows[0]?.id;
}

/**
 * Id of the organization to which everything belongs that is configured through the environment. Created at the first
 * call; any number of processes may call it at once. @param store opened as the worker role
 */
export async function ensureDefaultOrganization(store: Store): Promise<string> {
  const found = await findDefault(store);
  if (found !== undefined) return found;
  const id = randomUUID();
  await store.tenant(id, (tx) =>
    tx.query('insert into organization (id, slug, name) values ($1, $2, $3) on conflict (slug) do nothing', [
      id,
      DEFAULT_SLUG,
      'Default',
    ]),
  );
  const created = await findDefault(store);
  if (created === undefined) throw new Error('the default organization is invisible: is this the worker role?');
  return created;
}
