import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { type ApplicationFunction, ProbotOctokit } from 'probot';
import { createLogger } from '../../lib/logger.js';
import { createAppPages, type PageHandler } from '../app-pages.js';
import { loadApp } from '../loaded-app.js';
import { asLegacyApp } from './legacy-app.js';
import type { LegacyLevel } from './level.js';

const payload = {
  action: 'opened',
  repository: { id: 1, name: 'web', owner: { login: 'acme' } },
  issue: { number: 7 },
  installation: { id: 1 },
};

/** An app in its Probot, and every line and request it made. */
async function run(level: LegacyLevel, load: (app: never, options: never) => unknown) {
  const lines: Record<string, unknown>[] = [];
  const sent: { request: string; body: unknown }[] = [];
  const destination = { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) };
  const log = createLogger({ level: 'trace', format: 'json', destination });
  const Octokit = ProbotOctokit.defaults({
    authStrategy: () =>
      Object.assign(async (question: { event?: unknown }) => (question.event ? new Octokit() : {}), {
        hook: (request: (...of: unknown[]) => unknown, ...of: unknown[]) => request(...of),
      }),
    throttle: { enabled: false },
    retry: { enabled: false },
    request: {
      fetch: async (url: string, init: RequestInit) => {
        const body = typeof init.body === 'string' ? (JSON.parse(init.body) as unknown) : undefined;
        sent.push({ request: `${init.method} ${new URL(url).pathname}`, body });
        return Response.json({});
      },
    },
  }) as typeof ProbotOctokit;
  const loaded = await loadApp({ name: 'old', load: asLegacyApp(load as ApplicationFunction, level) }, Octokit, log);
  const receive = () => loaded.probot.receive({ id: 'x', name: 'issues', payload } as never);
  return { ...loaded, lines, sent, receive, said: () => lines.map(({ msg }) => msg) };
}

interface Requested {
  params: Record<string, string | undefined>;
  query: Record<string, string>;
}
interface Answering {
  send(text: string): void;
}

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** What the handlers of an app answer over real HTTP; `nobody` where none of them takes the request. */
async function serving(handlers: readonly PageHandler[]) {
  const log = createLogger({ level: 'silent', format: 'json' });
  const pages = createAppPages(
    handlers.map((handler) => ({ app: 'old', handler })),
    log,
  );
  const server = createServer(async (request, response) => {
    if (!(await pages.handle(request, response))) response.writeHead(404).end('nobody');
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    return { status: response.status, seen: response.headers.get('x-seen'), text: await response.text() };
  };
}

interface OldContext {
  github: {
    issues: { createComment: (parameters: object) => Promise<unknown> };
    pullRequests: Record<string, (parameters: object) => Promise<unknown>>;
  };
  event: string;
  log: ((text: string) => void) & { info(text: string): void };
  issue(more?: object): { number: number };
}
interface OldApp {
  on(names: string | string[], handler: (context: OldContext) => unknown): void;
  log: ((text: string) => void) & { child(fields: object): (text: string) => void };
  route(prefix?: string): { get(path: string, handler: unknown): unknown; use(handler: unknown): unknown };
  load(other: (app: OldApp) => void): void;
}

describe('an app for Probot 7', () => {
  it('finds context.github, context.event, a callable log and its names', async () => {
    const { receive, sent, said, subscriptions } = await run('v7', (app: OldApp) => {
      app.log('loaded');
      app.log.child({ name: 'part' })('of it');
      app.on(['issues.opened', 'issues.edited'], async (context) => {
        context.log(`event ${context.event}`);
        const { number } = context.issue();
        await context.github.issues.createComment(context.issue({ body: `Welcome to ${number}` }));
        await context.github.pullRequests.getFiles?.(context.issue());
      });
    });
    expect(subscriptions.list()).toEqual(['issues.edited', 'issues.opened']);
    await receive();
    expect(sent).toEqual([
      { request: 'POST /repos/acme/web/issues/7/comments', body: { body: 'Welcome to 7' } },
      { request: 'GET /repos/acme/web/pulls/7/files', body: undefined },
    ]);
    expect(said()).toEqual(expect.arrayContaining(['loaded', 'of it', 'event issues']));
  });

  it('listens to everything by "*", and loads apps of its own', async () => {
    const seen: string[] = [];
    const { receive, subscriptions } = await run('v7', (app: OldApp) => {
      app.load((inner) => inner.on('*', (context) => void seen.push(context.event)));
    });
    expect(subscriptions.list()).toEqual(['*']);
    await receive();
    expect(seen).toEqual(['issues']);
  });

  it('has routers below a prefix, as Express 4 made them', async () => {
    const { handlers } = await run('v9', (app: OldApp) => {
      const router = app.route('/my-app');
      router.use((_request: unknown, response: { set(name: string, value: string): void }, next: () => void) => {
        response.set('x-seen', 'yes');
        next();
      });
      router.get('/hello/:name?', (request: Requested, response: Answering) =>
        response.send(`Hello ${request.params.name ?? request.query.name}`),
      );
      router.get('/broken', () => {
        throw new Error('secret words');
      });
    });
    const ask = await serving(handlers);
    expect(await ask('/my-app/hello/anna')).toEqual({ status: 200, seen: 'yes', text: 'Hello anna' });
    expect(await ask('/my-app/hello?name=bert')).toEqual({ status: 200, seen: 'yes', text: 'Hello bert' });
    expect(await ask('/my-app/other')).toMatchObject({ status: 404, text: 'nobody' });
    const broken = await ask('/my-app/broken');
    expect(broken.status).toBe(500);
    expect(broken.text).not.toContain('secret');
  });
});

describe('an app for Probot 10', () => {
  it('is called with the app and its routers in one object', async () => {
    type GetRouter = (path: string) => { get(path: string, answer: unknown): void };
    const { receive, sent, subscriptions, handlers } = await run('v12', (({
      app,
      getRouter,
    }: {
      app: OldApp;
      getRouter: GetRouter;
    }) => {
      getRouter('/x').get('/y', (_request: unknown, response: Answering) => response.send('y'));
      app.on('issues.opened', async (context) => {
        const { octokit } = context as unknown as { octokit: OldContext['github'] };
        await octokit.issues.createComment(context.issue({ body: 'Hi' }));
      });
    }) as never);
    expect(subscriptions.list()).toEqual(['issues.opened']);
    await receive();
    expect(sent).toEqual([{ request: 'POST /repos/acme/web/issues/7/comments', body: { body: 'Hi' } }]);
    expect(await (await serving(handlers))('/x/y')).toMatchObject({ status: 200, text: 'y' });
  });
});

describe('an app for Probot 12 or 13', () => {
  it('has getRouter, and in 12 a callable log', async () => {
    type GetRouter = (path: string) => { get(path: string, answer: unknown): void };
    const load = (app: OldApp, { getRouter }: { getRouter: GetRouter }) => {
      getRouter('/x').get('/y', (_request: unknown, response: Answering) => response.send('y'));
      if (typeof app.log === 'function') app.log('called');
    };
    const twelve = await run('v12', load as never);
    expect(twelve.said()).toContain('called');
    const ask = await serving(twelve.handlers);
    expect(await ask('/x/y')).toMatchObject({ status: 200, text: 'y' });
    const thirteen = await run('v13', load as never);
    expect(thirteen.said()).not.toContain('called');
  });

  it('has methods at the root of octokit, and no context.github', async () => {
    const { receive, sent } = await run('v13', (app: OldApp) => {
      app.on('issues', async (context) => {
        expect(context.github).toBeUndefined();
        const { octokit } = context as unknown as { octokit: OldContext['github'] };
        await octokit.issues.createComment(context.issue({ body: 'Hi' }));
      });
    });
    await receive();
    expect(sent).toEqual([{ request: 'POST /repos/acme/web/issues/7/comments', body: { body: 'Hi' } }]);
  });
});
