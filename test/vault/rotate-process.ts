/** Rotates in a process of its own, which ends itself with SIGKILL before or after the query that it is told. */
import { rotateSecrets } from '../../src/accounts/vault-rotation.js';
import { databaseAt, openStore } from '../../src/store/database.js';
import { TEST_MASTER_KEY } from '../support/master-key.js';
import { vaultOf, watched } from './vault-rig.js';

const o = JSON.parse(process.env.ROTATE ?? '{}') as {
  host: string;
  port: number;
  database: string;
  target: number;
  organizationId: string;
  /** Which query; from 1. */
  at: number;
  when: 'before' | 'after';
};
const database = databaseAt({ host: o.host, port: o.port, database: o.database }, TEST_MASTER_KEY);
const store = openStore(database, 'worker', { max: 2 });
const seen = { before: 0, after: 0 };
const count = (when: 'before' | 'after') => () => {
  if (++seen[when] === o.at && o.when === when) process.kill(process.pid, 'SIGKILL');
};
const summary = await rotateSecrets({
  database,
  store: watched(store, count('before'), count('after')),
  vault: vaultOf(o.target - 1, o.target),
  target: o.target,
  organizationId: o.organizationId,
});
await store.close();
console.log(JSON.stringify(summary));
