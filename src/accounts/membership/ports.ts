/** What the mirror of members is handed by entry. */
import type { ForgeDescriptor } from '../../forges/forge.js';
import type { NativeClient } from '../../forges/kit/native-client.js';
import type { ForgeRoles } from '../../forges/roles.js';
import type { Clock } from '../../lib/clock.js';
import { ForgewayError } from '../../lib/errors.js';
import type { Logger } from '../../lib/logger.js';
import type { Store } from '../../store/database.js';
import type { Source } from './sources.js';

export interface MembershipPorts {
  /** As the worker role. */
  store: Store;
  forges: ReadonlyMap<string, ForgeDescriptor>;
  /** How the forge of an installation is asked, by the number that handlers see. @throws ForgewayError when it cannot be */
  access(virtualId: bigint): Promise<{ native: NativeClient }>;
  clock: Clock;
  log: Logger;
}

export const actorOf = ({ forge, host }: Pick<Source, 'forge' | 'host'>): string => `${forge}:${host}`;

/** @throws ForgewayError FORGEWAY_CONNECTION_UNUSABLE */
export function rolesOf(ports: Pick<MembershipPorts, 'forges'>, forge: string): ForgeRoles {
  const roles = ports.forges.get(forge)?.roles;
  if (roles === undefined) throw new ForgewayError('FORGEWAY_CONNECTION_UNUSABLE', `${forge} has no organizations.`);
  return roles;
}

/** The forge as the source's own installation sees it. @throws ForgewayError FORGEWAY_CONNECTION_UNUSABLE */
export async function openSource(
  ports: MembershipPorts,
  source: Source,
): Promise<{ roles: ForgeRoles; native: NativeClient }> {
  const roles = rolesOf(ports, source.forge);
  if (source.virtualId === null)
    throw new ForgewayError(
      'FORGEWAY_CONNECTION_UNUSABLE',
      `${source.login} on ${source.host} cannot be read any more: the App was uninstalled, or the connection removed.`,
    );
  const { native } = await ports.access(source.virtualId);
  return { roles, native };
}
