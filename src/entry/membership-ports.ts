/** Lets the mirror of members ask forges: as the App's installations, and with the token of each connection. */
import type { MembershipPorts } from '../accounts/membership/ports.js';
import { forges } from '../forges/registry.js';
import { systemClock } from '../lib/clock.js';
import type { Logger } from '../lib/logger.js';
import { createMetrics } from '../lib/metrics.js';
import type { Store } from '../store/database.js';
import { type Bridge, createBridge } from '../translate/bridge.js';
import { defaultAppCredentials } from './default-app.js';
import { outboundOf } from './outbound.js';
import type { CommandSession } from './session.js';

/** @param o.store as the worker role */
export function membershipPorts(o: { store: Store; log: Logger; bridge: Pick<Bridge, 'askAs'> }): MembershipPorts {
  const { store, log, bridge } = o;
  return { store, log, forges, clock: systemClock, access: (id) => bridge.askAs(id, { confidential: false }) };
}

/** For a command, which runs no apps. */
export async function commandMembershipPorts({ store, config, keys, log }: CommandSession): Promise<MembershipPorts> {
  const bridge = await createBridge({
    github: defaultAppCredentials(config),
    apps: [],
    store,
    keys,
    fetch: outboundOf(config).fetch,
    log,
    metrics: createMetrics(),
  });
  return membershipPorts({ store, log, bridge });
}
