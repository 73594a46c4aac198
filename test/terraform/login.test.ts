/** `terraform login`: an authorization code with a proof key, for one token of whoever allows it. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { BlockList } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fastify, { type FastifyInstance } from 'fastify';
import { callerOfToken, loadPerson } from '../../src/accounts/access/caller.js';
import { allowTerraform, isLoginAddress, redeemTerraform } from '../../src/accounts/sign-in/terraform-login.js';
import type { AuthRoutesOptions } from '../../src/api/auth.js';
import { addForms } from '../../src/api/auth.js';
import { addTerraformLogin } from '../../src/api/terraform-login-routes.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { realTerraform } from '../support/terraform.js';

const verifier = 'v'.repeat(50);
const challenge = createHash('sha256').update(verifier).digest('base64url');
const redirectUri = 'http://localhost:10005/login';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
  await db.store('migrate').pool.query(`INSERT INTO "user" (id, name) VALUES ('ada', 'Ada')`);
});
afterAll(() => db.drop());

const parts = () => ({ store: db.store('api'), pool: db.store('api').pool });
const allow = () => allowTerraform(parts().pool, 'ada', { redirectUri, challenge });

describe('terraform login', () => {
  it('gives a token of the person, once', async () => {
    const code = await allow();
    const made = await redeemTerraform(parts(), { code, verifier, redirectUri });
    const actor = await callerOfToken(parts().store, made?.token ?? '', (id) => loadPerson(parts().store, id));
    expect(actor).toMatchObject({ kind: 'user', userId: 'ada', token: { scopes: ['read', 'run', 'manage'] } });
    expect(await redeemTerraform(parts(), { code, verifier, redirectUri })).toBeUndefined();
  });

  it('gives none for another secret or another address, and the code is used up', async () => {
    for (const wrong of [{ verifier: 'w'.repeat(50) }, { redirectUri: 'http://localhost:10006/login' }]) {
      const code = await allow();
      expect(await redeemTerraform(parts(), { code, verifier, redirectUri, ...wrong })).toBeUndefined();
      expect(await redeemTerraform(parts(), { code, verifier, redirectUri })).toBeUndefined();
    }
  });

  it('gives none when it is late', async () => {
    const code = await allow();
    await parts().pool.query(
      `UPDATE sign_in_code SET expires_at = now() - interval '1 second' WHERE kind = 'terraform-login'`,
    );
    expect(await redeemTerraform(parts(), { code, verifier, redirectUri })).toBeUndefined();
  });

  it.each([
    ['http://localhost:10000/login', true],
    ['http://127.0.0.1:10010/login', true],
    ['http://localhost:9999/login', false],
    ['http://localhost:10011/login', false],
    ['https://evil.example:10000/login', false],
    ['http://localhost.evil.example:10000/login', false],
    ['http://localhost:10000@evil.example/login', false],
    ['http://localhost:10000/login?x=1', false],
    ['http://localhost:10000/other', false],
    ['javascript:alert(1)', false],
  ])('sends a code to %s: %s', (address, allowed) => {
    expect(isLoginAddress(address)).toBe(allowed);
  });
});

/** The routes alone, with somebody signed in whose browser is this test. */
async function serve(): Promise<{ app: FastifyInstance; url: string }> {
  const app = fastify();
  const here = { url: '' };
  addForms(app);
  const auth = {
    signIn: { mayTry: () => true },
    sessionActor: async () => ({
      ...{ kind: 'user', userId: 'ada', name: 'Ada', platformAdmin: false, suspended: false },
      memberships: new Map(),
    }),
    publicUrl: () => here.url,
    trustedProxies: new BlockList(),
  } as unknown as AuthRoutesOptions;
  addTerraformLogin(app, { ...auth, ...parts() });
  here.url = await app.listen({ host: '127.0.0.1', port: 0 });
  return { app, url: here.url };
}

const form = (body: Record<string, string>, origin: string) => ({
  method: 'POST',
  redirect: 'manual' as const,
  headers: { 'content-type': 'application/x-www-form-urlencoded', origin },
  body: new URLSearchParams(body).toString(),
});

describe('in a browser', () => {
  let app: FastifyInstance;
  let url: string;
  beforeAll(async () => {
    ({ app, url } = await serve());
  });
  afterAll(() => app.close());

  const query = (more: Record<string, string> = {}) => ({
    client_id: 'terraform-cli',
    response_type: 'code',
    redirect_uri: redirectUri,
    code_challenge: challenge,
    code_challenge_method: 'S256',
    state: 'a-state',
    ...more,
  });

  it('shows who is signed in, and sends the code to the command line once it is allowed', async () => {
    const page = await fetch(`${url}/oauth/authorization?${new URLSearchParams(query())}`);
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('<strong>Ada</strong>')]);
    const answer = await fetch(`${url}/oauth/authorization`, form(query({ answer: 'allow' }), url));
    const back = new URL(answer.headers.get('location') ?? '');
    expect([answer.status, back.origin + back.pathname, back.searchParams.get('state')]).toEqual([
      303,
      redirectUri,
      'a-state',
    ]);
    const exchange = {
      ...{ grant_type: 'authorization_code', client_id: 'terraform-cli', redirect_uri: redirectUri },
      ...{ code: back.searchParams.get('code') ?? '', code_verifier: verifier },
    };
    const token = await fetch(`${url}/oauth/token`, form(exchange, url));
    expect([token.status, await token.json()]).toEqual([
      200,
      { access_token: expect.stringMatching(/^fgw_/), token_type: 'bearer' },
    ]);
    expect((await fetch(`${url}/oauth/token`, form(exchange, url))).status).toBe(400);
  });

  it('says so when it is refused, and sends nobody anywhere else', async () => {
    const refused = await fetch(`${url}/oauth/authorization`, form(query({ answer: 'deny' }), url));
    expect(new URL(refused.headers.get('location') ?? '').searchParams.get('error')).toBe('access_denied');
    const elsewhere = query({ redirect_uri: 'https://evil.example/login', answer: 'allow' });
    expect((await fetch(`${url}/oauth/authorization`, form(elsewhere, url))).status).toBe(400);
    const forged = await fetch(`${url}/oauth/authorization`, form(query({ answer: 'allow' }), 'https://evil.example'));
    expect([forged.status, forged.headers.get('location')]).toEqual([403, null]);
  });
});

const binary = await realTerraform();
const { skip } = it;
const withTerraform = binary?.product === 'terraform' ? it : skip;
if (binary?.product !== 'terraform')
  process.stderr.write('terraform login is not tested with the command line: it is not on this machine\n');

withTerraform('the command line signs in, and keeps the token', async () => {
  const { app, url } = await serve();
  const folder = await mkdtemp(join(tmpdir(), 'forgeway-login-'));
  try {
    const discovery = (await (await fetch(`${url}/.well-known/terraform.json`)).json()) as {
      'login.v1': { client: string; grant_types: string[]; authz: string; token: string; ports: number[] };
    };
    const { client, grant_types, authz, token, ports } = discovery['login.v1'];
    const login = { client, grant_types, authz: `${url}${authz}`, token: `${url}${token}`, ports };
    await mkdir(join(folder, '.terraform.d'));
    const settings = join(folder, 'terraformrc');
    const fields = Object.entries(login).map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
    await writeFile(
      settings,
      `host "forgeway.test" {\n  services = {\n    "login.v1" = {\n${fields.join('\n')}\n}\n  }\n}\n`,
    );
    // Without a browser the command line prints the address.
    const child = spawn(binary?.path ?? '', ['login', 'forgeway.test'], {
      env: { PATH: '/nonexistent', HOME: folder, TF_CLI_CONFIG_FILE: settings, CHECKPOINT_DISABLE: '1' },
    });
    const out = { text: '' };
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
    const address = new Promise<string>((resolve, reject) => {
      child.on('close', () => reject(new Error(out.text)));
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk: Buffer) => {
          out.text += chunk.toString();
          const found = /http:\/\/127\.0\.0\.1:\d+\/oauth\/authorization\?\S+/.exec(out.text)?.[0];
          if (found !== undefined) resolve(found);
        });
    });
    child.stdin.write('yes\n');
    const asked = Object.fromEntries(new URL(await address).searchParams);
    const answer = await fetch(`${url}/oauth/authorization`, form({ ...asked, answer: 'allow' }, url));
    await fetch(answer.headers.get('location') ?? '');
    expect([await ended, out.text]).toEqual([0, expect.stringContaining('Success!')]);
    const kept = await readFile(join(folder, '.terraform.d/credentials.tfrc.json'), 'utf8');
    const given = (JSON.parse(kept) as { credentials: Record<string, { token: string }> }).credentials['forgeway.test'];
    const actor = await callerOfToken(parts().store, given?.token ?? '', (id) => loadPerson(parts().store, id));
    expect(actor).toMatchObject({ kind: 'user', userId: 'ada' });
  } finally {
    await app.close();
    await rm(folder, { recursive: true, force: true });
  }
});
