/** One webhook at its forge: made, or written anew, and tested. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ForgeAdministration, HookTarget, NativeHook } from '../../forges/administration.js';
import type { NativeClient } from '../../forges/kit/native-client.js';
import { RouteFailure } from '../../forges/kit/route.js';
import type { Store } from '../../store/database.js';
import {
  type HookOfConnection,
  prepareHook,
  settleHook,
  targetName,
  targetOf,
  type WantedHook,
} from '../connection-hooks.js';
import type { Vault } from '../vault.js';

const ARRIVAL_MS = 15_000;
/** After this time the ingress reads secrets anew that do not fit a signature (see webhook/hooks.ts), and a little more. */
const SECRETS_KNOWN_MS = 150;
const POLL_MS = 250;

export const hookUrl = (publicUrl: string, hook: { forge: string; id: string }): string =>
  `${publicUrl.replace(/\/+$/, '')}/api/webhooks/${hook.forge}/${hook.id}`;

/** Where a hook watches, as the forge writes it: `group/sub/web`; '' for the whole server. */
export const placeName = (target: HookTarget): string => targetName(target).replaceAll('~', '/');

/** The hook at the forge that is ours: by its id, or by its address when its making was interrupted before we learned the id. */
export function remoteHook(
  hook: HookOfConnection,
  existing: readonly NativeHook[],
  url: string | undefined,
): NativeHook | undefined {
  return existing.find(({ id }) => id === hook.remoteHookId) ?? existing.find((other) => other.url === url);
}

export interface WrittenHook {
  hook: HookOfConnection;
  isNew: boolean;
}

/**
 * Creates the hook, or writes the one that is there with new secrets, and removes others that point to the same address.
 * Whatever is interrupted is found again by the next call.
 */
export async function writeHook(
  o: { store: Store; vault: Vault; publicUrl: string; administration: ForgeAdministration; native: NativeClient },
  wanted: WantedHook,
): Promise<WrittenHook> {
  const { store, vault, administration, native } = o;
  const { organizationId, target } = wanted;
  const { hook, secrets, isNew } = await prepareHook(store, vault, wanted);
  const url = hookUrl(o.publicUrl, hook);
  const existing = isNew ? [] : await administration.listHooks(native, target);
  // The forge may use the new secrets as soon as it has them; a hook that is new nobody has looked up yet.
  if (!isNew) await sleep(SECRETS_KNOWN_MS);
  const wish = { url, ...secrets, confidential: hook.confidential };
  const there = remoteHook(hook, existing, url);
  const real = there
    ? await administration.repairHook(native, target, there.id, wish)
    : await administration
        .createHook(native, target, wish)
        .then((made) => ({ hookId: made.hook.id, secret: made.secret }));
  await settleHook(store, vault, organizationId, hook.id, { remoteHookId: real.hookId, secret: real.secret, secrets });
  for (const twin of existing)
    if (twin.url === url && twin.id !== real.hookId && twin.id !== there?.id)
      await administration.deleteHook(native, target, twin.id);
  return { hook: { ...hook, remoteHookId: real.hookId }, isNew };
}

/** True when a delivery of the hook was stored after `since`; the forge sends its test within moments. */
async function awaitDelivery(store: Store, hookId: string, since: Date, ms: number): Promise<boolean> {
  const end = performance.now() + ms;
  for (;;) {
    const { rowCount } = await store.pool.query(
      `SELECT FROM webhook_delivery WHERE hook_id = $1 AND source = 'webhook' AND received_at >= $2 LIMIT 1`,
      [hookId, since],
    );
    if (rowCount === 1) return true;
    if (performance.now() >= end) return false;
    await sleep(POLL_MS);
  }
}

async function databaseTime(store: Store): Promise<Date> {
  const { rows } = await store.pool.query<{ now: Date }>('SELECT now() AS now');
  return rows[0]?.now ?? new Date();
}

/**
 * Has the forge send a test delivery and waits for it. Undefined when the forge has no test for this hook.
 * @throws RouteFailure when the forge refuses to send one
 */
export async function testHook(
  store: Store,
  administration: ForgeAdministration,
  native: NativeClient,
  hook: HookOfConnection,
  arrivesWithinMs = ARRIVAL_MS,
): Promise<boolean | undefined> {
  if (hook.remoteHookId === null) return undefined;
  const since = await databaseTime(store);
  try {
    if (!(await administration.testHook(native, targetOf(hook), hook.remoteHookId))) return undefined;
  } catch (error) {
    // Some forges answer the test with what our server answered it.
    if (error instanceof RouteFailure && error.status === 422) return false;
    throw error;
  }
  return awaitDelivery(store, hook.id, since, arrivesWithinMs);
}

/** For a person. */
export const notArrived = (
  publicUrl: string,
  { privateHooks = 'Its settings may say which addresses webhooks go to.' }: Pick<ForgeAdministration, 'privateHooks'>,
): string =>
  `The test delivery did not arrive. Can the forge reach ${publicUrl}? See its list of recent deliveries. ${privateHooks}`;
