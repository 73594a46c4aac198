import { describe, expect, it } from '@jest/globals';
import { type ApplicationFunction, ProbotOctokit } from 'probot';
import { createLogger } from '../../lib/logger.js';
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

  it('is told which of its HTTP routes are not served', async () => {
    const { lines } = await run('v9', (app: OldApp) => {
      const router = app.route('/my-app');
      router.use(() => undefined);
      router.get('/probot', () => undefined);
    });
    const routes = lines.filter(({ level }) => level === 40).map(({ route }) => route);
    expect(routes).toEqual(['USE /my-app', 'GET /my-app/probot']);
  });
});

describe('an app for Probot 12 or 13', () => {
  it('has getRouter, and in 12 a callable log', async () => {
    const load = (app: OldApp, { getRouter }: { getRouter(path: string): { get(path: string): void } }) => {
      getRouter('/x').get('/y');
      if (typeof app.log === 'function') app.log('called');
    };
    const twelve = await run('v12', load as never);
    expect(twelve.lines.map(({ route, msg }) => route ?? msg)).toEqual(expect.arrayContaining(['GET /x/y', 'called']));
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
