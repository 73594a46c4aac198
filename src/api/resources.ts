/** What is behind a token or a session: JSON:API, tRPC, REST, the event stream, and the documents about them. */
import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { TRPCError } from '@trpc/server';
import { type CreateFastifyContextOptions, fastifyTRPCPlugin } from '@trpc/server/adapters/fastify';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Actor, Person } from '../accounts/access/actor.js';
import { forHeaders, type SignIn } from '../accounts/sign-in/sign-in.js';
import { linkKinds, type SignedLinks } from '../accounts/signed-links.js';
import { notFound } from './authorize.js';
import { callerOf } from './caller.js';
import { addEvents, type EventTiming } from './events.js';
import { addExport } from './export-route.js';
import { KEY_HEADER, readKey } from './idempotency/once.js';
import { API_PREFIX } from './json-api/document.js';
import { openApiDocument } from './openapi.js';
import { sendPage } from './page.js';
import { addPreviewLogStream } from './preview-log-stream.js';
import { InvalidRequest, type Problem, problemHeaders, problemOf, retryAfterOf, statusOf } from './problem.js';
import { type Consent, causeOf, type ProcedureContext } from './procedures/procedure.js';
import { apiRouter } from './procedures/router.js';
import type { Services } from './procedures/services.js';
import { createRateLimiter, type RateLimits } from './rate-limits.js';
import { referencePage } from './reference-page.js';
import { addRestRoutes } from './rest.js';
import { routesOf } from './routes-of.js';
import { addVcsConnections } from './vcs-connections/routes.js';
import { addWorkspaces } from './workspaces/routes.js';

export interface ResourcesOptions {
  services: Services;
  /** The person whose session the cookies are; absent where nobody can sign in. */
  sessionActor?(headers: IncomingHttpHeaders): Promise<Person | undefined>;
  /** By which accounts are connected with consent; absent where nobody can sign in. */
  signIn?: Pick<SignIn, 'session' | 'clients' | 'links'>;
  /** Origin of our own pages. */
  publicOrigin(): string;
  eventTiming?: Partial<EventTiming>;
  /** Absent: nobody is limited. */
  limits?: RateLimits;
}

export interface Resources {
  app: FastifyInstance;
  /** Every route there is, `GET /api/v1/issues/:id`, in the order in which they were added. */
  routes: readonly string[];
  /** Ends the streams of events, which would otherwise never end. */
  endStreams(): void;
}

const BODY_LIMIT = 1024 * 1024;
/** A batch of tRPC names its procedures in the path. */
const LONGEST_PATH = 2_000;

const TRPC_PREFIX = '/api/trpc';
/** Procedures that a request names as tRPC will read them; undefined: it is for another route. */
function proceduresOf({ routeOptions, params }: FastifyRequest): string | undefined {
  if (!routeOptions.url?.startsWith(`${TRPC_PREFIX}/`)) return undefined;
  return (params as { path: string }).path;
}

/** The way to a forge, bound to the browser that asks for it. */
function consentOf(
  { headers }: FastifyRequest,
  { signIn, publicOrigin }: Pick<ResourcesOptions, 'signIn' | 'publicOrigin'>,
): Consent | undefined {
  if (signIn === undefined) return undefined;
  return {
    instances: () => signIn.clients(),
    page: `${publicOrigin()}/account`,
    async begin(userId, { providerId, ...owner }) {
      if (!(await signIn.clients()).some((one) => one.providerId === providerId)) return 'unknown';
      // A token is no browser, whatever cookies come with it.
      if (headers.authorization !== undefined) return undefined;
      const session = await signIn.session(forHeaders(headers));
      if (session?.userId !== userId) return undefined;
      return (await signIn.links.start({ userId, sessionId: session.id }, { ...owner, providerId })) ?? 'unknown';
    },
  };
}

/** Asks by an address that we signed, and that has not expired. */
function isSigned({ routeOptions, params, method }: FastifyRequest, links: SignedLinks): boolean {
  const kind = linkKinds.find((name) => routeOptions.url === `${API_PREFIX}/objects/${name}/:name`);
  const use = method === 'GET' ? 'read' : 'write';
  return kind !== undefined && links.read(kind, use, (params as { name: string }).name) !== undefined;
}

const errorBody = ({ code, message, issues }: Problem) => ({ error: { code, message, ...(issues && { issues }) } });

export async function createResources(o: ResourcesOptions): Promise<Resources> {
  const { services } = o;
  const { log, store } = services;
  const app = fastify({
    logger: false,
    genReqId: () => randomUUID(),
    bodyLimit: BODY_LIMIT,
    routerOptions: { maxParamLength: LONGEST_PATH },
    // An address that cannot be routed would be repeated in the answer.
    frameworkErrors: (error, request, reply) => {
      const problem = problemOf(error, log, request.id);
      void (reply as FastifyReply).code(problem.status).send(errorBody(problem));
    },
  });

  // A page of another site may send text without asking first; nothing here takes it.
  app.removeContentTypeParser('text/plain');

  const callers = new WeakMap<FastifyRequest, Promise<Actor>>();
  const caller = (request: FastifyRequest): Promise<Actor> => {
    const known = callers.get(request);
    if (known !== undefined) return known;
    const { sessionActor, publicOrigin } = o;
    const asked = callerOf({ store, publicOrigin, ...(sessionActor && { sessionActor }) }, request);
    callers.set(request, asked);
    return asked;
  };
  const withConsent = (request: FastifyRequest): Pick<ProcedureContext, 'consent'> => {
    const consent = consentOf(request, o);
    return consent === undefined ? {} : { consent };
  };
  const contextOf = (request: FastifyRequest, calls = 1): ProcedureContext => ({
    ...withConsent(request),
    caller: () => caller(request),
    idempotencyKey() {
      const key = readKey(request.headers[KEY_HEADER]);
      if (key === undefined || calls === 1) return key;
      throw new InvalidRequest([{ path: ['Idempotency-Key'], message: 'is of one call: send each by itself' }]);
    },
    requestId: request.id,
    services,
  });

  app.addHook('onRequest', async (request, reply) => {
    // In a header, so that two answers about what is not there are the same to the byte.
    reply.headers({ 'x-request-id': request.id, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
  });
  if (o.limits !== undefined) {
    const limiter = createRateLimiter(o.limits, caller);
    app.addHook('onRequest', async (request, reply) => {
      // Whoever holds such an address was given it by a caller who is known, and reads a log with it many times a minute.
      if (isSigned(request, services.workspaces.links)) return;
      const procedures = proceduresOf(request);
      // A batch has them all in the path, with commas between them.
      const refusal = await limiter.take(request, reply, procedures?.split(',').length ?? 1);
      if (refusal === undefined) return;
      if (procedures === undefined) throw refusal;
      // Each of its calls tells it in tRPC's own form.
      const refused = Promise.reject(refusal);
      refused.catch(() => undefined);
      callers.set(request, refused);
    });
  }
  app.addHook('onRequest', async (request) => {
    // tRPC decodes once more than the router has: what it would find behind that was not counted, and no procedure is named so.
    if (proceduresOf(request)?.includes('%')) throw notFound();
  });
  app.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error, log, request.id);
    return reply.code(problem.status).headers(problemHeaders(problem)).send(errorBody(problem));
  });
  app.setNotFoundHandler((request, reply) => reply.code(404).send(errorBody(problemOf(notFound(), log, request.id))));

  const routes = routesOf(app);
  addRestRoutes(app, contextOf);
  addExport(app, { services, callerOf: caller });
  const document = openApiDocument();
  app.get('/openapi.json', async () => document);
  app.get('/api/docs', async (_request, reply) => sendPage(reply, referencePage()));
  await app.register(async (scope) => addVcsConnections(scope, { services, callerOf: caller }), { prefix: API_PREFIX });
  await app.register(
    async (scope) => addWorkspaces(scope, { services, callerOf: caller, publicOrigin: o.publicOrigin }),
    { prefix: API_PREFIX },
  );
  await app.register(fastifyTRPCPlugin, {
    prefix: TRPC_PREFIX,
    trpcOptions: {
      router: apiRouter,
      createContext: ({ req, info }: CreateFastifyContextOptions) => contextOf(req, info.calls.length),
      // The status of one call; of several, each tells its own.
      responseMeta: ({ errors, paths }: { errors: TRPCError[]; paths?: readonly string[] | undefined }) => {
        const [error] = errors;
        if (error === undefined || paths?.length !== 1) return {};
        const cause = causeOf(error);
        return {
          status: statusOf(cause),
          headers: new Headers(problemHeaders({ retryAfterSeconds: retryAfterOf(cause) })),
        };
      },
    },
  });
  const streamed = {
    store,
    access: services.access,
    log,
    // Asked anew each time: a stream outlives its token.
    callerOf: (request: FastifyRequest) => {
      callers.delete(request);
      return caller(request);
    },
    ...(o.eventTiming && { timing: o.eventTiming }),
  };
  const ends = [addEvents(app, streamed), addPreviewLogStream(app, { ...streamed, read: services.previewLog })];
  await app.ready();
  return {
    app,
    routes,
    endStreams: () => {
      for (const end of ends) end();
    },
  };
}
