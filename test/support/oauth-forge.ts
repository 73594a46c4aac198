/** A forge's OAuth server on loopback, at the addresses of its descriptor: codes once, PKCE S256, exact callback addresses. */
import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { forgeById } from '../../src/forges/registry.js';

export interface OAuthPerson {
  id: number | string;
  login: string;
  name?: string;
  email?: string;
  emailVerified?: boolean;
}

export interface OAuthForge {
  url: string;
  clientId: string;
  clientSecret: string;
  /** Who sits before the browser; whoever asks them to agree gets a yes, or what `denies` says. */
  person: OAuthPerson;
  denies: boolean;
  /** Callback addresses that were registered; others are refused as a real forge does, on its own page. */
  callbacks: Set<string>;
  /** Every grant of a token, by code. */
  granted: string[];
  /** What was asked of the token address. */
  tokenRequests: URLSearchParams[];
  /** Parameters of the page where people agree. */
  authorizeRequests: URLSearchParams[];
  /** What the API answers besides, by path below its base, to whom the token speaks for; undefined: 404. */
  answers(path: string, who: OAuthPerson): unknown;
  /** Gives the same code for a token again, as a forge with a bug would. */
  lax: boolean;
  /** Tokens with which the API was asked, in order. */
  bearers: string[];
  /** What is given beside a new token, and when it is renewed. */
  gives: { refresh: string; renewed: string; renewedRefresh: string };
  /** Tokens that a client has ended, in order, with what it said of itself. */
  ended: string[];
  /** Answers to whoever ends a token, in place of success; `silent`: none. */
  endsWith: number | 'silent' | undefined;
  /** That may be renewed with, each once. */
  refreshTokens: Set<string>;
  close(): Promise<void>;
}

interface Code {
  challenge: string;
  redirectUri: string;
  person: OAuthPerson;
  scope: string;
  used: boolean;
}

async function formOf(request: IncomingMessage): Promise<URLSearchParams> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
}

const json = (response: ServerResponse, status: number, body: unknown) =>
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));

/** `/user` in each forge's own words. */
function userJson(forge: string, { id, login, name, email, emailVerified }: OAuthPerson): unknown {
  const shared = { id, name: name ?? '', full_name: name ?? '', email: email ?? '', avatar_url: '' };
  return forge === 'gitlab'
    ? { ...shared, username: login, confirmed_at: emailVerified ? '2020-01-01T00:00:00Z' : null }
    : { ...shared, login };
}

export interface OAuthForgeOptions {
  /** PEM; without it the forge speaks no TLS. */
  tls?: { key: string; certificate: string };
  /** A path such as `/gitlab`, below which everything is; nothing is elsewhere. */
  below?: string;
}

export async function startOAuthForge(
  forgeId: string,
  person: OAuthPerson,
  { tls, below = '' }: OAuthForgeOptions = {},
): Promise<OAuthForge> {
  const descriptor = forgeById(forgeId);
  if (descriptor?.oauth === undefined) throw new Error(`${forgeId} has no OAuth`);
  const { oauth } = descriptor;
  const codes = new Map<string, Code>();
  const tokens = new Map<string, OAuthPerson>();
  const scopes = new Map<string, string>();
  const serve = (request: IncomingMessage, response: ServerResponse) =>
    void answer(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
  const server =
    tls === undefined ? createServer(serve) : createTlsServer({ key: tls.key, cert: tls.certificate }, serve);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}${below}`;
  const endpoint = descriptor.endpoint(url);
  const forge: OAuthForge = {
    url,
    clientId: `client-of-${forgeId}`,
    clientSecret: `secret-of-${forgeId}-0123456789`,
    person,
    denies: false,
    callbacks: new Set(),
    granted: [],
    tokenRequests: [],
    authorizeRequests: [],
    answers: () => undefined,
    lax: false,
    bearers: [],
    gives: { refresh: 'refresh-1', renewed: 'renewed', renewedRefresh: 'refresh-2' },
    refreshTokens: new Set(),
    ended: [],
    endsWith: undefined,
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };

  const client = { id: forge.clientId, secret: forge.clientSecret };
  const endings = new Set(
    (oauth.revocation?.requests(endpoint, client, { accessToken: 'x', refreshToken: 'y' }) ?? []).map(
      (one) => `${one.init.method} ${one.url}`,
    ),
  );

  /** As GitLab takes it, in a form, or GitHub, as JSON of whoever says the client's secret. */
  async function end(request: IncomingMessage, response: ServerResponse): Promise<unknown> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString('utf8');
    const isJson = request.headers['content-type'] === 'application/json';
    const form = new URLSearchParams(body);
    const basic = `Basic ${Buffer.from(`${client.id}:${client.secret}`).toString('base64')}`;
    const isClient = isJson
      ? request.headers.authorization === basic
      : form.get('client_id') === client.id && form.get('client_secret') === client.secret;
    if (forge.endsWith === 'silent') return undefined;
    if (!isClient) return json(response, 403, { error: 'unauthorized_client' });
    if (forge.endsWith !== undefined) return json(response, forge.endsWith, { message: 'not now' });
    const gone = isJson ? String(JSON.parse(body).access_token) : (form.get('token') ?? '');
    forge.ended.push(gone);
    tokens.delete(gone);
    forge.refreshTokens.delete(gone);
    return isJson ? response.writeHead(204).end() : json(response, 200, {});
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<unknown> {
    const asked = new URL(request.url ?? '/', url);
    const address = `${asked.origin}${asked.pathname}`;
    if (address === oauth.authorizeUrl(endpoint)) return authorize(asked.searchParams, response);
    if (address === oauth.tokenUrl(endpoint)) return token(await formOf(request), response);
    if (endings.has(`${request.method} ${address}`)) return end(request, response);
    const bearer = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
    const who = tokens.get(bearer);
    forge.bearers.push(bearer);
    // As GitHub tells it with every answer.
    if (forgeId === 'github') response.setHeader('x-oauth-scopes', scopes.get(bearer)?.split(' ').join(', ') ?? '');
    if (who === undefined) return json(response, 401, { message: 'Bad credentials' });
    if (address === `${endpoint.apiUrl}/user`) return json(response, 200, userJson(forgeId, who));
    if (address === `${endpoint.apiUrl}/user/emails`)
      return json(
        response,
        200,
        who.email ? [{ email: who.email, primary: true, verified: who.emailVerified ?? false }] : [],
      );
    const more = forge.answers(address.slice(endpoint.apiUrl.length), who);
    return more === undefined ? json(response, 404, { message: 'Not Found' }) : json(response, 200, more);
  }

  function authorize(query: URLSearchParams, response: ServerResponse): unknown {
    forge.authorizeRequests.push(query);
    const redirectUri = query.get('redirect_uri') ?? '';
    if (query.get('client_id') !== forge.clientId || !forge.callbacks.has(redirectUri))
      return response.writeHead(400).end('The redirect URI included is not valid.');
    const back = new URL(redirectUri);
    back.searchParams.set('state', query.get('state') ?? '');
    const challenge = query.get('code_challenge') ?? '';
    if (
      query.get('response_type') !== 'code' ||
      query.get('code_challenge_method') !== 'S256' ||
      challenge.length !== 43
    )
      back.searchParams.set('error', 'invalid_request');
    else if (forge.denies) back.searchParams.set('error', 'access_denied');
    else {
      const code = randomBytes(16).toString('hex');
      codes.set(code, { challenge, redirectUri, person: forge.person, scope: query.get('scope') ?? '', used: false });
      back.searchParams.set('code', code);
    }
    return response.writeHead(302, { location: back.href }).end();
  }

  function token(form: URLSearchParams, response: ServerResponse): unknown {
    forge.tokenRequests.push(form);
    // GitHub says no with success.
    const refuse = (error: string) => json(response, forgeId === 'github' ? 200 : 400, { error });
    if (form.get('client_id') !== forge.clientId || form.get('client_secret') !== forge.clientSecret)
      return refuse('invalid_client');
    if (form.get('grant_type') === 'refresh_token') {
      const isGood = forge.refreshTokens.delete(form.get('refresh_token') ?? '');
      if (!isGood) return refuse('invalid_grant');
      const { renewed, renewedRefresh } = forge.gives;
      tokens.set(renewed, forge.person);
      return json(response, 200, { access_token: renewed, refresh_token: renewedRefresh, expires_in: 7200 });
    }
    const code = codes.get(form.get('code') ?? '');
    const hash = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url');
    if (
      code === undefined ||
      (code.used && !forge.lax) ||
      code.redirectUri !== form.get('redirect_uri') ||
      code.challenge !== hash
    )
      return refuse('invalid_grant');
    code.used = true;
    const accessToken = `token-${randomBytes(16).toString('hex')}`;
    tokens.set(accessToken, code.person);
    scopes.set(accessToken, code.scope);
    forge.granted.push(form.get('code') ?? '');
    return json(response, 200, {
      access_token: accessToken,
      refresh_token: forge.gives.refresh,
      expires_in: 7200,
      token_type: 'bearer',
    });
  }
  return forge;
}
