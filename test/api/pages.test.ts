/**
 * Who may open which page, and send which form: the same table for addresses that are no API's as `expectations.ts` is for
 * those of the API. Written by hand; an address without a row fails the build.
 */
import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { createAccess } from '../../src/accounts/access/access.js';
import type { Person } from '../../src/accounts/access/actor.js';
import { createCheckRunLinks } from '../../src/accounts/check-run-links.js';
import { createPageLinks } from '../../src/accounts/page-links.js';
import { createSignIn } from '../../src/accounts/sign-in/sign-in.js';
import { createVault } from '../../src/accounts/vault.js';
import { trustedProxies } from '../../src/api/client-address.js';
import { createHttpApi, type HttpApi } from '../../src/api/http-api.js';
import { forges } from '../../src/forges/registry.js';
import { createPreviewLogs } from '../../src/jobs/preview/logs.js';
import { createMetrics } from '../../src/lib/metrics.js';
import { createIngress, type Ingress } from '../../src/webhook/ingress.js';
import { exactPaths } from '../../src/webhook/paths.js';
import { createTestDatabase, TEST_KEYS, TEST_MASTER_KEY, type TestDatabase } from '../support/database.js';

/**
 * Somebody without a session; a person with one; one who is suspended; an administrator of the installation; and that
 * administrator's browser, on a page of another site that sends the request.
 */
const callers = ['nobody', 'person', 'suspended', 'administrator', 'other site'] as const;
type Caller = (typeof callers)[number];

const SIGN_IN = '>/sign-in';
const row = (text: string): string[] => text.trim().split(/\s+/);
const everybody = row('   200 200 200 200 200');
const notHere = row('     404 404 404 404 404');
/** A form of ours: another site's page is refused before it is read. */
const form = (text: string): string[] => [...row(text), '403'];

interface Page {
  expected: string[];
  /** Below, in place of parameters. */
  path?: string;
  body?: Record<string, string>;
  json?: boolean;
  /** In place of all that follows from the caller. */
  headers?: Record<string, string>;
}
const page = (expected: string[], more: Omit<Page, 'expected'> = {}): Page => ({ expected, ...more });

const challenge = 'c'.repeat(43);
const app = { challenge, state: 's'.repeat(22) };
const appQuery = `?challenge=${challenge}&state=${app.state}`;
const terraform = {
  client_id: 'terraform-cli',
  response_type: 'code',
  redirect_uri: 'http://localhost:10001/login',
  code_challenge: challenge,
  code_challenge_method: 'S256',
  state: 's'.repeat(22),
};
const MISSING = '00000000-0000-4000-8000-000000000000';
const CRON = 'cron-secret-of-the-pages-test';

const pages: Readonly<Record<string, Page>> = {
  'GET /': page(everybody),
  'GET /healthz': page(everybody),
  'GET /readyz': page(everybody),
  'GET /metrics': page(everybody),
  'GET /sign-in': page(row(`200 >/ >/ >/ >/`)),
  // No client is registered, so nobody can be sent anywhere; and without the Origin of a page of ours it is no form of ours.
  'POST /sign-in': page(form(`${SIGN_IN} ${SIGN_IN} ${SIGN_IN} ${SIGN_IN}`), { body: { provider: 'none' } }),
  'POST /api/auth/sign-in/social': page(form('404 404 404 404'), { body: { provider: 'none' }, json: true }),
  'GET /api/auth/callback/:provider': page(row(Array(5).fill(SIGN_IN).join(' ')), { path: '/api/auth/callback/none' }),
  'GET /api/auth/session': page(everybody),
  'POST /sign-out': page(form('>/ >/ >/ >/')),
  'POST /api/auth/sign-out': page(form('>/ >/ >/ >/')),
  'POST /sign-out-everywhere': page(form('>/ >/ >/ >/')),
  'POST /api/auth/sign-out-everywhere': page(form('>/ >/ >/ >/')),
  'GET /setup': page(row(`${SIGN_IN} 403 403 200 200`)),
  'POST /setup/clients': page(form(`${SIGN_IN} 403 403 422`), { body: { forge: 'none' } }),
  'POST /setup/clients/remove': page(form(`${SIGN_IN} 403 403 >/setup`), { body: { provider: 'none' } }),
  'POST /setup/policy': page(form(`${SIGN_IN} 403 403 >/setup`), { body: { policy: 'closed' } }),
  'GET /setup/apps': page(row(`${SIGN_IN} 403 403 200 200`)),
  'POST /setup/apps': page(form(`${SIGN_IN} 403 403 422`), { body: { forge: 'none', name: 'x' } }),
  'GET /setup/apps/callback': page(row(`${SIGN_IN} 403 403 400 400`)),
  'POST /setup/apps/admit': page(form(`${SIGN_IN} 403 403 >/setup/apps`), { body: { id: MISSING } }),
  'POST /setup/apps/remove': page(form(`${SIGN_IN} 403 403 >/setup/apps`), { body: { id: MISSING } }),
  'GET /account': page(row(`${SIGN_IN} 200 ${SIGN_IN} 200 200`)),
  // Neither belongs to that organization: it is not even said that there is one.
  'POST /account/connect': page(form(`${SIGN_IN} 404 ${SIGN_IN} 404`), {
    body: { provider: 'none', organization: MISSING },
  }),
  'POST /account/remove': page(form(`${SIGN_IN} 404 ${SIGN_IN} 404`), { body: { id: MISSING, organization: MISSING } }),
  'POST /api/auth/device/code': page(form('200 200 200 200'), { body: { client_name: 'x' }, json: true }),
  'POST /api/auth/device/token': page(form('400 400 400 400'), {
    body: { grant_type: 'urn:ietf:params:oauth:grant-type:device_code', device_code: 'x'.repeat(43) },
    json: true,
  }),
  'GET /device': page(row(`${SIGN_IN} 200 ${SIGN_IN} 200 200`)),
  'POST /device': page(form(`${SIGN_IN} 200 ${SIGN_IN} 200`), { body: { user_code: 'BBBB-BBBB', answer: 'deny' } }),
  'GET /device/app': page(row(`${SIGN_IN} 200 ${SIGN_IN} 200 200`), { path: `/device/app${appQuery}` }),
  'POST /device/app': page(form(`${SIGN_IN} >/ ${SIGN_IN} >/`), { body: app }),
  'GET /.well-known/terraform.json': page(everybody),
  'GET /oauth/authorization': page(row(`${SIGN_IN} 200 ${SIGN_IN} 200 200`), {
    path: `/oauth/authorization?${new URLSearchParams(terraform)}`,
  }),
  // A code goes to the command line on the person's own machine, and to nobody who is not signed in.
  'POST /oauth/authorization': page(form('400 >/login 400 >/login'), { body: { ...terraform, answer: 'deny' } }),
  'POST /oauth/token': page(form('400 400 400 400'), {
    body: {
      grant_type: 'authorization_code',
      client_id: 'terraform-cli',
      code: 'x',
      code_verifier: 'v'.repeat(43),
      redirect_uri: terraform.redirect_uri,
    },
  }),
  // The person and the administrator belong to no organization.
  'GET /app/:organization/workspaces': page(row(`${SIGN_IN} 404 ${SIGN_IN} 404 404`), { path: '/app/acme/workspaces' }),
  'GET /app/:organization/workspaces/:workspace': page(row(`${SIGN_IN} 404 ${SIGN_IN} 404 404`), {
    path: '/app/acme/workspaces/infra',
  }),
  'GET /app/:organization/:workspace/runs/:id': page(row(`${SIGN_IN} 404 ${SIGN_IN} 404 404`), {
    path: `/app/acme/infra/runs/run-${MISSING}`,
  }),
  // Who has the link may see it: it is signed, and on the forge's own page.
  'GET /checks/:name': page(notHere, { path: '/checks/none' }),
  'POST /checks/:name': page(form('404 404 404 404'), {
    path: '/checks/none',
    body: { press: MISSING, rerequest: 'yes' },
  }),
  'GET /runs/:name': page(notHere, { path: '/runs/none' }),
  'GET /preview-logs/:name': page(notHere, { path: '/preview-logs/none' }),
  'GET /api/cron/git-sync': page(row('401 401 401 401 401')),
  'POST /api/cron/git-sync': page(form('401 401 401 401')),
};
/** Every address of a webhook: whoever signs nothing is nobody, with whatever cookie. */
const webhook = row('401 401 401 401 401');

let db: TestDatabase;
let api: HttpApi;
let ingress: Ingress;
let server: Server;
let url = '';
const time = { ms: Date.now() };
const links = createCheckRunLinks(TEST_MASTER_KEY);
const log = pino({ level: 'silent' });
const access: { close?(): Promise<void> } = {};

beforeAll(async () => {
  db = await createTestDatabase();
  const store = db.store('api');
  const publicUrl = () => url;
  const vault = createVault(TEST_KEYS.versions);
  const place = { store, organizationId: db.organizationId, log };
  const outbound = { check: () => undefined };
  const decides = createAccess(place);
  access.close = () => decides.close();
  const nothing = async (): Promise<never> => {
    throw new Error('no organization is connected here');
  };
  const person = (name: string): Person => ({
    ...{ kind: 'user', userId: name, name, memberships: new Map() },
    ...{ platformAdmin: name === 'administrator', suspended: name === 'suspended' },
  });
  for (const name of ['person', 'suspended', 'administrator'])
    await db.store('migrate').pool.query('INSERT INTO "user" (id, name) VALUES ($1, $1)', [name]);
  const signIn = createSignIn({
    ...{ ...place, vault, masterKey: TEST_MASTER_KEY, publicUrl },
    isServed: async () => false,
    needsMembership: async () => false,
    connectForOrganization: nothing,
    clock: { now: () => new Date(time.ms) },
    fetch: async () => new Response(null, { status: 500 }),
  });
  api = await createHttpApi({
    log,
    health: { checks: async () => [], metrics: async () => ({ contentType: 'text/plain', text: '' }) },
    home: async () => ({ version: '1', missing: [], webhookUrl: '', previews: false, holds: undefined }),
    checkRuns: { store, links, requests: nothing },
    runPages: { store, links: createPageLinks(TEST_MASTER_KEY, 'run') },
    previewLogs: {
      ...{ store, links: createPageLinks(TEST_MASTER_KEY, 'preview') },
      read: async () => createPreviewLogs({ dataDir: '/nowhere' }),
    },
    cron: { secret: CRON, askForCycle: async () => 3 },
    forgeApps: {
      ...{ ...place, vault },
      admit: async ({ host }) => ({ kind: 'gone', host }),
      asks: () => ({ permissions: {}, events: [] }),
      outbound: { ...outbound, fetch: async () => new Response(null, { status: 500 }) },
    },
    auth: {
      ...{
        signIn,
        publicUrl,
        trustedProxies: trustedProxies([]),
        store,
        pool: store.pool,
        vault,
        outbound,
        access: decides,
        freshMemberships: nothing,
        disconnect: nothing,
      },
      async sessionActor({ cookie }) {
        const who = /who=(\w+)/.exec(cookie ?? '')?.[1];
        return who === undefined ? undefined : person(who);
      },
    },
  });
  const options = { pool: db.store('ingress').pool, forges, log, metrics: createMetrics() };
  ingress = createIngress({ ...options, secretsOf: async () => ['a secret'] });
  server = createServer((request, response) => {
    if (!ingress.handle(request, response)) api.handle(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await ingress.close();
  await api.close();
  await access.close?.();
  await db.drop();
});

function headersOf(caller: Caller): Record<string, string> {
  const who = caller === 'other site' ? 'administrator' : caller;
  return {
    origin: caller === 'other site' ? 'https://evil.example' : url,
    ...(who !== 'nobody' && { cookie: `who=${who}` }),
  };
}

async function send(
  method: string,
  path: string,
  o: Partial<Page>,
  headers: Record<string, string>,
): Promise<Response> {
  const body = o.json ? JSON.stringify(o.body ?? {}) : new URLSearchParams(o.body ?? {}).toString();
  const type = o.json ? 'application/json' : 'application/x-www-form-urlencoded';
  return fetch(`${url}${path}`, {
    method,
    redirect: 'manual',
    headers: { ...headers, ...(method !== 'GET' && { 'content-type': type }), ...o.headers },
    ...(method !== 'GET' && { body }),
  });
}

async function outcome(answer: Response): Promise<string> {
  await answer.arrayBuffer();
  const location = answer.headers.get('location');
  if (location === null) return String(answer.status);
  const { pathname, protocol } = new URL(location, url);
  return `>${protocol === 'http:' ? pathname : '/'}`;
}

describe('every page and every other address', () => {
  it('has a row here', () => {
    expect([...new Set(api.routes)].sort()).toEqual(Object.keys(pages).sort());
    for (const { expected } of Object.values(pages)) expect(expected).toHaveLength(callers.length);
  });

  it.each(Object.keys(pages))('%s', async (route) => {
    const [method = '', path = ''] = route.split(' ');
    const o = pages[route] ?? page([]);
    const found: string[] = [];
    // Nobody has tried anything in the last minute.
    time.ms += 61_000;
    for (const caller of callers) found.push(await outcome(await send(method, o.path ?? path, o, headersOf(caller))));
    expect(found).toEqual(o.expected);
  });

  it('is refused to a browser that has a session and does not say where it comes from', async () => {
    for (const route of Object.keys(pages).filter((one) => one.startsWith('POST '))) {
      const [method = '', path = ''] = route.split(' ');
      const answer = await send(method, path, pages[route] ?? {}, { cookie: 'who=administrator' });
      expect([route, answer.status]).toEqual([route, 403]);
    }
  });

  it('is cron’s with its secret', async () => {
    const headers = { authorization: `Bearer ${CRON}` };
    expect((await send('POST', '/api/cron/git-sync', {}, headers)).status).toBe(202);
  });

  it('that is a webhook’s knows nobody by a cookie, and says the same of a hook that is not there', async () => {
    const paths = [
      ...exactPaths(forges).keys(),
      ...[...forges.keys()].map((id) => `/api/webhooks/${id}/${randomUUID()}`),
    ];
    expect(paths.length).toBeGreaterThan(forges.size * 3 - 1);
    const bodies = new Set<string>();
    for (const path of paths) {
      const answers = await Promise.all(
        callers.map((caller) => send('POST', path, { json: true, body: { a: 'b' } }, headersOf(caller))),
      );
      expect([path, answers.map(({ status }) => String(status))]).toEqual([path, webhook]);
      for (const answer of answers) bodies.add(await answer.text());
    }
    expect(bodies.size).toBe(1);
  });
});

describe('what is not there', () => {
  const told = async (path: string) => {
    const answer = await send('GET', path, {}, headersOf('person'));
    const headers = Object.fromEntries([...answer.headers].filter(([name]) => name !== 'date'));
    return [answer.status, headers, (await answer.text()).replace(/"requestId":"[^"]*"/, '')];
  };

  it('is answered like a check of somebody who is not there, to the byte', async () => {
    const forged = await told('/checks/none');
    const never = links.pathOf(randomUUID(), 999_999);
    expect(await told(never)).toEqual(forged);
    expect(forged[0]).toBe(404);
    expect(await told('/nothing-here')).toEqual(await told('/nothing-there'));
  });
});
