// `npm test`: installs what is missing, runs every check and every test, and ends with one line of totals.
// `npm test -- <jest arguments>` runs only those tests.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from './build.mjs';
import { ensureSystemPackages, root } from './setup.mjs';

/** The run takes three or four minutes; beside the other tests twice as long. */
const CHAOS_MS = 1_200_000;
/** The one that found an event that was told twice. `npm run chaos` takes another each time. */
const CHAOS_SEED = '4219471429';
const only = process.argv.slice(2);
ensureSystemPackages({ git: 'git', 'redis-server': 'redis-server', bwrap: 'bubblewrap' });
build();

const bin = (path) => join(root, 'node_modules', path);
const tsx = ['--import', 'tsx'];
/** Prints the seed, which is fixed here, and ends everything in order after a SIGTERM: a run that hangs leaves nothing behind. */
const CHAOS = [...tsx, join(root, 'test/chaos/chaos.ts'), '--seed', CHAOS_SEED];
/** Each of the lists on a core of its own. */
const checks = [
  [['types', [bin('typescript/bin/tsc'), '--noEmit', '-p', '.']]],
  [
    ['format, lint, import layers', [bin('@biomejs/biome/bin/biome'), 'ci', '--error-on-warnings', '.']],
    ['dead code', [bin('knip/bin/knip.js')]],
    ['generated documents', [...tsx, join(root, 'scripts/generate-docs.ts'), '--check']],
  ],
];

/** What a check prints is read in logs, where colours are noise. */
const plain = { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' };

/** Ends with what it printed, its exit code or the signal that ended it. */
function ended(child) {
  const printed = [];
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text) => printed.push(text));
  return new Promise((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, printed: printed.join('') }));
  });
}

/** Runs one to its end, at most `ms`; what it printed is shown when it found something. */
async function check(name, args, ms) {
  const started = Date.now();
  const child = spawn(process.execPath, args, { cwd: root, env: plain, stdio: ['ignore', 'pipe', 'pipe'] });
  const limit = ms && setTimeout(() => child.kill('SIGTERM'), ms);
  const { code, printed } = await ended(child);
  clearTimeout(limit);
  const good = code === 0;
  good ? passed++ : failed++;
  console.log(`${good ? 'PASS' : 'FAIL'} check: ${name} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
  if (!good) console.log(printed);
}

let passed = 0;
let failed = 0;
let skipped = 0;
if (only.length === 0) {
  await Promise.all(
    checks.map(async (list) => {
      for (const [name, args] of list) await check(name, args);
    }),
  );
}

async function runJest() {
  const folder = mkdtempSync(join(tmpdir(), 'forgeway-test-'));
  const report = join(folder, 'jest.json');
  const jestArguments = ['--experimental-vm-modules', '--no-warnings', bin('jest/bin/jest.js')];
  const { code, signal } = await ended(
    spawn(process.execPath, [...jestArguments, '--json', `--outputFile=${report}`, ...only], {
      cwd: root,
      stdio: ['ignore', 'ignore', 'inherit'],
    }),
  );
  let failures = 0;
  try {
    const totals = JSON.parse(readFileSync(report, 'utf8'));
    passed += totals.numPassedTests;
    failures += totals.numFailedTests + totals.numRuntimeErrorTestSuites;
    skipped += totals.numPendingTests + totals.numTodoTests;
  } catch (error) {
    console.error(`Jest left no report: ${error.message}`);
    failures++;
  }
  rmSync(folder, { recursive: true, force: true });
  if (code !== 0 && failures === 0) {
    console.error(`Jest ended with ${signal ?? `exit code ${code}`}, though no test failed.`);
    failures++;
  }
  failed += failures;
}

// What is killed and waits to come back leaves time to the tests.
await Promise.all([runJest(), ...(only.length === 0 ? [check('chaos', CHAOS, CHAOS_MS)] : [])]);
console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);
