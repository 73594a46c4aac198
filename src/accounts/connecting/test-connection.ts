/** Asking a forge again who a token is, and keeping what was found. */
import type { Store } from '../../store/database.js';
import { noteCheck } from '../connection-rows.js';
import { refusedState } from '../connection-state.js';
import type { ConnectionDirectory } from '../connections.js';
import { isForgeFailure, type NativeOf, type Probed, probeForge, stateFor } from './probe.js';

export interface TestOptions {
  store: Store;
  directory: ConnectionDirectory;
  nativeOf: NativeOf;
}

/** Never throws for what the forge does, or for a connection that cannot be opened: that is its finding. */
export async function testConnection(o: TestOptions, organizationId: string, connectionId: string): Promise<Probed> {
  let probed: Probed;
  let refusal: 'expired' | 'revoked' = 'revoked';
  try {
    const connection = await o.directory.openInAnyState(organizationId, connectionId);
    probed = await probeForge(connection, o.nativeOf);
    refusal = refusedState(connection.expiresAt, new Date());
  } catch (error) {
    if (!isForgeFailure(error)) throw error;
    return { ok: false, expired: false, unreachable: false, reason: error.message };
  }
  if (probed.ok) await noteCheck(o.store, organizationId, connectionId, probed.facts);
  else {
    const status = stateFor(probed, refusal);
    await noteCheck(o.store, organizationId, connectionId, { status, reason: probed.reason });
  }
  return probed;
}
