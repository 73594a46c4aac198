/**
 * The guard's verdict against the address that was connected to, for more hosts than `npm test` has time for:
 * `npm run outbound:hosts`. `--hosts <n>` of each kind (100,000), `--seed <n>`, `--results <file>`. Ends with 1 when one was
 * judged wrongly. Linux only, where the whole of 127.0.0.0/8 answers.
 */
import { randomInt } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { describeMachine } from '../../bench/support/machine.js';
import { connectToHosts, judgeHosts } from './hosts.js';

const { values } = parseArgs({
  options: {
    hosts: { type: 'string', default: '100000' },
    seed: { type: 'string' },
    results: { type: 'string' },
  },
});
const hosts = Number(values.hosts);
const seed = Number(values.seed ?? randomInt(2 ** 31));
const startedAt = performance.now();
const connected = await connectToHosts(hosts, seed);
const judged = await judgeHosts(hosts, seed);
const seconds = Math.round((performance.now() - startedAt) / 1_000);
const results = {
  machine: describeMachine(),
  command: `npm run outbound:hosts -- --hosts ${hosts} --seed ${seed} --results bench/results/outbound-hosts.json`,
  seed,
  /** Really connected to, on loopback. */
  connected,
  /** Anywhere, judged and not connected to. */
  judged,
  seconds,
};
if (values.results !== undefined) writeFileSync(values.results, `${JSON.stringify(results, undefined, 2)}\n`);
for (const [what, { connected: yes, refused, wrong }] of Object.entries({ connected, judged })) {
  console.log(`${what}: ${hosts} hosts, ${yes} allowed, ${refused} refused, ${wrong.length} wrong`);
  for (const line of wrong) console.log(`  ${line}`);
}
console.log(`seed ${seed}, ${seconds} s`);
process.exitCode = connected.wrong.length + judged.wrong.length > 0 ? 1 : 0;
