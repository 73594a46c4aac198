/**
 * The counts of the vault that take too long for the command of all tests: `npm run vault:counts`, or only some of them
 * (`-- flips rotations`). Prints a line for each, fails at the first that is not as it should be, and with `--results <file>`
 * keeps what was counted, beside what an earlier run of other parts left there.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { describeMachine } from '../../bench/support/machine.js';
import { newSecretSalt, type SecretPlace } from '../../src/accounts/vault.js';
import { ForgewayError } from '../../src/lib/errors.js';
import { withConnection } from '../../src/store/connection.js';
import { countSealedRows } from '../../src/store/master-key-record.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import startTestServer from '../support/global-setup.js';
import stopTestServer from '../support/global-teardown.js';
import { addRow, checkRow, recordKey, rewriteRow, type SecretRowPlace, TABLES, vaultOf } from './vault-rig.js';

const ENCRYPTIONS = 1_000_000;
const CIPHERTEXTS = 1_000;
const ROWS = 10_000;
const KILLS = 50;
const vault = vaultOf(1);
const placeOf = (row: number): SecretPlace => ({
  organizationId: `tenant ${row % 10}`,
  table: row % 3 === 0 ? 'hook' : 'connection',
  rowId: `row ${Math.floor(row / 4)}`,
  column: row % 2 === 0 ? 'access_token' : 'refresh_token',
  salt: newSecretSalt(),
  version: 1 + (row % 5),
});

const { values: options, positionals: wanted } = parseArgs({
  options: { results: { type: 'string' } },
  allowPositionals: true,
});

function told(line: string): void {
  console.log(`${new Date().toISOString()}  ${line}`);
}

/** What a part counted, for the file of results. */
type Counted = Record<string, number>;

/** One key for all: with a key per row, as it really is, a repeated nonce would not even matter. */
function nonces(): Counted {
  const place = placeOf(1);
  const seen = new Set<string>();
  for (let n = 0; n < ENCRYPTIONS; n++) seen.add(vault.seal(place, 'x', 1).iv);
  assert.equal(seen.size, ENCRYPTIONS);
  told(`${ENCRYPTIONS} encryptions under one key: 0 nonces repeated`);
  return { encryptions: ENCRYPTIONS, repeated: ENCRYPTIONS - seen.size };
}

function opens(place: SecretPlace, sealed: ReturnType<typeof vault.seal>): boolean {
  try {
    vault.open(place, sealed);
    return true;
  } catch (error) {
    assert.ok(error instanceof ForgewayError && error.code === 'FORGEWAY_SECRET_UNREADABLE');
    return false;
  }
}

/** As long as tokens of forges are: GitHub's have 40 letters and more, those of a GitLab of today around 60. */
const SHORTEST = 40;
const LONGEST = 80;

function flips(): Counted {
  let refused = 0;
  let accepted = 0;
  for (let n = 0; n < CIPHERTEXTS; n++) {
    const place = placeOf(n);
    const length = SHORTEST + (n % (LONGEST - SHORTEST + 1));
    const token = randomBytes(LONGEST).toString('base64url').slice(0, length);
    const sealed = vault.seal(place, token, 1);
    assert.ok(opens(place, sealed));
    for (const part of ['ciphertext', 'iv', 'tag'] as const) {
      const bytes = Buffer.from(sealed[part], 'base64');
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const flipped = Buffer.from(bytes);
        flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
        if (opens(place, { ...sealed, [part]: flipped.toString('base64') })) accepted++;
        else refused++;
      }
    }
    if (n % 100 === 99) told(`${n + 1} secrets, ${refused} flips refused, ${accepted} accepted`);
  }
  assert.equal(accepted, 0);
  told(`${CIPHERTEXTS} secrets, every bit of ciphertext, nonce and tag flipped: ${refused} of ${refused} refused`);
  return { secrets: CIPHERTEXTS, shortest: SHORTEST, longest: LONGEST, flips: refused + accepted, refused, accepted };
}

function swaps(): Counted {
  const places = Array.from({ length: CIPHERTEXTS }, (_, n) => placeOf(n));
  const sealed = places.map((place) => vault.seal(place, 'secret', 1));
  for (const [n, place] of places.entries()) {
    const other = sealed[(n + 1 + (n % 991)) % CIPHERTEXTS];
    assert.ok(other !== undefined && opens(place, sealed[n] ?? other) && !opens(place, other));
  }
  told(`${CIPHERTEXTS} secrets swapped between rows, columns, tables and tenants: ${CIPHERTEXTS} refused`);
  return { swaps: CIPHERTEXTS, refused: CIPHERTEXTS };
}

const script = fileURLToPath(new URL('./rotate-process.ts', import.meta.url));

/** How a rotation ended that kills itself at this query: by its signal, or with what it says when it came to its end. */
function rotation(db: TestDatabase, at: number): Promise<{ signal: string | null; printed: string }> {
  const { host, port, database } = db.superuser;
  const ROTATE = JSON.stringify({
    ...{ host, port, database, target: 2, organizationId: db.organizationId },
    ...{ at, when: at % 2 === 0 ? 'before' : 'after' },
  });
  const child = spawn(process.execPath, ['--import', 'tsx', script], {
    env: { ...process.env, ROTATE },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const parts: string[] = [];
  child.stdout.on('data', (part: Buffer) => parts.push(part.toString('utf8')));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (_code, signal) => resolve({ signal, printed: parts.join('') }));
  });
}

async function killed(db: TestDatabase): Promise<Counted> {
  const store = db.store('worker');
  const rows: SecretRowPlace[] = [];
  for (let n = 0; n < ROWS; n++)
    rows.push(await addRow(store, vault, TABLES[n % TABLES.length] ?? 'hook', db.organizationId));
  await recordKey(db, 2);
  told(`${ROWS} rows are there`);

  const both = vaultOf(1, 2);
  const written = new Map<string, number>();
  const state = { over: false, reads: 0, writes: 0 };
  const reader = async () => {
    for (let n = 0; !state.over; n++, state.reads++)
      await checkRow(store, both, rows[(n * 31) % ROWS] as SecretRowPlace);
  };
  const writer = async () => {
    for (let n = 0; !state.over; n++, state.writes++) {
      const row = rows[(n * 101) % ROWS] as SecretRowPlace;
      await rewriteRow(store, both, row, n + 2);
      written.set(row.rowId, n + 2);
      assert.equal((await checkRow(store, both, row, n + 2)) >= 1, true);
    }
  };
  const others = [reader(), writer()];
  const left: number[] = [];
  for (let kill = 1; kill <= KILLS; kill++) {
    // Each comes a little further than a batch or two, and ends at another statement of it.
    const { signal } = await rotation(db, kill < 12 ? kill : 97 + kill * 3);
    assert.equal(signal, 'SIGKILL', `rotation ${kill} came to its end`);
    const counts = await withConnection(db.database.poolConfig('migrate'), countSealedRows);
    left.push(counts.filter(({ version }) => version === 1).reduce((sum, { rows: n }) => sum + n, 0));
  }
  assert.ok(left.every((n, index) => index === 0 || n <= (left[index - 1] ?? 0)));
  const [last, beside] = await Promise.all([rotation(db, 10_000_000), rotation(db, 10_000_000)]);
  state.over = true;
  await Promise.all(others);
  for (const { printed } of [last, beside]) assert.match(printed, /"failed":\[\],"left":0/);
  const counts = await withConnection(db.database.poolConfig('migrate'), countSealedRows);
  assert.deepEqual(new Set(counts.map(({ version }) => version)), new Set([2]));
  const newOnly = vaultOf(2);
  for (const row of rows) assert.equal(await checkRow(store, newOnly, row, written.get(row.rowId) ?? 1), 2);
  told(
    `${KILLS} rotations ended with SIGKILL (${left.at(-1)} rows left), then two at once to the end: 0 rows on the old key`,
  );
  told(
    `beside them ${state.reads} reads and ${state.writes} writes: none failed, ${ROWS} of ${ROWS} rows hold what was written last`,
  );
  const { reads, writes } = state;
  return { rows: ROWS, kills: KILLS, leftAfterKills: left.at(-1) ?? 0, left: 0, reads, writes, failed: 0 };
}

async function rotations(): Promise<Counted> {
  await startTestServer();
  const db = await createTestDatabase();
  try {
    return await killed(db);
  } finally {
    await db.drop();
    await stopTestServer();
  }
}

const parts = { nonces, flips, swaps, rotations };
const counted: Record<string, Counted & { seconds: number }> = {};
for (const [name, run] of Object.entries(parts)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const startedAt = performance.now();
  counted[name] = { ...(await run()), seconds: Math.round((performance.now() - startedAt) / 1_000) };
}
if (options.results !== undefined) {
  const before = existsSync(options.results) ? JSON.parse(readFileSync(options.results, 'utf8')) : {};
  const results = {
    machine: describeMachine(),
    command: 'npm run vault:counts -- --results bench/results/vault.json',
    parts: { ...before.parts, ...counted },
  };
  writeFileSync(options.results, `${JSON.stringify(results, undefined, 2)}\n`);
}
