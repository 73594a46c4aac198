/** Lets the mirror of members ask forges: as the App's installations, and with the token of each connection. */
import type { MembershipPorts } from '../accounts/membership/ports.js';
import { forges } from '../forges/registry.js';
import { systemClock } from '../lib/clock.js';
import type { Logger } from '../lib/logger.js';
import { createMetrics } from '../lib/metrics.js';
import type { Store } from '../store/database.js';
import type { Bridge } from '../translate/bridge.js';
import { lazyBridge } from './lazy-bridge.js';
import type { CommandSession } from './session.js';

/** @param o.store as the worker role @param o.bridge asked for when a forge is to be */
export function membershipPorts(o: {
  store: Store;
  log: Logger;
  bridge(): Promise<Pick<Bridge, 'askAs'>>;
}): MembershipPorts {
  const { store, log, bridge } = o;
  const access: MembershipPorts['access'] = async (id) => (await bridge()).askAs(id, { confidential: false });
  return { store, log, forges, clock: systemClock, access };
}

/** For a command, which runs no apps. */
export const commandMembershipPorts = ({ store, config, keys, log }: CommandSession): MembershipPorts =>
  membershipPorts({ store, log, bridge: lazyBridge({ config, store, keys, log, metrics: createMetrics() }) });
