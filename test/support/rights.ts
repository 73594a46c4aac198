import { pino } from 'pino';
import { createAccess } from '../../src/accounts/access/access.js';
import { createPermissions } from '../../src/accounts/permissions.js';
import type { Rights } from '../../src/handlers/commands/commands.js';
import { systemClock } from '../../src/lib/clock.js';
import type { Store } from '../../src/store/database.js';

/** Who may have what run, asked and written down as a worker does. */
export function rightsFor(store: Store, organizationId: string): Rights {
  return {
    access: createAccess({ store, log: pino({ level: 'silent' }), organizationId }),
    permissions: createPermissions({ clock: systemClock }),
  };
}
