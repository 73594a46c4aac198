// `npm test`: installs what is missing, runs every check and every test, and ends with one line of totals.
// `npm test -- <jest arguments>` runs only those tests.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from './build.mjs';
import { ensureSystemPackages, root } from './setup.mjs';

/** The run takes three or four minutes; on a busy machine longer. */
const CHAOS_MS = 600_000;
/** The one that found an event that was told twice. `npm run chaos` takes another each time. */
const CHAOS_SEED = '4219471429';
const only = process.argv.slice(2);
ensureSystemPackages({ git: 'git', 'redis-server': 'redis-server', bwrap: 'bubblewrap' });
build();

const bin = (path) => join(root, 'node_modules', path);
const tsx = ['--import', 'tsx'];
const checks = [
  ['types', [bin('typescript/bin/tsc'), '--noEmit', '-p', '.']],
  ['format, lint, import layers', [bin('@biomejs/biome/bin/biome'), 'ci', '--error-on-warnings', '.']],
  ['dead code', [bin('knip/bin/knip.js')]],
  ['generated documents', [...tsx, join(root, 'scripts/generate-docs.ts'), '--check']],
];

/** What a check prints is read in logs, where colours are noise. */
const plain = { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' };

let passed = 0;
let failed = 0;
let skipped = 0;
if (only.length === 0) {
  for (const [name, args] of checks) {
    const started = Date.now();
    const result = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8', env: plain });
    const good = result.status === 0;
    good ? passed++ : failed++;
    console.log(`${good ? 'PASS' : 'FAIL'} check: ${name} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
    if (!good) console.log(`${result.stdout}${result.stderr}`);
  }
}

const folder = mkdtempSync(join(tmpdir(), 'forgeway-test-'));
const report = join(folder, 'jest.json');
const jest = spawnSync(
  process.execPath,
  ['--experimental-vm-modules', '--no-warnings', bin('jest/bin/jest.js'), '--json', `--outputFile=${report}`, ...only],
  { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] },
);
try {
  const totals = JSON.parse(readFileSync(report, 'utf8'));
  passed += totals.numPassedTests;
  failed += totals.numFailedTests + totals.numRuntimeErrorTestSuites;
  skipped += totals.numPendingTests + totals.numTodoTests;
} catch (error) {
  console.error(`Jest left no report: ${error.message}`);
  failed++;
}
rmSync(folder, { recursive: true, force: true });
if (jest.status !== 0 && failed === 0) {
  console.error(`Jest ended with ${jest.signal ?? `exit code ${jest.status}`}, though no test failed.`);
  failed++;
}
if (only.length === 0) {
  const started = Date.now();
  // Everything is ended in order after a SIGTERM, so that a run that hangs leaves nothing behind.
  const chaos = spawnSync(process.execPath, [...tsx, join(root, 'test/chaos/chaos.ts'), '--seed', CHAOS_SEED], {
    cwd: root,
    encoding: 'utf8',
    env: plain,
    timeout: CHAOS_MS,
  });
  const good = chaos.status === 0;
  good ? passed++ : failed++;
  const seed = /seed (\d+)/.exec(chaos.stdout)?.[1];
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  console.log(`${good ? 'PASS' : 'FAIL'} check: chaos (seed ${seed}, ${seconds} s)`);
  if (!good) console.log(`${chaos.stdout}${chaos.stderr}Again with: npm run chaos -- --seed ${seed}`);
}
console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);
