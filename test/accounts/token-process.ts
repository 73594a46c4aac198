/** A process of its own that asks for tokens of connections; it says `ready`, begins when told to, and prints what it got. */
import { once } from 'node:events';
import { createConnectionDirectory } from '../../src/accounts/connections.js';
import { createVault } from '../../src/accounts/vault.js';
import { forges } from '../../src/forges/registry.js';
import { systemClock } from '../../src/lib/clock.js';
import { databaseAt, openStore } from '../../src/store/database.js';
import { createTokenRenewal } from '../../src/translate/token-renewal.js';
import { TEST_KEYS, TEST_MASTER_KEY } from '../support/master-key.js';

const { organizationId, connections, callers, dies, leaseMs, ...address } = JSON.parse(process.env.TOKENS ?? '{}') as {
  host: string;
  port: number;
  database: string;
  organizationId: string;
  connections: string[];
  callers: number;
  /** Right after the forge has answered, before anything is stored. */
  dies: boolean;
  leaseMs?: number;
};
const store = openStore(databaseAt(address, TEST_MASTER_KEY), 'worker', { max: 4 });
const renew = createTokenRenewal({
  clock: systemClock,
  clientOf: async () => ({ id: 'client', secret: 'secret' }),
  async send(url, init) {
    const response = await fetch(url, init);
    if (dies) process.kill(process.pid, 'SIGKILL');
    return response;
  },
});
const directory = createConnectionDirectory({
  store,
  vault: createVault(TEST_KEYS.versions),
  forges,
  clock: systemClock,
  renew,
  leaseMs,
});

process.stdout.write('ready\n');
await once(process.stdin, 'data');
const tokens = await Promise.all(
  connections.map(async (id) => {
    const got = await Promise.all(
      Array.from({ length: callers }, async () => (await directory.open(organizationId, id)).token()),
    );
    return [...new Set(got)];
  }),
);
process.stdout.write(`${JSON.stringify(tokens)}\n`);
process.stdin.destroy();
await store.close();
