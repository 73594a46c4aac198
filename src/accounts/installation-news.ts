/** What forges have just told of installations: a webhook that was taken in has still to be written down. */
import { pause } from '../lib/clock.js';
import type { Store } from '../store/database.js';

const LOOK_MS = 25;

/**
 * Resolves when nothing of it waits any more, or after `withinMs`: with no worker there, what is known is better than nothing.
 * `store`: as the API.
 */
export async function installationNewsWritten(store: Pick<Store, 'pool'>, withinMs: number): Promise<void> {
  for (const end = performance.now() + withinMs; ; await pause(LOOK_MS)) {
    const { rows } = await store.pool.query<{ waits: boolean }>({
      name: 'installation_news_waits',
      text: 'SELECT installation_news_waits() AS waits',
    });
    if (rows[0]?.waits !== true || performance.now() >= end) return;
  }
}
