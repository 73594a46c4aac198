/**
 * As much of a GitHub Enterprise Server as registers an App from a manifest and serves it: the pages that a browser passes, codes
 * that work once, tokens for whoever signs with the App's key, and its OAuth client. It says no where GitHub does.
 */
import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { importSPKI, jwtVerify } from 'jose';

export interface DoubleApp {
  id: number;
  slug: string;
  name: string;
  pem: string;
  webhookSecret: string;
  clientId: string;
  clientSecret: string;
  owner: { id: number; login: string };
  /** As it was posted. */
  manifest: Record<string, unknown> & { hook_attributes: { url: string }; redirect_url: string };
}

export interface DoubleInstallation {
  id: number;
  account: { id: number; login: string; type: string };
  repositories: readonly Record<string, unknown>[];
}

export interface AppForge {
  url: string;
  host: string;
  apps: DoubleApp[];
  installations: Map<number, DoubleInstallation>;
  /** Method, path and answer of every request to the API. */
  asked: string[];
  /** Answers the next conversions, one each, instead of doing what they ask. */
  convertNext: ({ status: number; body: unknown } | 'no answer')[];
  /** Its API answers nothing but 503. */
  failing: boolean;
  /** An App that was there before. */
  addApp(app: Pick<DoubleApp, 'id' | 'owner'>): DoubleApp;
  /** Who sits before the browser and signs in. */
  person: { id: number; login: string };
  close(): Promise<void>;
}

const OWNER = { id: 900, login: 'acme' };
const PERSON = { id: 7, login: 'mona' };

const html = (response: ServerResponse, status: number, body: string) =>
  response
    .writeHead(status, { 'content-type': 'text/html; charset=utf-8' })
    .end(`<!doctype html><title>GitHub</title><main>${body}</main>`);
const json = (response: ServerResponse, status: number, body: unknown) =>
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
const escaped = (text: string) => text.replace(/[&<>"']/g, (one) => `&#${one.charCodeAt(0)};`);

async function formOf(request: IncomingMessage): Promise<URLSearchParams> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
}

/** Making one takes half a second: those of an App and of the next differ. */
const newKey = () =>
  generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();

export async function startAppForge(): Promise<AppForge> {
  const codes = new Map<string, DoubleApp>();
  const drafts = new Map<
    string,
    { manifest: DoubleApp['manifest']; state: string; organization: string | undefined }
  >();
  const logins = new Map<string, AppForge['person']>();
  const tokens = new Map<string, number>();
  const keys = [newKey(), newKey()];
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  const forge: AppForge = {
    url,
    host: `127.0.0.1:${port}`,
    apps: [],
    installations: new Map(),
    asked: [],
    convertNext: [],
    failing: false,
    addApp({ id, owner }) {
      const manifest = { hook_attributes: { url: '' }, redirect_url: '' };
      const app = { ...newApp(`app-${id}`, owner, manifest), id };
      forge.apps.push(app);
      return app;
    },
    person: PERSON,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<unknown> {
    const { pathname, searchParams } = new URL(request.url ?? '/', url);
    if (pathname.startsWith('/api/v3/')) {
      response.on('finish', () =>
        forge.asked.push(`${request.method} ${pathname.slice('/api/v3'.length)} ${response.statusCode}`),
      );
      return api(request, response, pathname.slice('/api/v3'.length));
    }
    const [, organization] = /^(?:\/organizations\/([^/]+))?\/settings\/apps\/new$/.exec(pathname) ?? [];
    if (pathname.endsWith('/settings/apps/new') && request.method === 'POST')
      return draft(await formOf(request), searchParams.get('state') ?? '', organization, response);
    if (pathname === '/settings/apps/create' && request.method === 'POST')
      return create(await formOf(request), response);
    if (/^\/apps\/[^/]+\/installations\/new$/.test(pathname)) return html(response, 200, '<h1>Install</h1>');
    if (pathname === '/login/oauth/authorize') return authorize(searchParams, response);
    if (pathname === '/login/oauth/access_token') return token(await formOf(request), response);
    return html(response, 404, '<h1>404</h1>');
  }

  function draft(form: URLSearchParams, state: string, organization: string | undefined, response: ServerResponse) {
    const manifest = JSON.parse(form.get('manifest') ?? 'null') as DoubleApp['manifest'] | null;
    if (!manifest?.hook_attributes?.url || !manifest.redirect_url) return html(response, 422, '<h1>Bad manifest</h1>');
    const id = randomBytes(8).toString('hex');
    drafts.set(id, { manifest, state, organization });
    return html(
      response,
      200,
      `<h1>Create GitHub App</h1><form method="post" action="/settings/apps/create"><input type="hidden" name="draft" value="${id}">
<button>Create GitHub App for ${escaped(organization ?? OWNER.login)}</button></form>`,
    );
  }

  const newApp = (name: string, owner: DoubleApp['owner'], manifest: DoubleApp['manifest']): DoubleApp => ({
    id: 4_000 + forge.apps.length,
    slug: name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-'),
    name,
    pem: keys[forge.apps.length % keys.length] ?? '',
    webhookSecret: randomBytes(20).toString('hex'),
    clientId: `Iv1.${randomBytes(8).toString('hex')}`,
    clientSecret: randomBytes(20).toString('hex'),
    owner,
    manifest,
  });

  function create(form: URLSearchParams, response: ServerResponse) {
    const found = drafts.get(form.get('draft') ?? '');
    if (found === undefined) return html(response, 404, '<h1>404</h1>');
    const owner = found.organization === undefined ? OWNER : { id: 901, login: found.organization };
    const app = newApp(String(found.manifest.name), owner, found.manifest);
    forge.apps.push(app);
    const code = randomBytes(20).toString('hex');
    codes.set(code, app);
    const back = new URL(found.manifest.redirect_url);
    back.searchParams.set('code', code);
    back.searchParams.set('state', found.state);
    return response.writeHead(302, { location: back.href }).end();
  }

  async function appOf(request: IncomingMessage): Promise<DoubleApp | undefined> {
    const signature = (request.headers.authorization ?? '').replace(/^Bearer /, '');
    for (const app of forge.apps) {
      const spki = createPublicKey(app.pem).export({ type: 'spki', format: 'pem' }).toString();
      const key = await importSPKI(spki, 'RS256');
      if (await jwtVerify(signature, key, { issuer: String(app.id) }).catch(() => undefined)) return app;
    }
    return undefined;
  }

  async function api(request: IncomingMessage, response: ServerResponse, path: string): Promise<unknown> {
    if (forge.failing) return json(response, 503, { message: 'Unavailable' });
    const [, code] = /^\/app-manifests\/([^/]+)\/conversions$/.exec(path) ?? [];
    if (code !== undefined) return convert(code, response);
    const bearer = (request.headers.authorization ?? '').replace(/^(?:Bearer|token) /, '');
    const login = logins.get(bearer);
    if (login !== undefined) {
      if (path === '/user') return json(response, 200, { ...login, name: login.login, avatar_url: '' });
      return json(response, path === '/user/emails' ? 403 : 200, []);
    }
    const installed = forge.installations.get(tokens.get(bearer) ?? 0);
    if (path === '/installation/repositories' && installed !== undefined)
      return json(response, 200, { total_count: installed.repositories.length, repositories: installed.repositories });
    if (!path.startsWith('/app')) return json(response, 404, { message: 'Not Found' });
    const app = await appOf(request);
    if (app === undefined) return json(response, 401, { message: 'A JSON web token could not be decoded' });
    if (path === '/app')
      return json(response, 200, { id: app.id, slug: app.slug, html_url: `${url}/apps/${app.slug}` });
    const [, number, rest] = /^\/app\/installations\/(\d+)(\/access_tokens)?$/.exec(path) ?? [];
    const installation = forge.installations.get(Number(number));
    if (installation === undefined) return json(response, 404, { message: 'Not Found' });
    if (rest === undefined)
      return json(response, 200, {
        id: installation.id,
        app_id: app.id,
        account: installation.account,
        permissions: {},
      });
    const secret = `ghs_${randomBytes(18).toString('hex')}`;
    tokens.set(secret, installation.id);
    return json(response, 201, { token: secret, expires_at: new Date(Date.now() + 3_600_000).toISOString() });
  }

  function convert(code: string, response: ServerResponse) {
    const instead = forge.convertNext.shift();
    if (instead === 'no answer') return response.destroy();
    if (instead !== undefined) return json(response, instead.status, instead.body);
    const app = codes.get(code);
    codes.delete(code);
    if (app === undefined) return json(response, 404, { message: 'Not Found' });
    return json(response, 201, {
      id: app.id,
      slug: app.slug,
      name: app.name,
      html_url: `${url}/apps/${app.slug}`,
      owner: { ...app.owner, type: 'Organization' },
      client_id: app.clientId,
      client_secret: app.clientSecret,
      webhook_secret: app.webhookSecret,
      pem: app.pem,
    });
  }

  function authorize(query: URLSearchParams, response: ServerResponse) {
    const app = forge.apps.find(({ clientId }) => clientId === query.get('client_id'));
    const redirect = query.get('redirect_uri') ?? '';
    if (app === undefined || !(app.manifest.callback_urls as string[]).includes(redirect))
      return html(response, 400, '<h1>The redirect URI is not valid.</h1>');
    const code = randomBytes(16).toString('hex');
    logins.set(code, forge.person);
    const back = new URL(redirect);
    back.searchParams.set('state', query.get('state') ?? '');
    back.searchParams.set('code', code);
    return response.writeHead(302, { location: back.href }).end();
  }

  function token(form: URLSearchParams, response: ServerResponse) {
    const app = forge.apps.find(({ clientId }) => clientId === form.get('client_id'));
    const who = logins.get(form.get('code') ?? '');
    if (app?.clientSecret !== form.get('client_secret') || who === undefined)
      return json(response, 200, { error: 'incorrect_client_credentials' });
    const secret = `ghu_${randomBytes(18).toString('hex')}`;
    logins.set(secret, who);
    return json(response, 200, { access_token: secret, token_type: 'bearer' });
  }

  return forge;
}
