/** Starts emulate's GitHub with our people, organization, repository and App, and calls it on its own port. */
import { createPrivateKey, createSign } from 'node:crypto';
import { createEmulator } from 'emulate';
import { type JsonObject, objectOf, textAt } from './json.js';

export interface EmulatedApp {
  id: number;
  slug: string;
  permissions: Record<string, string>;
  events: readonly string[];
  webhookSecret: string;
  installationId: number;
}

export interface EmulatorOptions {
  app: EmulatedApp;
  owner: string;
  repository: string;
  /** Where the emulator posts the App's webhooks: a path of the front. */
  webhookUrl: string;
  /** Token of the organization's administrator, who makes the collaborators. */
  administratorToken: string;
  /** People with write permission: login to token. */
  writers: Readonly<Record<string, string>>;
  /** People without any permission: login to token. */
  strangers: Readonly<Record<string, string>>;
}

export interface EmulatorCall {
  method?: string;
  token?: string;
  /** Sent as JSON unless it is bytes already. */
  body?: unknown;
  accept?: string;
}

export interface EmulatorAnswer {
  status: number;
  headers: Headers;
  body: Buffer;
}

export interface Emulator {
  /** Origin that stands in the emulator's bodies; nobody else can use it. */
  origin: string;
  /** The App's private key as PEM, made for this run. */
  privateKey: string;
  administratorToken: string;
  call(path: string, call?: EmulatorCall): Promise<EmulatorAnswer>;
  /** The answer's JSON. @throws Error with path and status when the status is not 2xx. */
  json(path: string, call?: EmulatorCall): Promise<unknown>;
  /** A JSON web token of the App, valid for five minutes. */
  appToken(): string;
  close(): Promise<void>;
}

const administrator = 'morgan';

/** A JSON web token as GitHub Apps sign it. */
export function signAppToken(appId: number, privateKey: string): string {
  const now = Math.floor(Date.now() / 1000);
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const head = `${encode({ alg: 'RS256', typ: 'JWT' })}.${encode({ iat: now - 30, exp: now + 300, iss: String(appId) })}`;
  return `${head}.${createSign('RSA-SHA256').update(head).sign(createPrivateKey(privateKey), 'base64url')}`;
}

function seedOf(options: EmulatorOptions) {
  const { app, owner, repository } = options;
  const people = { [administrator]: options.administratorToken, ...options.writers, ...options.strangers };
  return {
    tokens: Object.fromEntries(Object.entries(people).map(([login, token]) => [token, { login }])),
    github: {
      users: Object.keys(people).map((login) => ({
        login,
        name: login[0]?.toUpperCase() + login.slice(1),
        email: `${login}@users.noreply.github.com`,
      })),
      orgs: [{ login: owner, name: owner, members: [{ login: administrator, role: 'admin' }] }],
      repos: [{ owner, name: repository, auto_init: false, description: 'A small web project' }],
      apps: [
        {
          app_id: app.id,
          slug: app.slug,
          name: app.slug,
          webhook_url: options.webhookUrl,
          webhook_secret: app.webhookSecret,
          permissions: app.permissions,
          // The front sends `push` itself, complete: the emulator's has no commits.
          events: app.events.filter((event) => event !== 'push'),
          installations: [{ installation_id: app.installationId, account: owner, repository_selection: 'all' }],
        },
      ],
    },
  };
}

/** Starts the emulator, gives the writers their permission and makes the App's bot user known. */
export async function startEmulator(options: EmulatorOptions): Promise<Emulator> {
  const emulated = await createEmulator({ service: 'github', port: 0, seed: seedOf(options) });
  const { app, owner, repository } = options;
  const privateKey = emulated.generatedSecrets.find((secret) => secret.kind === 'github.app_private_key')?.value;
  if (privateKey === undefined) throw new Error('emulate made no private key for the App');
  // It listens on IPv4 only, whatever its URL says.
  const address = `http://127.0.0.1:${new URL(emulated.url).port}`;

  const call = async (path: string, { method = 'GET', token, body, accept }: EmulatorCall = {}) => {
    const response = await fetch(address + path, {
      method,
      redirect: 'manual',
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(accept === undefined ? {} : { accept }),
      },
      body: body === undefined ? undefined : body instanceof Uint8Array ? body : JSON.stringify(body),
    });
    return { status: response.status, headers: response.headers, body: Buffer.from(await response.arrayBuffer()) };
  };
  const json = async (path: string, options_?: EmulatorCall): Promise<unknown> => {
    const answer = await call(path, options_);
    const text = answer.body.toString('utf8');
    if (answer.status >= 200 && answer.status < 300) return text === '' ? undefined : JSON.parse(text);
    throw new Error(`the emulator answered ${answer.status} to ${options_?.method ?? 'GET'} ${path}: ${text}`);
  };
  const appToken = () => signAppToken(app.id, privateKey);

  for (const login of Object.keys(options.writers))
    await json(`/repos/${owner}/${repository}/collaborators/${login}`, {
      method: 'PUT',
      token: options.administratorToken,
      body: { permission: 'push' },
    });
  const minted = await json(`/app/installations/${app.installationId}/access_tokens`, {
    method: 'POST',
    token: appToken(),
    body: {},
  });
  await makeBotKnown(json, `/repos/${owner}/${repository}/labels`, textAt(objectOf(minted, 'the token'), 'token'));
  return {
    origin: new URL(emulated.url).origin,
    privateKey,
    administratorToken: options.administratorToken,
    call,
    json,
    appToken,
    close: () => emulated.close(),
  };
}

/** On GitHub an App's bot user exists from the start; the emulator makes it at the App's first write. */
async function makeBotKnown(json: Emulator['json'], labels: string, token: string): Promise<void> {
  const label: JsonObject = { name: 'first-write', color: 'ededed' };
  await json(labels, { method: 'POST', token, body: label });
  await json(`${labels}/first-write`, { method: 'DELETE', token });
}
