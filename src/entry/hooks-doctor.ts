/** Looks at every webhook of every connection as the forge shows it, and repairs what it finds. */
import {
  addHook,
  type HookOfConnection,
  listHooks,
  noteCheck,
  noteRemoteHook,
  targetOf,
} from '../accounts/connection-rows.js';
import type { ConnectionDirectory, OpenConnection } from '../accounts/connections.js';
import { createVault } from '../accounts/vault.js';
import type { ForgeAdministration } from '../forges/administration.js';
import type { NativeClient } from '../forges/kit/native-client.js';
import { RouteFailure } from '../forges/kit/route.js';
import { ForgewayError, messageOf } from '../lib/errors.js';
import type { Store } from '../store/database.js';
import { FIRST_KEY_VERSION } from '../store/master-key-record.js';
import { administrationOf, hookUrl, writeHook } from './connect-forge.js';

export interface HookFinding {
  hook: string;
  forge: string;
  target: string;
  state: 'ok' | 'problem' | 'repaired';
  finding: string;
  /** What to do; '' when all is well. */
  fix: string;
}

export interface HooksDoctorOptions {
  store: Store;
  masterKey: Buffer;
  organizationId: string;
  publicUrl: string | undefined;
  directory: ConnectionDirectory;
  nativeOf(connection: OpenConnection): NativeClient;
}

interface Trouble {
  finding: string;
  /** Whether writing the hook anew mends it. */
  mendable: boolean;
}

async function examine(
  administration: ForgeAdministration,
  native: NativeClient,
  hook: HookOfConnection,
  wantedUrl: string | undefined,
): Promise<Trouble | undefined> {
  const existing = await administration.listHooks(native, targetOf(hook));
  const remote = existing.find(({ id }) => id === hook.remoteHookId);
  if (remote === undefined) return { finding: 'The forge has no such webhook any more.', mendable: true };
  if (wantedUrl !== undefined && remote.url !== wantedUrl)
    return { finding: `It points to ${remote.url}.`, mendable: true };
  if (!remote.active) return { finding: 'It is switched off.', mendable: true };
  if (remote.trouble !== undefined) return { finding: remote.trouble, mendable: true };
  const twins = existing.filter(({ url }) => url === remote.url).length;
  if (twins > 1) return { finding: `${twins} webhooks point to the same address.`, mendable: false };
  return undefined;
}

async function repair(
  o: HooksDoctorOptions,
  administration: ForgeAdministration,
  native: NativeClient,
  hook: HookOfConnection,
): Promise<void> {
  if (o.publicUrl === undefined)
    throw new ForgewayError('FORGEWAY_CONNECTION_REFUSED', 'PUBLIC_URL is not set, so no address can be written.');
  const vault = createVault(new Map([[FIRST_KEY_VERSION, o.masterKey]]));
  const target = targetOf(hook);
  // A new secret: the forge may have lost the old one, and reads none back.
  const { secret } = await addHook(o.store, vault, { ...hook, organizationId: o.organizationId, target });
  const wish = { url: hookUrl(o.publicUrl, hook), secret, confidential: hook.confidential };
  const there = (await administration.listHooks(native, target)).some(({ id }) => id === hook.remoteHookId);
  const real = await writeHook(administration, native, target, there ? hook.remoteHookId : null, wish);
  const changed = real.secret === secret ? {} : { secret: real.secret };
  await noteRemoteHook(o.store, vault, o.organizationId, hook.id, { remoteHookId: real.hookId, ...changed });
}

/** One finding for each hook. Never throws for what a single forge does: that is its finding. */
export async function examineHooks(o: HooksDoctorOptions, options: { repair: boolean }): Promise<HookFinding[]> {
  const findings: HookFinding[] = [];
  for (const hook of await listHooks(o.store, o.organizationId)) {
    const about = { hook: hook.id, forge: `${hook.forge} ${hook.host}`, target: hook.target || '(whole server)' };
    try {
      const connection = await o.directory.open(o.organizationId, hook.connectionId);
      const administration = administrationOf(connection.forge);
      const native = o.nativeOf(connection);
      const wanted = o.publicUrl === undefined ? undefined : hookUrl(o.publicUrl, hook);
      const trouble = await examine(administration, native, hook, wanted);
      if (trouble === undefined) findings.push({ ...about, state: 'ok', finding: 'delivers', fix: '' });
      else if (options.repair && trouble.mendable) {
        await repair(o, administration, native, hook);
        findings.push({ ...about, state: 'repaired', finding: trouble.finding, fix: '' });
      } else {
        const fix = trouble.mendable ? 'forgeway hooks doctor --repair' : 'Delete the others at the forge.';
        findings.push({ ...about, state: 'problem', finding: trouble.finding, fix });
      }
    } catch (error) {
      if (!(error instanceof RouteFailure) && !(error instanceof ForgewayError)) throw error;
      if (error instanceof RouteFailure && error.status === 401)
        await noteCheck(o.store, o.organizationId, hook.connectionId, {
          status: 'expired',
          reason: 'The forge does not accept the token any more. Connect it again with a fresh one.',
        });
      findings.push({ ...about, state: 'problem', finding: messageOf(error), fix: 'forgeway connections test' });
    }
  }
  return findings;
}
