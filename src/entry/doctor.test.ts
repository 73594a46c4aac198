import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { createTestDatabase } from '../../test/support/database.js';
import { openStore } from '../store/database.js';
import { claimDataDir } from '../store/embedded/server-claim.js';
import { examine } from './doctor.js';
import { workers } from './doctor-processes.js';

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const pem = privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();

let dataDir: string;
let forge: Server;
const answers = { status: 200, body: '{"slug":"forgeway"}' };
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'forgeway-doctor-'));
  forge = createServer((_request, response) => response.writeHead(answers.status).end(answers.body));
  await new Promise<void>((resolve) => forge.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  await new Promise((resolve) => forge.close(resolve));
  await rm(dataDir, { recursive: true, force: true });
});

async function findings(more: Record<string, string> = {}) {
  const found = await examine({
    ...{ FORGEWAY_DATA_DIR: dataDir, APP_ID: '7', PRIVATE_KEY: pem, WEBHOOK_SECRET: 'a-secret-of-some-length' },
    ...{ GHE_HOST: `127.0.0.1:${(forge.address() as AddressInfo).port}`, GHE_PROTOCOL: 'http', ...more },
  });
  return Object.fromEntries(found.map((one) => [one.about, one]));
}

describe('doctor', () => {
  it.each([
    [200, '{"slug":"forgeway"}', 'ok', 'forgeway on'],
    [200, '<html>', 'problem', 'answered with something else than an App'],
    [401, '', 'problem', 'did not accept the App’s key: it answered 401'],
    [503, '', 'problem', 'answered 503'],
  ])('says of a forge that answers %i %s what that means', async (status, body, state, finding) => {
    Object.assign(answers, { status, body });
    expect((await findings()).App).toMatchObject({ state, finding: expect.stringContaining(finding) });
  });

  it.each([
    ['http://localhost:3000', 'warning', 'forges on other machines cannot reach it'],
    ['http://127.0.0.1:3000', 'warning', 'forges on other machines cannot reach it'],
    ['https://forgeway.example.com', 'ok', 'https://forgeway.example.com'],
  ])('says of the address %s whether forges reach it', async (url, state, finding) => {
    expect((await findings({ PUBLIC_URL: url })).PUBLIC_URL).toMatchObject({
      state,
      finding: expect.stringContaining(finding),
    });
  });

  it('does not blame the key when the forge is not reached', async () => {
    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    const { App } = await findings({ GHE_HOST: `127.0.0.1:${port}` });
    expect(App?.finding).toBe(
      `http://127.0.0.1:${port}/api/v3 cannot be reached: connect ECONNREFUSED 127.0.0.1:${port}`,
    );
  });

  it('says whether a server runs on the data directory', async () => {
    expect((await findings()).server).toMatchObject({ state: 'warning', fix: 'forgeway up' });
    const claim = await claimDataDir(dataDir);
    expect((await findings()).server).toMatchObject({ state: 'ok', finding: `runs, process ${process.pid}` });
    await claim.release();
    expect((await findings()).server).toMatchObject({ state: 'warning' });
  });

  it('speaks of the settings of the server that runs, and not of those of the shell', async () => {
    const shell = { FORGEWAY_DATA_DIR: dataDir, PREVIEW_DRIVER: 'off', LANG: 'C' };
    const asked = async (read: (pid: number) => Promise<string>) =>
      Object.fromEntries((await examine(shell, read)).map((one) => [one.about, one]));
    const claim = await claimDataDir(dataDir);
    const started = `FORGEWAY_DATA_DIR=${dataDir}\0PREVIEW_DRIVER=kubernetes\0PUBLIC_URL=https://fw.example.com\0LANG=x\0`;
    const theirs = await asked(async () => started);
    expect(theirs.previews?.finding).toContain('on Kubernetes');
    expect(theirs.PUBLIC_URL).toMatchObject({ state: 'ok', finding: 'https://fw.example.com' });
    expect(theirs.settings).toMatchObject({ state: 'ok', finding: expect.stringMatching(/PREVIEW_DRIVER/) });
    expect(theirs.settings?.finding).not.toContain('LANG');
    const closed = await asked(async () => {
      throw new Error('EACCES');
    });
    expect(closed.previews?.finding).toBe('off');
    expect(closed.settings).toMatchObject({
      state: 'warning',
      finding: expect.stringContaining(`process ${process.pid}`),
    });
    await claim.release();
    expect((await asked(async () => started)).settings).toBeUndefined();
  });

  it('warns of previews that share a registered domain with the server', async () => {
    const given = { PUBLIC_URL: 'https://forgeway.example.com', PREVIEW_DRIVER: 'kubernetes' };
    const warned = { state: 'warning', finding: expect.stringContaining('one registered domain') };
    expect(await findings({ ...given, PREVIEW_DOMAIN: 'preview.example.com' })).toMatchObject({
      PREVIEW_DOMAIN: warned,
    });
    expect((await findings({ ...given, PREVIEW_DOMAIN: 'preview.example.net' })).PREVIEW_DOMAIN).toBeUndefined();
  });

  it('points out misspelt variables, beside problems and without them', async () => {
    const odd = { state: 'warning', fix: 'Did you mean PREVIEW_MEMORY_MB?' };
    expect((await findings({ PREVIEW_MEMRY_MB: '1' })).PREVIEW_MEMRY_MB).toMatchObject(odd);
    const both = await findings({ PREVIEW_MEMRY_MB: '1', PORT: 'x' });
    expect(both).toMatchObject({ PREVIEW_MEMRY_MB: odd, PORT: { state: 'problem', finding: 'must be a number' } });
  });

  it('counts workers by leases that last and whose session is there', async () => {
    const database = await createTestDatabase();
    const store = openStore(database.database, 'worker', { max: 2 });
    const session = new pg.Client({ ...database.database.poolConfig('worker'), application_name: 'fw-lanes:alive' });
    try {
      await session.connect();
      const lease = (shard: number, owner: string, age: string) =>
        store.pool.query('UPDATE lane_lease SET owner = $2, expires_at = now() + $3::interval WHERE shard = $1', [
          ...[shard, owner, age],
        ]);
      await lease(1, 'fw-lanes:killed', '1 hour');
      await lease(2, 'fw-lanes:alive', '-1 hour');
      expect(await workers(store)).toMatchObject({ state: 'warning' });
      await lease(3, 'fw-lanes:alive', '1 hour');
      await lease(4, 'fw-lanes:alive', '1 hour');
      expect(await workers(store)).toMatchObject({ state: 'ok', finding: '1 at work' });
    } finally {
      await session.end();
      await store.close();
      await database.drop();
    }
  });
});
