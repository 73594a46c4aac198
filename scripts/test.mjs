// `npm test`: installs what is missing, runs every check and every test, and ends with one line of totals.
// `npm test -- <jest arguments>` runs only those tests.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { build } from './build.mjs';
import { ensureSystemPackages, root, setup } from './setup.mjs';

/** The run takes three or four minutes; beside the other tests twice as long. */
const CHAOS_MS = 1_200_000;
/** The one that found an event that was told twice. `npm run chaos` takes another each time. */
const CHAOS_SEED = '4219471429';
const only = process.argv.slice(2);
ensureSystemPackages({ git: 'git', 'redis-server': 'redis-server', bwrap: 'bubblewrap' });
// Alone it leaves a core with nothing to do: with the checks it runs beside the longest of them.
if (only.length > 0) build();
else setup();

const bin = (path) => join(root, 'node_modules', path);
const tsx = ['--import', 'tsx'];
/** Prints the seed, which is fixed here, and ends everything in order after a SIGTERM: a run that hangs leaves nothing behind. */
const CHAOS = [...tsx, join(root, 'test/chaos/chaos.ts'), '--seed', CHAOS_SEED];
const BUILD = 'build';
/** Each of the lists on a core of its own. */
const checks = [
  [['types', [bin('typescript/bin/tsc'), '--noEmit', '-p', '.']]],
  [
    [BUILD, [join(root, 'scripts/build.mjs')]],
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

/** Runs one to its end, at most `ms`; what it printed is shown when it found something. Answers whether it found nothing. */
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
  return good;
}

let passed = 0;
let failed = 0;
let skipped = 0;
/** Tests that failed beside others and passed alone. */
const beside = [];
/** With more failed files than this it is not the machine. */
const RUN_AGAIN = 5;
if (only.length === 0) {
  const lists = checks.map(async (list) => {
    for (const [name, args] of list) if (!(await check(name, args)) && name === BUILD) return false;
    return true;
  });
  // What was built before would be tested instead.
  if ((await Promise.all(lists)).includes(false)) {
    console.log(`\nNothing was tested, since it could not be built: ${passed} passed, ${failed} failed`);
    process.exit(1);
  }
}

/** Runs Jest with these arguments to its end: its report (none if it was cut off), and how it ended. */
async function jest(args) {
  const folder = mkdtempSync(join(tmpdir(), 'forgeway-test-'));
  const file = join(folder, 'jest.json');
  const child = spawn(
    process.execPath,
    ['--experimental-vm-modules', '--no-warnings', bin('jest/bin/jest.js'), '--json', `--outputFile=${file}`, ...args],
    { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const { code, signal } = await ended(child);
  let report;
  try {
    report = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    console.error(`Jest left no report: ${error.message}`);
  }
  rmSync(folder, { recursive: true, force: true });
  return { report, code, signal };
}

const failuresOf = (report) => report.numFailedTests + report.numRuntimeErrorTestSuites;
const failedTests = ({ assertionResults }) =>
  assertionResults.filter(({ status }) => status === 'failed').map(({ fullName }) => fullName);

async function runJest() {
  const first = await jest(only);
  if (!first.report) {
    failed++;
    return;
  }
  passed += first.report.numPassedTests;
  skipped += first.report.numPendingTests + first.report.numTodoTests;
  const failures = failuresOf(first.report);
  if (first.code !== 0 && failures === 0) {
    console.error(`Jest ended with ${first.signal ?? `exit code ${first.code}`}, though no test failed.`);
    failed++;
  }
  const files = first.report.testResults.filter(({ status }) => status === 'failed');
  if (failures === 0 || only.length > 0 || files.length > RUN_AGAIN) {
    failed += failures;
    return;
  }
  await runAgain(files);
}

/**
 * Says of each failed file whether it fails by itself too. What fails again has failed. What passes was short of the
 * machine, which three workers and the chaos run share: it counts as passed, and is named at the end for whoever mends it.
 */
async function runAgain(files) {
  console.error(`\nOnce more, alone: ${files.map(({ name }) => relative(root, name)).join(', ')}`);
  for (const file of files) {
    const { report } = await jest(['--runInBand', '--runTestsByPath', file.name]);
    const failures = report ? failuresOf(report) : 1;
    const tests = failedTests(file);
    failed += failures;
    passed += tests.length > 0 ? Math.max(0, tests.length - failures) : (report?.numPassedTests ?? 0);
    if (failures === 0)
      for (const test of tests.length > 0 ? tests : ['the whole file'])
        beside.push(`${relative(root, file.name)}: ${test}`);
  }
}

// What is killed and waits to come back leaves time to the tests.
await Promise.all([runJest(), ...(only.length === 0 ? [check('chaos', CHAOS, CHAOS_MS)] : [])]);
for (const test of beside) console.log(`UNSTEADY, failed beside others and passed alone: ${test}`);
console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);
