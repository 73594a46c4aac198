/** Secrets that somebody sends where they do not belong: in headers, addresses and input that is refused. */
import { createHmac, randomUUID } from 'node:crypto';
import { listProcedures, REST_PREFIX } from '../../src/api/rest.js';
import type { Canary } from './forms.js';
import type { World } from './world.js';

const oneLine = (text: string): string => text.replaceAll('\n', ' ');

/** Each of them in one header of one request; which, goes round. */
export async function sendInHeaders(world: World, planted: readonly Canary[]): Promise<void> {
  const names = [
    'authorization',
    'cookie',
    'x-gitlab-token',
    'private-token',
    'x-hub-signature-256',
    'x-unknown',
    'referer',
    'user-agent',
    'x-forwarded-for',
    'x-github-delivery',
  ];
  const places = [
    'POST /api/webhooks/github',
    'GET /',
    'GET /api/v1/connections',
    'GET /api/events',
    'GET /sign-in',
    'POST /api/trpc/connections.connectPat',
    'GET /api/cron/git-sync',
    'GET /setup',
    'GET /nowhere',
  ];
  for (const [at, { text }] of planted.entries()) {
    const name = names[at % names.length] ?? '';
    const words = oneLine(text);
    const [method = '', path = ''] = (places[at % places.length] ?? '').split(' ');
    const value =
      name === 'authorization'
        ? `Bearer ${words}`
        : name === 'cookie'
          ? `forgeway.session_token=${encodeURIComponent(words)}`
          : words;
    await world.ask(method, path, {
      headers: { 'x-github-event': 'ping', [name]: value },
      ...(method === 'POST' && { body: '{}' }),
    });
    await world.ask('GET', '/api/v1/organizations', { headers: { [name]: value } });
  }
}

export async function sendInAddresses(world: World, planted: readonly Canary[]): Promise<void> {
  const paths = [
    (value: string) => `/?token=${value}`,
    (value: string) => `/setup?code=${value}`,
    (value: string) => `/sign-in?return_to=${value}&error=${value}`,
    (value: string) => `/api/auth/callback/github@github.com?code=${value}&state=${value}`,
    (value: string) => `/api/events?lastEventId=${value}&access_token=${value}`,
    (value: string) => `/api/v1/connections?organization=${value}&cursor=${value}`,
    (value: string) => `/api/v1/pull-requests/${value}`,
    (value: string) => `/api/v2/vcs-connections/${value}`,
    (value: string) => `/api/trpc/connections.getConnection?input=${value}`,
    (value: string) => `/device?user_code=${value}`,
    (value: string) => `/checks/${value}`,
    (value: string) => `/api/webhooks/github/${value}`,
  ];
  for (const [at, { text }] of planted.entries()) {
    const path = paths[at % paths.length];
    if (path !== undefined)
      await world.ask('GET', path(encodeURIComponent(text)), at % 2 === 0 ? {} : { headers: bearer(world) });
  }
}

const tokens = new WeakMap<World, string>();

/** @param token of the API, which may do everything */
export const knowToken = (world: World, token: string): void => void tokens.set(world, token);
export const bearer = (world: World): Record<string, string> => ({
  authorization: `Bearer ${tokens.get(world) ?? ''}`,
});

/** Nothing of what is sent can be done; all of it is answered with what is wrong. */
export async function sendRefused(world: World, planted: readonly Canary[]): Promise<void> {
  const headers = bearer(world);
  const mutations = listProcedures().filter(({ meta }) => meta.method === 'POST' && !meta.path.includes('{'));
  const attributes = (one: object) => ({
    data: { type: 'vcs-connections', attributes: { name: 'x', provider: 'gitea', ...one } },
  });
  const form = { ...headers, 'content-type': 'application/x-www-form-urlencoded', origin: world.url };
  const attempts: ((value: string) => Promise<unknown>)[] = [
    (token) =>
      world.ask('POST', '/api/v1/connections', {
        headers,
        body: { forge: 'gitea', url: 'http://127.0.0.1:1', token: `${token} `, unknown: token },
      }),
    (value) =>
      world.ask('POST', '/api/v1/connections', {
        headers,
        body: { forge: value, url: value, token: value, [value]: 1 },
      }),
    (value) =>
      world.ask('POST', '/api/v1/connections', {
        headers,
        body: { forge: 'gitea', url: `http://u:${encodeURIComponent(value)}@127.0.0.1:1`, token: 'a-token-of-no-one' },
      }),
    // Not JSON: a parser likes to repeat what it could not read.
    (value) => world.ask('POST', '/api/v1/connections', { headers, body: value }),
    (value) =>
      world.ask('POST', '/api/v2/organizations/default/vcs-connections', { headers, body: `{"data": ${value}` }),
    (token) =>
      world.ask('POST', '/api/v2/organizations/default/vcs-connections', {
        headers,
        body: attributes({ 'server-url': 'not an address', token }),
      }),
    (token) =>
      world.ask('POST', '/api/v2/organizations/default/vcs-connections', {
        headers,
        body: attributes({ 'server-url': `http://127.0.0.1:1/?token=${encodeURIComponent(token)}`, token }),
      }),
    (key) =>
      world.ask('POST', '/api/v2/organizations/default/vcs-connections', {
        headers,
        body: attributes({ provider: 'github', 'private-key': key, 'github-app-id': key }),
      }),
    (value) =>
      world.ask('PATCH', '/api/v2/vcs-connections/vcs-00000000-0000-0000-0000-000000000000', {
        headers,
        body: attributes({ token: value }),
      }),
    (value) =>
      world.ask('POST', '/api/trpc/connections.connectPat', { headers, body: { forge: 'gitea', token: [value] } }),
    (value) => world.ask('POST', '/sign-in', { headers: form, body: `provider=${encodeURIComponent(value)}` }),
    (value) =>
      world.ask('POST', '/setup/clients', { headers: form, body: `clientSecret=${encodeURIComponent(value)}` }),
    (value) => world.ask('POST', '/device', { headers: form, body: `user_code=${encodeURIComponent(value)}` }),
    (value) =>
      world.ask('POST', '/api/auth/device/token', {
        body: { device_code: value, client_id: value, grant_type: value },
      }),
    (value) =>
      world.ask('POST', `/api/v1/tokens`, { headers, body: { kind: value, name: { deep: value }, scopes: [value] } }),
    ...mutations.map(
      ({ meta }) =>
        (value: string) =>
          world.ask('POST', `${REST_PREFIX}${meta.path}`, { headers, body: { organization: value, secret: value } }),
    ),
  ];
  for (const [at, { text }] of planted.entries())
    for (const turn of [0, 5, 11]) await attempts[(at + turn) % attempts.length]?.(text);
}

/** A webhook as GitHub signs it. */
export async function deliver(
  world: World,
  event: string,
  payload: object,
  more: Record<string, string> = {},
): Promise<number> {
  const body = JSON.stringify(payload);
  const signature = createHmac('sha256', world.webhookSecret).update(body).digest('hex');
  const { status } = await world.ask('POST', '/api/webhooks/github', {
    body,
    headers: {
      'x-github-event': event,
      'x-github-delivery': randomUUID(),
      'x-hub-signature-256': `sha256=${signature}`,
      ...more,
    },
  });
  return status;
}

/** Settings that cannot be right, and addresses where nobody is, each with a secret in it. */
export async function startBadly(world: World, planted: readonly Canary[]): Promise<void> {
  const variables: ((value: string) => Record<string, string>)[] = [
    (value) => ({ PRIVATE_KEY: value }),
    (value) => ({ DATABASE_URL: `mysql://forgeway:${encodeURIComponent(value)}@127.0.0.1/x` }),
    (value) => ({ DATABASE_URL: `postgresql://forgeway:${encodeURIComponent(value)}@127.0.0.1:1/x` }),
    (value) => ({ DATABASE_URL: value }),
    (value) => ({ REDIS_URL: `http://:${encodeURIComponent(value)}@127.0.0.1` }),
    (value) => ({ FORGEWAY_ENCRYPTION_KEY: value }),
    (value) => ({ FORGEWAY_ENCRYPTION_KEYS_PREVIOUS: `${value},${value}` }),
    (value) => ({ OUTBOUND_PROXY: `ftp://u:${encodeURIComponent(value)}@h` }),
    (value) => ({ OUTBOUND_PROXY: value }),
    (value) => ({ CRON_SECRET: value.slice(0, 12), WEBHOOKSECRET: value, WEBHOOK_SECRETS: value }),
    (value) => ({ ALLOWED_PRIVATE_NETWORKS: value, PUBLIC_URL: value, PORT: value, APP_ID: value }),
    (value) => ({ PRIVATE_KEY_PATH: value }),
  ];
  const runs = planted.map(({ text }, at) => () => {
    const settings = variables[at % variables.length]?.(text) ?? {};
    return world.run([at % 2 === 0 ? 'doctor' : 'migrate'], { settings });
  });
  while (runs.length > 0) await Promise.all(runs.splice(0, 3).map((run) => run()));
}
