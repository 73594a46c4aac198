/**
 * An emulated GitHub Enterprise Server on one port: emulate's API with what it lacks added in front of it, and git over
 * HTTP from a repository with the same commits. In private mode: every request needs a token.
 */
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Archives } from './archives.js';
import { BareRepository, changesBetween } from './bare-repository.js';
import { CommitStatuses } from './commit-statuses.js';
import { Completion, frontUrl } from './completion.js';
import { type EmulatedApp, startEmulator } from './emulator.js';
import {
  type ApiAnswer,
  ApiProblem,
  type ApiRequest,
  problemAnswer,
  readBody,
  sendAnswer,
  tokenOf,
} from './exchange.js';
import { serveGit } from './git-over-http.js';
import { Installation } from './installation.js';
import { objectOf } from './json.js';
import { ObjectMirror } from './object-mirror.js';
import { PayloadFrame } from './payload-frame.js';
import { pullPage } from './pull-page.js';
import { PushEvents } from './push-events.js';
import { assertMayPush } from './push-permission.js';
import { type RouteContext, routes } from './routes.js';
import { type Holder, Tokens } from './tokens.js';
import { WebhookSender } from './webhook-sender.js';

export interface EmulatedGitHubOptions {
  /** 0 picks a free one. */
  port: number;
  /** Where others reach it, when something stands in front: without a slash at the end. Default: where it listens. */
  publicUrl?: string;
  /** Empty directory for the bare repository. */
  directory: string;
  owner: string;
  repository: string;
  app: EmulatedApp;
  /** Where the App receives its webhooks. */
  webhookUrl: string;
  writers: Readonly<Record<string, string>>;
  strangers?: Readonly<Record<string, string>>;
  /** Told about requests that failed on our side. */
  onError(error: unknown): void;
}

export interface EmulatedGitHub {
  origin: string;
  /** Where it listens; the same as the origin when nothing stands in front. */
  innerUrl: string;
  host: string;
  privateKey: string;
  /** Path of the bare repository, for comparing commits. */
  repositoryPath: string;
  /** When every webhook so far has been answered, or was not. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

const movesBranches = /^\/repos\/[^/]+\/[^/]+\/(git\/refs|contents\/|pulls\/\d+\/(merge|update-branch))/;

/** Starts it; the caller closes it. @throws Error when git or the emulator cannot be started. */
export async function startEmulatedGitHub(options: EmulatedGitHubOptions): Promise<EmulatedGitHub> {
  const server = createServer();
  const port = await listen(server, options.port);
  const inner = `http://127.0.0.1:${port}`;
  const origin = options.publicUrl ?? inner;
  const { host } = new URL(origin);
  const front = new Front(options, origin, inner, host);
  server.on('request', (request, response) => void front.serve(request, response));
  try {
    const privateKey = await front.start();
    return {
      origin,
      innerUrl: inner,
      host,
      privateKey,
      repositoryPath: front.repository.path,
      settled: () => front.settled(),
      close: async () => {
        await front.close();
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      },
    };
  } catch (error) {
    server.closeAllConnections();
    server.close();
    throw error;
  }
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

class Front {
  readonly repository: BareRepository;
  readonly #options: EmulatedGitHubOptions;
  readonly #origin: string;
  /** Where it listens: for the emulator, which stands behind it. */
  readonly #inner: string;
  readonly #fullName: string;
  /** Pages for people, which need no token. */
  readonly #page: RegExp;
  readonly #tokens: Tokens;
  readonly #sender: WebhookSender;
  readonly #webhookPath = `/_relay/${randomBytes(16).toString('hex')}`;
  #started: (RouteContext & { mirror: ObjectMirror; frame: PayloadFrame; pushes: PushEvents }) | undefined;
  #lastChange: Promise<unknown> = Promise.resolve();

  constructor(options: EmulatedGitHubOptions, origin: string, inner: string, host: string) {
    this.#options = options;
    this.#origin = origin;
    this.#inner = inner;
    this.#fullName = `${options.owner}/${options.repository}`;
    this.#page = new RegExp(`^/${this.#fullName}/(?:pull|issues)/(\\d+)$`);
    this.repository = new BareRepository(`${options.directory}/${options.repository}.git`);
    this.#tokens = new Tokens({ ...options.writers, ...options.strangers });
    const { id: appId, webhookSecret: secret } = options.app;
    this.#sender = new WebhookSender({ url: options.webhookUrl, secret, appId, host });
  }

  async start(): Promise<string> {
    const { app, owner, repository: name, writers, strangers = {} } = this.#options;
    const { repository } = this;
    const fullName = this.#fullName;
    const webhookUrl = `${this.#inner}${this.#webhookPath}`;
    const administratorToken = randomBytes(20).toString('hex');
    await repository.create();
    const emulator = await startEmulator({
      app,
      owner,
      repository: name,
      webhookUrl,
      administratorToken,
      writers,
      strangers,
    });
    const completion = new Completion(emulator, repository, fullName, this.#origin);
    const frame = new PayloadFrame({ emulator, completion, app, owner, fullName });
    const sender = this.#sender;
    const tokens = this.#tokens;
    const apiUrl = `${this.#origin}/api/v3/repos/${fullName}`;
    this.#started = {
      emulator,
      tokens,
      completion,
      archives: new Archives(repository, fullName, this.#origin),
      frame,
      mirror: new ObjectMirror(repository, emulator, fullName),
      pushes: new PushEvents({ repository, emulator, completion, frame, sender, events: app.events, owner, fullName }),
      statuses: new CommitStatuses({ repository, frame, sender, events: app.events, emulator, fullName, apiUrl }),
      installation: new Installation({ app, emulator, frame, sender, tokens }),
      bot: `${app.slug}[bot]`,
      forward: (request, holder) => this.#forward(request, holder),
    };
    return emulator.privateKey;
  }

  settled(): Promise<void> {
    return this.#sender.settled();
  }

  async close(): Promise<void> {
    await this.#sender.close();
    await this.#started?.emulator.close();
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const prefix = `/${this.#fullName}.git`;
      if (request.url?.startsWith(`${prefix}/`)) {
        const push = (token: string, receive: () => Promise<void>) => this.#push(token, receive);
        await serveGit(request, response, {
          repository: this.repository,
          prefix,
          tokens: this.#tokens,
          assertMayPush: (holder) => assertMayPush(holder, 'contents', this.#context.emulator, this.#fullName),
          push,
        });
      } else sendAnswer(response, await this.#answer(request));
    } catch (error) {
      if (!(error instanceof ApiProblem)) this.#options.onError(error);
      const problem = error instanceof ApiProblem ? error : new ApiProblem(500, 'Server Error');
      if (response.headersSent) response.destroy();
      else sendAnswer(response, problemAnswer(problem));
    }
  }

  get #context() {
    if (this.#started === undefined) throw new ApiProblem(503, 'Starting');
    return this.#started;
  }

  async #answer(incoming: IncomingMessage): Promise<ApiAnswer> {
    const url = new URL(incoming.url ?? '/', this.#origin);
    const body = await readBody(incoming);
    if (url.pathname === this.#webhookPath) return this.#relay(incoming, body);
    const page = incoming.method === 'GET' ? this.#page.exec(url.pathname)?.[1] : undefined;
    if (page !== undefined) return pullPage(Number(page), this.#fullName, this.#context);
    const request: ApiRequest = {
      method: incoming.method ?? 'GET',
      path: url.pathname.replace(/^\/api\/v3(?=\/)/, ''),
      query: url.searchParams,
      headers: incoming.headers,
      body,
      token: tokenOf(incoming.headers.authorization),
    };
    for (const { method, path, handle } of routes) {
      const params = method === request.method ? path.exec(request.path) : null;
      if (params !== null) return handle(request, params.slice(1), this.#context);
    }
    const holder = this.#tokens.holderOf(request.token);
    if (holder.kind === 'app' && request.path !== '/app')
      throw new ApiProblem(403, 'Resource not accessible by integration');
    return this.#forward(request, holder);
  }

  /** The emulator's own App delivery: checked, completed, signed again, sent on under a GUID. */
  async #relay(incoming: IncomingMessage, body: Buffer): Promise<ApiAnswer> {
    const { frame } = this.#context;
    const event = String(incoming.headers['x-github-event'] ?? '');
    if (!this.#sender.isSigned(body, String(incoming.headers['x-hub-signature-256'] ?? '')))
      throw new ApiProblem(401, 'The emulator did not sign this webhook.');
    if (frame.installed) {
      const payload = objectOf(JSON.parse(body.toString('utf8')), 'the webhook');
      void this.#sender.send(event, await frame.around(payload));
    }
    return { status: 202 };
  }

  async #forward(request: ApiRequest, holder: Holder): Promise<ApiAnswer> {
    const mirrored = request.method !== 'GET' && movesBranches.test(request.path);
    if (!mirrored) return this.#call(request);
    return this.#alone(async () => {
      const answer = await this.#call(request);
      const { emulator, mirror, pushes, bot } = this.#context;
      const changes = answer.status < 300 ? await mirror.fromEmulator(emulator.administratorToken) : [];
      await pushes.announce(changes, holder.kind === 'person' ? holder.login : bot);
      return answer;
    });
  }

  async #call(request: ApiRequest): Promise<ApiAnswer> {
    const { emulator, completion } = this.#context;
    const query = request.query.size === 0 ? '' : `?${request.query}`;
    const answer = await emulator.call(request.path + query, {
      method: request.method,
      token: request.token,
      body: request.body.length === 0 ? undefined : request.body,
      accept: request.headers.accept,
    });
    const headers: Record<string, string> = { 'x-github-enterprise-version': '3.17.0' };
    for (const name of [
      'content-type',
      'x-ratelimit-limit',
      'x-ratelimit-remaining',
      'x-ratelimit-reset',
      'x-ratelimit-resource',
    ])
      if (answer.headers.has(name)) headers[name] = answer.headers.get(name) ?? '';
    const link = answer.headers.get('link');
    if (link !== null)
      headers.link = link.replace(/<([^>]+)>/g, (_all, url: string) => {
        const { pathname, search } = new URL(url);
        return `<${frontUrl(`${emulator.origin}${pathname}${search}`, emulator.origin, this.#origin)}>`;
      });
    const raw = /application\/vnd\.github[.\w]*\.raw(\+json)?/.exec(request.headers.accept ?? '')?.[0];
    // As GitHub names it; clients tell text from bytes by the charset.
    if (raw !== undefined && headers['content-type'] === 'application/octet-stream')
      headers['content-type'] = `${raw}; charset=utf-8`;
    if (!(headers['content-type'] ?? '').startsWith('application/json') || answer.body.length === 0)
      return { status: answer.status, headers, body: answer.body };
    const json: unknown = JSON.parse(answer.body.toString('utf8'));
    await completion.complete(json);
    return { status: answer.status, headers, json };
  }

  /** A push by git: when its commits cannot be copied into the emulator it is undone and fails. */
  #push(token: string, receive: () => Promise<void>): Promise<void> {
    return this.#alone(async () => {
      const { mirror, pushes } = this.#context;
      const holder = this.#tokens.holderOf(token);
      const before = await this.repository.refs();
      await receive();
      const changes = changesBetween(before, await this.repository.refs());
      try {
        await mirror.toEmulator(changes, before, token);
      } catch (error) {
        for (const { ref, before: old } of changes) await this.repository.setRef(ref, old);
        throw error;
      }
      await pushes.announce(changes, holder.kind === 'person' ? holder.login : this.#context.bot);
    });
  }

  /** Changes of the repository run one after another. */
  #alone<T>(change: () => Promise<T>): Promise<T> {
    const result = this.#lastChange.then(change, change);
    this.#lastChange = result.catch(() => undefined);
    return result;
  }
}
