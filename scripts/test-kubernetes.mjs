/**
 * `npm run test:kubernetes`: the tests of previews that need no kubelet, against whatever KUBECONFIG points at, or without it against the
 * API in memory. Ends with what was left out, and why.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './setup.mjs';

const FILES = [
  'test/effects/kubernetes',
  ...[
    ...['objects', 'lifecycle', 'without-kubelet', 'faults', 'trust', 'orders', 'any-order', 'collector', 'clusters'],
    'restored',
  ].map((name) => `test/preview/kubernetes/${name}.test.ts`),
];
/** What is run against the API in memory alone, by `npm test`. */
const KUBELET = 'needs a kubelet';
const ALWAYS = [
  ['what containers print: last lines of a failure, logs by API (told.test.ts)', KUBELET],
  ['visits: forwarded ports, waking by a visit (wake.test.ts, ways-in.test.ts)', KUBELET],
  ['builds that are begun again by what BuildKit printed (interrupted.test.ts)', KUBELET],
  ['plans, applies and agents as jobs (test/run, test/agents)', KUBELET],
].map(([what, why]) => ({ what, why }));

const { KUBECONFIG } = process.env;
console.log(KUBECONFIG ? `Against the cluster of ${KUBECONFIG}` : 'KUBECONFIG is not set: against the API in memory');
const folder = mkdtempSync(join(tmpdir(), 'forgeway-kubernetes-'));
const notes = join(folder, 'left-out');
writeFileSync(notes, '');
// The controllers of one cluster do what all files ask for, only so much of it at a time.
const oneByOne = KUBECONFIG ? ['--runInBand'] : [];
const child = spawn(
  process.execPath,
  [join(root, 'scripts/test.mjs'), ...oneByOne, ...FILES, ...process.argv.slice(2)],
  {
    ...{ cwd: root, stdio: 'inherit' },
    env: { ...process.env, FORGEWAY_TEST_CLUSTER: 'kubeconfig', FORGEWAY_TEST_LEFT_OUT: notes },
  },
);
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => child.kill(signal));
child.once('close', (code) => {
  const met = readFileSync(notes, 'utf8').split('\n').filter(Boolean);
  rmSync(folder, { recursive: true, force: true });
  if (KUBECONFIG) {
    console.log('\nLeft out:');
    for (const { what, why } of [...ALWAYS, ...[...new Set(met)].map((line) => JSON.parse(line))])
      console.log(`- ${what}: ${why}`);
  }
  process.exit(code ?? 1);
});
