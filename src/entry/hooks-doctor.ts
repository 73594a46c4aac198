/** Looks at every webhook of every connection as the forge shows it, and repairs what it finds. */

import { administrationOf, hookAdvice, isForgeFailure, type NativeOf, refused } from '../accounts/connecting/probe.js';
import { hookUrl, notArrived, placeName, remoteHook, testHook, writeHook } from '../accounts/connecting/write-hook.js';
import { type HookOfConnection, listHooks, targetOf } from '../accounts/connection-hooks.js';
import { noteCheck } from '../accounts/connection-rows.js';
import { refusedState } from '../accounts/connection-state.js';
import type { ConnectionDirectory } from '../accounts/connections.js';
import { createVault } from '../accounts/vault.js';
import type { ForgeAdministration } from '../forges/administration.js';
import type { NativeClient } from '../forges/kit/native-client.js';
import { RouteFailure } from '../forges/kit/route.js';
import { messageOf } from '../lib/errors.js';
import type { Store } from '../store/database.js';
import type { MasterKeys } from '../store/master-keys.js';

export interface HookFinding {
  hook: string;
  connection: string;
  forge: string;
  target: string;
  state: 'ok' | 'problem' | 'repaired';
  finding: string;
  /** What to do; '' when all is well. */
  fix: string;
}

export interface HooksDoctorOptions {
  store: Store;
  keys: MasterKeys;
  organizationId: string;
  publicUrl: string | undefined;
  directory: ConnectionDirectory;
  nativeOf: NativeOf;
  /** How long a test delivery may take; default 15 s. */
  arrivesWithinMs?: number;
}

const REPAIR = 'Run `forgeway hooks doctor --repair`.';
/** Of a delivery that was sent and is not here: the forge knows which of the two it was. */
const afterTest = ({ privateHooks }: ForgeAdministration): string =>
  [
    'See the forge’s list of recent deliveries. Where it shows 401, run `forgeway hooks doctor --repair`; else the forge cannot reach PUBLIC_URL.',
    ...(privateHooks === undefined ? [] : [privateHooks]),
  ].join(' ');
const EXPIRED = 'The forge does not accept the token any more. Connect it again with a fresh one.';

/** What is wrong as the forge shows it, in one sentence; writing the hook anew mends each of them. */
function troubleOf(
  hook: HookOfConnection,
  existing: Awaited<ReturnType<ForgeAdministration['listHooks']>>,
  url: string | undefined,
): string | undefined {
  const remote = remoteHook(hook, existing, url);
  if (remote === undefined)
    return hook.remoteHookId === null
      ? 'It could not be created when the forge was connected.'
      : 'The forge has no such webhook any more.';
  if (url !== undefined && remote.url !== url) return `It points to ${remote.url}, and not to ${url}.`;
  if (!remote.active) return 'It is switched off.';
  if (remote.trouble !== undefined) return remote.trouble;
  if (remote.unheard !== undefined && remote.unheard.length > 0)
    return `It was told to leave out ${remote.unheard.join(', ')}: apps do not hear of it.`;
  const twins = existing.filter((other) => other.url === remote.url).length;
  if (twins > 1) return `${twins} webhooks point to the same address, so everything arrives ${twins} times.`;
  return undefined;
}

async function repaired(
  o: HooksDoctorOptions & { publicUrl: string },
  administration: ForgeAdministration,
  native: NativeClient,
  hook: HookOfConnection,
): Promise<boolean | undefined> {
  const vault = createVault(o.keys.versions);
  const { organizationId, publicUrl, store } = o;
  const written = await writeHook(
    { store, vault, publicUrl, administration, native },
    // New secrets too: the forge may have lost the old ones, and shows none.
    { ...hook, organizationId, target: targetOf(hook) },
  );
  return testHook(store, administration, native, written.hook, o.arrivesWithinMs);
}

async function look(
  o: HooksDoctorOptions,
  hook: HookOfConnection,
  options: { repair: boolean; test: boolean },
): Promise<Pick<HookFinding, 'state' | 'finding' | 'fix'>> {
  const connection = await o.directory.openInAnyState(o.organizationId, hook.connectionId);
  const administration = administrationOf(connection.forge);
  const native = o.nativeOf(connection);
  const { publicUrl } = o;
  try {
    const url = publicUrl === undefined ? undefined : hookUrl(publicUrl, hook);
    const existing = await administration.listHooks(native, targetOf(hook));
    let trouble = troubleOf(hook, existing, url);
    let arrived: boolean | undefined;
    if (trouble === undefined && options.test) {
      arrived = await testHook(o.store, administration, native, hook, o.arrivesWithinMs);
      if (arrived === false)
        trouble = 'A test delivery did not arrive: it is not reachable, or signed with another secret.';
    }
    if (trouble === undefined) {
      const tested = arrived ? 'a test delivery arrived' : options.test ? 'the forge has no test for it' : '';
      const pointing =
        url === undefined
          ? 'there and switched on; PUBLIC_URL is not set here to compare'
          : 'there, switched on, points here';
      return { state: 'ok', finding: [pointing, tested].filter(Boolean).join('; '), fix: '' };
    }
    if (!options.repair)
      return { state: 'problem', finding: trouble, fix: arrived === false ? afterTest(administration) : REPAIR };
    if (publicUrl === undefined) throw refused('PUBLIC_URL is not set, so no address can be written.');
    const works = await repaired({ ...o, publicUrl }, administration, native, hook);
    if (works === false)
      return {
        state: 'problem',
        finding: `${trouble} It was written anew.`,
        fix: notArrived(publicUrl, administration),
      };
    const shown = works ? 'A test delivery arrived.' : 'Its next event will show that it arrives.';
    return { state: 'repaired', finding: `${trouble} Written anew. ${shown}`, fix: '' };
  } catch (error) {
    if (!isForgeFailure(error)) throw error;
    const expired = error instanceof RouteFailure && error.status === 401;
    if (expired) {
      const status = refusedState(connection.expiresAt, new Date());
      await noteCheck(o.store, o.organizationId, hook.connectionId, { status, reason: EXPIRED });
    }
    if (expired) return { state: 'problem', finding: EXPIRED, fix: 'Run `forgeway connections add` with a new token.' };
    const advice = hookAdvice(administration, error, targetOf(hook));
    return { state: 'problem', finding: messageOf(error), fix: advice ?? 'Run `forgeway connections test`.' };
  }
}

/**
 * One finding for each hook; `test` has the forge send a delivery through each. Never throws for what a single forge
 * does: that is its finding.
 */
export async function examineHooks(
  o: HooksDoctorOptions,
  options: { repair: boolean; test: boolean },
): Promise<HookFinding[]> {
  const findings: HookFinding[] = [];
  for (const hook of await listHooks(o.store, o.organizationId)) {
    const about = {
      hook: hook.id,
      connection: hook.connectionId,
      forge: `${hook.forge} ${hook.host}`,
      target: placeName(targetOf(hook)) || '(whole server)',
    };
    try {
      findings.push({ ...about, ...(await look(o, hook, options)) });
    } catch (error) {
      if (!isForgeFailure(error)) throw error;
      findings.push({ ...about, state: 'problem', finding: error.message, fix: 'Run `forgeway connections test`.' });
    }
  }
  return findings;
}
