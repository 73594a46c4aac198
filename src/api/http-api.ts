import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import type { Person } from '../accounts/access/actor.js';
import { ForgewayError } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import { isUnstorableText } from '../store/unique.js';
import { addAccountRoutes } from './account-routes.js';
import { type AppPagesOptions, addAppPages } from './app-pages.js';
import { addAuthRoutes, addForms, addOriginCheck } from './auth.js';
import { addCheckRunPage, type CheckRunPageOptions } from './check-run-page.js';
import { addCronRoutes, type CronOptions } from './cron.js';
import { addDeviceRoutes } from './device-routes.js';
import { addForgeAppRoutes, type ForgeAppRoutesOptions } from './forge-app-routes.js';
import { addHealthRoutes, type HealthOptions } from './health.js';
import { type HomeState, homePage } from './home-page.js';
import { sendPage } from './page.js';
import { addPreviewLogPage, type PreviewLogPageOptions } from './preview-log-page.js';
import { addPreviewVisit, type PreviewVisits } from './preview-visit.js';
import type { Resources, ResourcesOptions } from './resources.js';
import { routesOf } from './routes-of.js';
import { addRunPage } from './run-page.js';
import { addRunRedirect } from './run-redirect.js';
import { addSetupRoutes, type SetupRoutesOptions } from './setup-routes.js';
import { accountLine, messagePage } from './sign-in-page.js';
import { addTerraformLogin } from './terraform-login-routes.js';
import { addWorkspacePages } from './workspace-pages.js';

export interface HttpApiOptions {
  health: HealthOptions;
  /** @param person who is signed in and not suspended */
  home(person: Person | undefined): Promise<HomeState>;
  checkRuns: Omit<CheckRunPageOptions, 'sessionActor'>;
  runPages: Parameters<typeof addRunPage>[1];
  previewLogs: PreviewLogPageOptions;
  /** Absent where there are no previews. */
  previewVisits?: PreviewVisits;
  /** Where the HTTP routes of apps answer; absent where there are none. */
  appPages?: Omit<AppPagesOptions, 'log'>;
  cron: CronOptions;
  auth: SetupRoutesOptions;
  /** Registering Apps on forges; absent where that cannot be done. */
  forgeApps?: ForgeAppRoutesOptions;
  /** What is behind a token or a session; asked for once, at the first request to it. Absent: there is none. */
  resources?(): Promise<ResourcesOptions>;
  log: Logger;
}

/** What answers everything that is not a webhook. */
export interface HttpApi {
  /** Every route there is but those behind a token or a session, `GET /healthz`, in the order in which they were added. */
  routes: readonly string[];
  handle(request: IncomingMessage, response: ServerResponse): void;
  /** Ends streams of events, so that the server can end. */
  endStreams(): void;
  close(): Promise<void>;
}

function addErrorAnswers(app: FastifyInstance, log: Logger): void {
  app.setNotFoundHandler((request, reply) => {
    // A browser that somebody sits at.
    if (/^text\/html/.test(request.headers.accept ?? ''))
      return sendPage(reply.code(404), messagePage('Nothing here', 'There is no such page.'));
    return reply
      .code(404)
      .send({ error: { code: 'NOT_FOUND', message: 'There is nothing here.', requestId: request.id } });
  });
  app.setErrorHandler((failure: Error & { statusCode?: number }, request, reply) => {
    const error = isUnstorableText(failure) ? Object.assign(failure, { statusCode: 400 }) : failure;
    const status = error instanceof ForgewayError ? error.status : (error.statusCode ?? 500);
    log.error({ requestId: request.id, err: error }, 'request failed');
    // What went wrong inside is for the log; a caller gets the code and an id to ask about.
    const code = error instanceof ForgewayError ? error.code : status < 500 ? 'BAD_REQUEST' : 'INTERNAL';
    return reply.code(status).send({ error: { code, message: 'The request failed.', requestId: request.id } });
  });
}

const unreadable = (requestId: string) => ({
  error: { code: 'BAD_REQUEST', message: 'The address cannot be read.', requestId },
});

/** The API behind an existing node:http server, which keeps webhooks to itself. */
export async function createHttpApi(options: HttpApiOptions): Promise<HttpApi> {
  const app = fastify({
    logger: false,
    genReqId: () => randomUUID(),
    bodyLimit: 1024 * 1024,
    // An address that cannot be routed would be repeated in the answer.
    frameworkErrors: (error, request, reply) =>
      void (reply as FastifyReply).code(error.statusCode ?? 400).send(unreadable(request.id)),
  });
  const routes = routesOf(app);
  if (options.appPages !== undefined) addAppPages(app, { ...options.appPages, log: options.log });
  addOriginCheck(app, options.auth.publicUrl);
  addForms(app);
  addErrorAnswers(app, options.log);
  addHealthRoutes(app, options.health);
  app.get('/', async (request, reply) => {
    const person = await options.auth.sessionActor(request.headers);
    const known = person?.suspended ? undefined : person;
    const page = homePage(await options.home(known), accountLine(known));
    return sendPage(reply.header('cache-control', 'no-store'), page);
  });
  addAuthRoutes(app, options.auth);
  addAccountRoutes(app, options.auth);
  addSetupRoutes(app, options.auth);
  if (options.forgeApps !== undefined) addForgeAppRoutes(app, options.auth, options.forgeApps);
  addDeviceRoutes(app, options.auth);
  addTerraformLogin(app, options.auth);
  addCheckRunPage(app, { ...options.auth, ...options.checkRuns });
  addRunPage(app, options.runPages);
  addPreviewLogPage(app, options.previewLogs);
  addRunRedirect(app, { ...options.auth, links: options.runPages.links });
  addWorkspacePages(app, { ...options.auth, links: options.runPages.links });
  if (options.previewVisits !== undefined) addPreviewVisit(app, { ...options.auth, visits: options.previewVisits });
  addCronRoutes(app, options.cron);
  await app.ready();
  const resources = lazyResources(options);
  return {
    routes,
    handle(request, response) {
      if (resources.serves(request.url ?? '')) resources.handle(request, response);
      else app.routing(request, response);
    },
    endStreams: resources.endStreams,
    close: async () => {
      await resources.close();
      await app.close();
    },
  };
}

const RESOURCES = /^(?:\/api\/(?:v1|v2|trpc|events|docs)(?:[/?]|$)|\/openapi\.json(?:\?|$))/;

/** Loaded at the first request: most of what a server answers are webhooks, and it must start quickly. */
function lazyResources({ resources: optionsOf, log }: HttpApiOptions) {
  let loading: Promise<Resources> | undefined;
  let loaded: Resources | undefined;
  const load = async (from: NonNullable<HttpApiOptions['resources']>): Promise<Resources> => {
    const { createResources } = await import('./resources.js');
    loaded = await createResources(await from());
    return loaded;
  };
  return {
    serves: (url: string) => optionsOf !== undefined && RESOURCES.test(url),
    handle(request: IncomingMessage, response: ServerResponse): void {
      if (loaded !== undefined) {
        loaded.app.routing(request, response);
        return;
      }
      if (optionsOf === undefined) return;
      loading ??= load(optionsOf);
      loading.then(
        ({ app }) => app.routing(request, response),
        (error: unknown) => {
          // The next request tries again.
          loading = undefined;
          log.error({ err: error }, 'the API could not be loaded');
          response.writeHead(503, { 'content-type': 'application/json', 'retry-after': '5' });
          response.end(JSON.stringify({ error: { code: 'INTERNAL', message: 'The API could not be loaded.' } }));
        },
      );
    },
    endStreams: () => loaded?.endStreams(),
    close: async () => {
      await (await loading?.catch(() => undefined))?.app.close();
    },
  };
}
