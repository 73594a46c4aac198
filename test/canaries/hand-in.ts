/**
 * Secrets that people and an organization hand in for their work: by signing in with a forge, for the Terraform command line,
 * to workspaces, to agents, and to previews and their clusters.
 */
import { createHash, randomBytes } from 'node:crypto';
import { request as forward } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { makeLoopbackCertificate } from '../../src/entry/loopback-certificate.js';
import { Browser } from '../support/browser.js';
import { startKubernetesApi } from '../support/kubernetes-api/server.js';
import { startOAuthForge } from '../support/oauth-forge.js';
import { type Canary, canary, working } from './forms.js';
import { bearer } from './knocking.js';
import { asOwner } from './sinks.js';
import type { World } from './world.js';

export interface HandInOptions {
  seed: string;
  /** Those of sixty that are planted there. */
  some(channel: string): readonly Canary[];
}

/** Whom it is given to is told; nobody else. */
const SESSION = 'session of a browser';
const CODE = 'code of a sign-in';
const TERRAFORM = 'token of terraform login';
const LINK = 'signed link';
const STATE = 'state of a workspace';
const FORGE = 'OAuth tokens';

/** A browser of the run: what it is answered is searched as every answer is. */
function browserIn(world: World): Browser {
  return new Browser(async (url, init) => {
    const answer = await fetch(url, init);
    if (!url.startsWith(world.url)) return answer;
    const copy = answer.clone();
    const { pathname } = new URL(url);
    const all = `${copy.status} ${JSON.stringify([...copy.headers])}\n${await copy.text()}`;
    // A cookie is given to the browser that it is for, and a code leads on to where it is worth something.
    const lawful = pathname === '/oauth/authorization' ? CODE : SESSION;
    world.heard.push({
      sink: 'answers of the API',
      what: `${init.method ?? 'GET'} ${pathname}`,
      bytes: Buffer.from(all),
      lawful,
    });
    return answer;
  });
}

async function done(what: string, running: ReturnType<World['run']>): Promise<string> {
  const { code, stdout, stderr } = await running;
  if (code !== 0) throw new Error(`${what}: ${stderr}`);
  return stdout;
}

/** The first administrator, with the link that makes one; then `terraform login`, an account of theirs and one for everybody. */
async function signIn(world: World, seed: string): Promise<() => Promise<void>> {
  const forge = await startOAuthForge('gitea', { id: 7, login: 'ada' });
  const known: Record<string, unknown> = { '/version': { version: '1.22.0' }, '/user/repos': [] };
  forge.answers = (path) => known[path];
  const gives = (what: string, shape: 'gho' | 'gitea') => world.plant(canary(seed, `${FORGE}: ${what}`, shape));
  forge.gives = {
    refresh: gives('refresh token', 'gitea'),
    renewed: gives('renewed token', 'gho'),
    renewedRefresh: gives('refresh token after it', 'gitea'),
  };
  forge.clientSecret = world.plant(canary(seed, 'OAuth client to sign in with', 'gho'));
  const client = ['--forge', 'gitea', '--url', forge.url];
  const secret = await world.secretFile(forge.clientSecret);
  const added = [
    'sign-in',
    'clients',
    'add',
    ...client,
    '--client-id',
    forge.clientId,
    '--secret-file',
    secret,
    '--json',
  ];
  const said = await done('a client', world.run(added));
  const provider = /"provider":\s*"([^"]+)"/.exec(said)?.[1] ?? '';
  forge.callbacks.add(`${world.url}/api/auth/callback/${provider}`);
  const link = await done('a setup link', world.run(['admin', 'link', '--json'], { lawful: 'setup code' }));
  const setup = /\/setup\?code=([\w-]+)/.exec(link)?.[1] ?? '';
  world.plant(working('setup code', setup));

  const browser = browserIn(world);
  // The code leaves the address and becomes a cookie.
  await browser.get(`${world.url}/setup?code=${setup}`).then((answer) => answer.text());
  const begun = await browser.post(`${world.url}/sign-in`, { provider, return_to: '/' });
  await browser.follow(begun, world.url);
  const cookies = () => [...browser.jar(world.url).values()].map((value) => decodeURIComponent(value));
  const session = cookies().find((value) => value.length > 40);
  if (session === undefined) throw new Error('nobody could sign in');
  world.plant(working(SESSION, session));

  const organization =
    /"id":\s*"([^"]+)"/.exec((await world.ask('GET', '/api/v1/organizations', { headers: bearer(world) })).text)?.[1] ??
    '';
  for (const owner of ['me', 'organization']) {
    const there = await browser.post(`${world.url}/account/connect`, { provider, organization, owner });
    const { response } = await browser.follow(await browser.get(there.headers.get('location') ?? ''), world.url);
    if (response.status !== 200) throw new Error(`an account could not be connected: ${await response.text()}`);
  }
  for (const token of forge.bearers) world.plant(working(`${FORGE}: access token`, token));
  for (const code of forge.granted) world.plant(working(CODE, code));
  for (const asked of forge.authorizeRequests) world.plant(working(SESSION, asked.get('state') ?? ''));
  for (const asked of forge.tokenRequests) world.plant(working(CODE, asked.get('code_verifier') ?? ''));

  const verifier = randomBytes(48).toString('base64url');
  const login = {
    ...{
      client_id: 'terraform-cli',
      response_type: 'code',
      redirect_uri: 'http://localhost:10005/login',
      state: 'its-state',
    },
    ...{ code_challenge: createHash('sha256').update(verifier).digest('base64url'), code_challenge_method: 'S256' },
  };
  const allowed = await browser.post(`${world.url}/oauth/authorization`, { ...login, answer: 'allow' });
  const code = new URL(allowed.headers.get('location') ?? '').searchParams.get('code') ?? '';
  for (const one of [code, verifier]) world.plant(working(CODE, one));
  const exchange = { grant_type: 'authorization_code', client_id: 'terraform-cli', redirect_uri: login.redirect_uri };
  const answer = await world.ask('POST', '/oauth/token', {
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ ...exchange, code, code_verifier: verifier }).toString(),
    lawful: TERRAFORM,
  });
  const token = (JSON.parse(answer.text) as { access_token: string }).access_token;
  world.plant(working(TERRAFORM, token));
  await world.ask('GET', '/api/v2/account/details', { headers: { authorization: `Bearer ${token}` } });

  return async () => {
    // It is renewed once, and then not any more; the forge is told of in both.
    forge.refreshTokens.add(forge.gives.refresh);
    const headers = bearer(world);
    const { text } = await world.ask('GET', '/api/v1/connections?kind=oauth', { headers });
    const id = /"id":\s*"([^"]+)"/.exec(text)?.[1] ?? '';
    const ways = [
      () => world.ask('POST', `/api/v1/connections/${id}/test`, { headers, body: {} }),
      () => world.run(['connections', 'test', id]),
    ];
    for (const ask of ways) {
      await asOwner(world.databaseDir, (client) =>
        client.query(
          `UPDATE connection SET access_token_expires_at = now() - interval '1 second',
             token_granted_at = now() - interval '1 hour' WHERE kind = 'oauth'`,
        ),
      );
      await ask();
    }
    if (!forge.bearers.includes(forge.gives.renewed)) throw new Error('no token was renewed');
    await browser.get(`${world.url}/account`).then((page) => page.text());
    await browser.post(`${world.url}/sign-out-everywhere`, {}).then((page) => page.text());
    for (const one of forge.bearers) world.plant(working(`${FORGE}: access token`, one));
    await forge.close();
  };
}

/** Every signature in an answer; the rest of such an address is no secret. */
function plantLinks(world: World, text: string): void {
  for (const [, signature = ''] of text.matchAll(/\/objects\/[\w-]+\/[\w.-]+\.([0-9a-f]{64})/g))
    if (!world.planted.some(({ text: known }) => known === signature)) world.plant(working(LINK, signature));
}

/** Variables that are sensitive, a state, an archive by a signed address, and everything that is told of them. */
async function fillWorkspace(world: World, { some }: HandInOptions): Promise<() => Promise<void>> {
  const headers = bearer(world);
  const ask = async (method: string, path: string, type?: string, attributes: object = {}) => {
    const body = type === undefined ? {} : { body: { data: { type, attributes } } };
    const { text, status } = await world.ask(method, path, { headers, ...body, lawful: LINK });
    plantLinks(world, text);
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${text}`);
    return text === ''
      ? undefined
      : (JSON.parse(text) as { data: { id: string; attributes: Record<string, string> } }).data;
  };
  const pathOf = (url: string | undefined) => new URL(url ?? '').pathname;
  const made = await ask('POST', '/api/v2/organizations/default/workspaces', 'workspaces', { name: 'canaries' });
  const at = `/api/v2/workspaces/${made?.id}`;
  for (const [index, { text: value }] of some('variable of a workspace').entries()) {
    const variable = {
      key: `CANARY_${index}`,
      category: index % 2 === 0 ? 'env' : 'terraform',
      value,
      sensitive: true,
    };
    await ask('POST', `${at}/vars`, 'vars', variable);
  }
  await ask('POST', `${at}/actions/lock`);
  const outputs = Object.fromEntries(
    some(STATE).map(({ text: value }, index) => [`out_${index}`, { type: 'string', value, sensitive: true }]),
  );
  const state = JSON.stringify({
    version: 4,
    terraform_version: '1.9.0',
    serial: 1,
    lineage: 'l',
    outputs,
    resources: [],
  });
  const md5 = createHash('md5').update(state).digest('hex');
  const version = await ask('POST', `${at}/state-versions`, 'state-versions', { serial: 1, md5, lineage: 'l' });
  await world.ask('PUT', pathOf(version?.attributes['hosted-state-upload-url']), {
    headers: { 'content-type': 'application/octet-stream' },
    body: state,
  });
  await ask('POST', `${at}/actions/unlock`);
  const archive = await ask('POST', `${at}/configuration-versions`, 'configuration-versions', {
    'auto-queue-runs': false,
  });
  // No archive, and repeated by nobody.
  await world.ask('PUT', pathOf(archive?.attributes['upload-url']), {
    headers: { 'content-type': 'application/octet-stream' },
    body: some('refused archive')
      .map(({ text }) => text)
      .join('\n'),
  });
  return async () => {
    const current = await ask('GET', `${at}/current-state-version`);
    for (const path of [
      at,
      `${at}/vars`,
      `${at}/state-versions`,
      `${at}/configuration-versions`,
      `${at}/runs`,
      `${at}/current-state-version-outputs`,
    ])
      await world.ask('GET', path, { headers, lawful: LINK }).then(({ text }) => plantLinks(world, text));
    const download = pathOf(current?.attributes['hosted-state-download-url']);
    await world.ask('GET', download, { lawful: STATE });
    await world.ask('GET', `${download}0`, {});
    await world.ask('DELETE', at, { headers });
  };
}

/** A cluster that answers by TLS, and repeats the credential that it was sent when it is told to. */
async function startCluster() {
  const api = await startKubernetesApi();
  const { key, certificate } = makeLoopbackCertificate(new Date());
  const mood = { repeats: false };
  const server = createTlsServer({ key, cert: certificate }, (asked, answer) => {
    if (mood.repeats) {
      answer.writeHead(401, { 'content-type': 'application/json' });
      answer.end(
        JSON.stringify({ kind: 'Status', status: 'Failure', message: `no: ${asked.headers.authorization}`, code: 401 }),
      );
      return;
    }
    const { host: _, ...headers } = asked.headers;
    const passed = forward(new URL(asked.url ?? '/', api.url), { method: asked.method ?? 'GET', headers }, (got) => {
      answer.writeHead(got.statusCode ?? 502, got.headers);
      got.pipe(answer);
    });
    asked.pipe(passed);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const kubeconfig = (token: string) =>
    JSON.stringify({
      'current-context': 'c',
      clusters: [
        {
          name: 'c',
          cluster: { server: url, 'certificate-authority-data': Buffer.from(certificate).toString('base64') },
        },
      ],
      contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
      users: [{ name: 'u', user: { token } }],
    });
  const close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await api.close();
  };
  return { mood, kubeconfig, close };
}

async function equipPreviews(world: World, { seed, some }: HandInOptions): Promise<() => Promise<void>> {
  const headers = bearer(world);
  for (const [index, { text: value }] of some('secret of previews').entries())
    await world.ask('PUT', '/api/v1/preview-secrets', { headers, body: { name: `CANARY_${index}`, value } });
  const cluster = await startCluster();
  const tokens = (['jwt', 'glpat'] as const).map((shape) =>
    world.plant(canary(seed, 'kubeconfig of a cluster', shape)),
  );
  const files = await Promise.all(tokens.map((token) => world.secretFile(cluster.kubeconfig(token))));
  await done('a cluster', world.run(['clusters', 'add', 'own', '--kubeconfig', files[0] ?? '']));
  cluster.mood.repeats = true;
  await world.run(['clusters', 'add', 'other', '--kubeconfig', files[1] ?? '']);
  return async () => {
    await world.run(['clusters', 'test', 'own', '--json']);
    await cluster.close();
  };
}

/** Keys of models, of which one names more than one line. */
async function equipAgents(world: World, { some }: HandInOptions): Promise<void> {
  const planted = some('key of an agent');
  const input = planted.map(({ text }) => text).join('\n');
  await done('a key', world.run(['agents', 'secrets', 'set', 'CANARY_API_KEY'], { input }));
  await world.run(['agents', 'secrets', 'set', 'not a name'], { input });
  await world.run(['agents', 'secrets', 'list', '--json']);
}

/** Hands all of it in. What is answered reads and ends it, when everything else has happened. */
export async function handIn(world: World, o: HandInOptions): Promise<() => Promise<void>> {
  // Each by itself; commands of ours take a second to start.
  const [endSignIn, endWorkspace, endPreviews] = await Promise.all([
    signIn(world, o.seed),
    fillWorkspace(world, o),
    equipPreviews(world, o),
    equipAgents(world, o),
  ]);
  return async () => {
    await Promise.all([endSignIn(), endWorkspace(), endPreviews()]);
  };
}
