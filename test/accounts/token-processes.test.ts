/** Tokens that end, in several real processes on one database, against a forge that rotates refresh tokens. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { saveOAuthConnection } from '../../src/accounts/connection-kinds.js';
import { createConnectionDirectory } from '../../src/accounts/connections.js';
import { createVault } from '../../src/accounts/vault.js';
import { forges } from '../../src/forges/registry.js';
import { systemClock } from '../../src/lib/clock.js';
import { createTokenRenewal } from '../../src/translate/token-renewal.js';
import { createTestDatabase, TEST_KEYS, type TestDatabase } from '../support/database.js';

const CHILD = fileURLToPath(new URL('token-process.ts', import.meta.url));
const TOKENS = 20;
const CALLERS = 100;
const vault = createVault(TEST_KEYS.versions);

/** What the forge was asked with and said. */
const asked: { refreshToken: string; status: number }[] = [];
const valid = new Set<string>();
const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const form = new URLSearchParams(Buffer.concat(chunks).toString());
    const refreshToken = form.get('refresh_token') ?? '';
    const [name = '', number = '0'] = refreshToken.split('#');
    const ok = request.url === '/oauth/token' && form.get('client_id') === 'client' && valid.delete(refreshToken);
    asked.push({ refreshToken, status: ok ? 200 : 400 });
    const next = Number(number) + 1;
    if (ok) valid.add(`${name}#${next}`);
    const body = ok
      ? { access_token: `access ${name} ${next}`, refresh_token: `${name}#${next}`, expires_in: 7_200, created_at: 1 }
      : { error: 'invalid_grant', error_description: 'The grant is invalid.' };
    // Long enough that everybody asks meanwhile.
    setTimeout(() => {
      response.writeHead(ok ? 200 : 400, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    }, 50);
  });
});

let test: TestDatabase;
let instanceUrl: string;
beforeAll(async () => {
  test = await createTestDatabase();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  instanceUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.close();
  await test.drop();
});

/** A connection whose token ends in a minute. */
async function connection(name: string, id: number): Promise<string> {
  valid.add(`${name}#0`);
  const { organizationId } = test;
  const place = { organizationId, forge: 'gitlab', host: new URL(instanceUrl).host, instanceUrl };
  const saved = await saveOAuthConnection(test.store('worker'), vault, place, {
    identity: { id: BigInt(id), login: name, name: null, email: null, emailVerified: false, avatarUrl: null },
    tokens: { accessToken: `access ${name} 0`, refreshToken: `${name}#0`, expiresAt: new Date(Date.now() + 60_000) },
  });
  // As if they had been given a while ago: tokens of this moment are not renewed.
  await test
    .store('worker')
    .tenant(organizationId, (tx) =>
      tx.query(`UPDATE connection SET token_granted_at = now() - interval '1 hour' WHERE id = $1`, [saved.id]),
    );
  return saved.id;
}

interface Asker {
  child: ChildProcess;
  ready: Promise<unknown>;
  ended: Promise<string>;
}

function asker(connections: readonly string[], callers: number, dies = false): Asker {
  const { host, port, database } = test.superuser;
  const settings = { host, port, database, organizationId: test.organizationId, connections, callers, dies };
  // Of one that dies the others need not wait for a minute.
  const lease = dies ? { leaseMs: 500 } : {};
  const child = spawn(process.execPath, ['--import', 'tsx', CHILD], {
    env: { ...process.env, NODE_OPTIONS: '', TOKENS: JSON.stringify({ ...settings, ...lease }) },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const said: string[] = [];
  child.stdout.setEncoding('utf8').on('data', (text: string) => said.push(text));
  const ready = once(child.stdout, 'data');
  const ended = once(child, 'close').then(() => said.join('').replace('ready\n', ''));
  return { child, ready, ended };
}

const directory = () =>
  createConnectionDirectory({
    ...{ store: test.store('worker'), vault, forges, clock: systemClock },
    renew: createTokenRenewal({
      send: (url, init) => fetch(url, init),
      clock: systemClock,
      clientOf: async () => ({ id: 'client', secret: 'secret' }),
    }),
  });

it('100 callers of 20 tokens in 2 processes are 20 renewals', async () => {
  const names = Array.from({ length: TOKENS }, (_, index) => `user${index}`);
  const connections: string[] = [];
  for (const [index, name] of names.entries()) connections.push(await connection(name, index + 1));
  const askers = [asker(connections, CALLERS), asker(connections, CALLERS)];
  await Promise.all(askers.map(({ ready }) => ready));
  for (const { child } of askers) child.stdin?.write('go\n');
  const got = await Promise.all(askers.map(async ({ ended }) => JSON.parse(await ended) as string[][]));
  const expected = names.map((name) => [`access ${name} 1`]);
  expect(got).toEqual([expected, expected]);
  expect(asked).toHaveLength(TOKENS);
  expect(asked.every(({ status }) => status === 200)).toBe(true);
  // And a third that comes later has nothing to ask.
  const open = directory();
  for (const [index, id] of connections.entries())
    expect(await (await open.open(test.organizationId, id)).token()).toBe(`access user${index} 1`);
  expect(asked).toHaveLength(TOKENS);
});

it('a process that dies between the forge’s answer and our commit leaves "connect again", asked for once', async () => {
  const id = await connection('unlucky', 100);
  const before = asked.length;
  const { child, ready, ended } = asker([id], 1, true);
  await ready;
  child.stdin?.write('go\n');
  expect(await ended).toBe('');
  expect(child.signalCode).toBe('SIGKILL');
  expect(asked.slice(before)).toEqual([{ refreshToken: 'unlucky#0', status: 200 }]);

  const open = directory();
  const token = async () => (await open.open(test.organizationId, id)).token();
  const refusal = { code: 'FORGEWAY_CONNECTION_UNUSABLE', details: { reconnect: true } };
  await expect(token()).rejects.toMatchObject(refusal);
  for (let call = 0; call < 10; call += 1) {
    open.forget(id);
    await expect(token()).rejects.toMatchObject(refusal);
  }
  expect(asked.slice(before).map(({ status }) => status)).toEqual([200, 400]);
  const row = await test.store('worker').tenant(test.organizationId, async (tx) => {
    const { rows } = await tx.query('SELECT status, status_reason, revoked_at FROM connection WHERE id = $1', [id]);
    return rows[0] as { status: string; status_reason: string; revoked_at: Date | null };
  });
  expect(row).toMatchObject({ status: 'revoked', status_reason: expect.stringMatching(/Connect the account again/) });
  expect(row.revoked_at).not.toBeNull();

  // Whoever connects again goes on, and nothing of the end is left.
  await connection('unlucky', 100);
  open.forget(id);
  expect(await token()).toBe('access unlucky 1');
});

it('secrets are sealed in the row', async () => {
  await connection('sealed', 200);
  const text = await test.store('worker').tenant(test.organizationId, async (tx) => {
    const { rows } = await tx.query('SELECT c::text AS line FROM connection c');
    return (rows as { line: string }[]).map(({ line }) => line).join('\n');
  });
  expect(text).toContain('sealed');
  expect(text).not.toMatch(/access (sealed|user1)|sealed#|user1#/);
});
