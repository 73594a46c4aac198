/**
 * How a procedure of the API is written. Each is defined once, with what it needs and how REST names it; tRPC, REST and the
 * OpenAPI document are all made from that one definition.
 */
import { initTRPC, TRPCError } from '@trpc/server';
import { z } from 'zod';
import type { Action } from '../../accounts/access/actions.js';
import { type Actor, nameOfActor } from '../../accounts/access/actor.js';
import type { LinkOwner } from '../../accounts/sign-in/account-links.js';
import type { SignInClient } from '../../accounts/sign-in/oauth-clients.js';
import { ForgewayError } from '../../lib/errors.js';
import { authorizedOrganization, permit } from '../authorize.js';
import { withFreshRole } from '../fresh-role.js';
import { once } from '../idempotency/once.js';
import { asAsked, InvalidRequest, type Problem, problemOf } from '../problem.js';
import type { Services } from './services.js';

/** Instances at which somebody can agree that an account is connected, and the way there. */
export interface Consent {
  instances(): Promise<readonly SignInClient[]>;
  /**
   * Where the browser that sent this request goes to agree. Undefined when the request is of no browser in which that person
   * has signed in, to which the way back could be bound; `unknown` when there is no such instance.
   */
  begin(userId: string, o: LinkOwner & { providerId: string }): Promise<string | 'unknown' | undefined>;
  /** Page of ours on which a person begins. */
  page: string;
}

export interface ProcedureContext {
  /** Who asks. @throws ForgewayError FORGEWAY_UNAUTHENTICATED or FORGEWAY_FORBIDDEN, see `callerOf` */
  caller(): Promise<Actor>;
  /** Of this one request. @throws InvalidRequest */
  idempotencyKey(): string | undefined;
  requestId: string;
  services: Services;
  /** Absent where nobody can sign in. */
  consent?: Consent;
}

export interface ProcedureMeta {
  /** What it takes; `signed-in`: anybody whom we know, about what is their own. */
  action: Action | 'signed-in';
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below `/api/v1`, with fields of the input in braces. */
  path: string;
  /** One sentence for the document. */
  summary: string;
  /** Of REST's answer, where it is not 200. */
  status?: 201;
  /** With `owner: me` it is about the caller's own things. */
  ownable?: boolean;
  /** It writes on the forge: a repetition finds what was written, also without an Idempotency-Key. */
  writesForge?: boolean;
  /** Its answer holds a secret that is never stored: repeated with the same key, it is refused. */
  toldOnce?: boolean;
}

/** tRPC has a fixed list of statuses; each of ours is written as the nearest, on every surface. */
const CODES = {
  400: 'BAD_REQUEST',
  401: 'UNAUTHORIZED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  409: 'CONFLICT',
  413: 'PAYLOAD_TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  422: 'UNPROCESSABLE_CONTENT',
  424: 'PRECONDITION_FAILED',
  429: 'TOO_MANY_REQUESTS',
  501: 'NOT_IMPLEMENTED',
  502: 'BAD_GATEWAY',
  503: 'SERVICE_UNAVAILABLE',
  504: 'GATEWAY_TIMEOUT',
} as const satisfies Record<number, TRPCError['code']>;

const trpcCodeOf = (error: unknown): TRPCError['code'] =>
  error instanceof ForgewayError
    ? (CODES[error.status as keyof typeof CODES] ?? 'INTERNAL_SERVER_ERROR')
    : error instanceof z.ZodError
      ? 'UNPROCESSABLE_CONTENT'
      : 'INTERNAL_SERVER_ERROR';

/** What is wrong, out of tRPC's wrapping; tRPC's own refusals, such as of a procedure that is not there, as ours. */
export function causeOf(error: TRPCError): unknown {
  if (error.cause instanceof ForgewayError || error.cause instanceof z.ZodError) return error.cause;
  switch (error.code) {
    case 'NOT_FOUND':
      return new ForgewayError('FORGEWAY_NOT_FOUND', 'There is nothing here.');
    case 'PARSE_ERROR':
    case 'BAD_REQUEST':
    case 'METHOD_NOT_SUPPORTED':
    case 'UNSUPPORTED_MEDIA_TYPE':
    case 'PAYLOAD_TOO_LARGE':
      return Object.assign(new Error(error.message), { statusCode: 400 });
    default:
      return error.cause ?? error;
  }
}

const t = initTRPC
  .context<ProcedureContext>()
  .meta<ProcedureMeta>()
  .create({
    // With it tRPC tells callers our stack.
    isDev: false,
    errorFormatter({ shape, error, ctx }) {
      const problem: Problem | undefined = ctx && problemOf(causeOf(error), ctx.services.log, ctx.requestId);
      const { code, message, issues } = problem ?? { code: 'INTERNAL', message: 'The request failed.' };
      return {
        code: shape.code,
        message,
        data: { code, httpStatus: problem?.status ?? 500, path: shape.data.path, ...(issues && { issues }) },
      };
    },
  });

/** Where it came from stays in `cause`; the code is what decides the status. */
const translated = t.middleware(async ({ next }) => {
  const result = await next();
  if (result.ok) return result;
  const { error } = result;
  // A failure of the output is ours and not the caller's.
  const cause =
    error.code === 'INTERNAL_SERVER_ERROR' && error.cause instanceof z.ZodError ? error : (error.cause ?? error);
  if (cause instanceof TRPCError) throw cause;
  const asked = asAsked(cause);
  throw new TRPCError({ code: trpcCodeOf(asked), message: 'failed', cause: asked });
});

const organizationNamed = z
  .looseObject({ organization: z.string().max(100).optional(), owner: z.unknown().optional() })
  .catch({});
/** Where an input says what it is about; the rest of it is not looked at before it was decided. */
const subjectOf = (input: Record<string, unknown>): unknown => input.id ?? input.repositoryId;

/** Decides before the input is looked at, so that a stranger learns nothing of what it should be. */
const authorized = ({ action, method, ownable = false }: ProcedureMeta & { action: Action }) =>
  t.middleware(async ({ ctx, getRawInput, next }) => {
    const { services } = ctx;
    const known = await ctx.caller();
    const input = organizationNamed.parse(await getRawInput());
    const own = ownable && input.owner === 'me';
    const asked = { subjectId: subjectOf(input), own, removal: method === 'DELETE' };
    const organizationId = await authorizedOrganization(services, known, action, input.organization, asked);
    // What is their own takes no role, so none is asked for.
    const actor = own ? known : await withFreshRole(services, known, action, organizationId);
    const ownerId = own && actor.kind === 'user' ? actor.userId : null;
    return next({ ctx: { ...ctx, actor, organizationId, ownerId, by: nameOfActor(actor) } });
  });

/** What changes something is done once; see `once`. */
const repeatable = ({ method, writesForge = false, toldOnce = false }: ProcedureMeta) =>
  t.middleware(async ({ ctx, path, getRawInput, next }) => {
    if (method === 'GET') return next();
    // Of the procedure's context: this middleware stands behind `authorized`.
    const { actor, organizationId } = ctx as typeof ctx & { actor: Actor; organizationId: string };
    const asked = { organizationId, actor, key: ctx.idempotencyKey(), writesForge, toldOnce };
    let ran: Awaited<ReturnType<typeof next>> | undefined;
    const data: unknown = await once(ctx.services, { ...asked, what: path, input: await getRawInput() }, async () => {
      ran = await next();
      if (!ran.ok) throw ran.error;
      return ran.data;
    });
    // tRPC wants what `next` has answered; of what ran before, this is all that it reads.
    return ran ?? ({ ok: true, data } as NonNullable<typeof ran>);
  });

/** A procedure about an organization: `ctx.organizationId` is one in which the caller may do this. */
export const procedure = (meta: ProcedureMeta & { action: Action }) =>
  t.procedure.meta(meta).use(translated).use(authorized(meta)).use(repeatable(meta));

/** One that needs nothing but to know who asks. It is of no organization, in which its requests would be kept: sent twice, it is done twice. */
export const signedIn = (meta: Omit<ProcedureMeta, 'action'>) =>
  t.procedure
    .meta({ ...meta, action: 'signed-in' })
    .use(translated)
    .use(async ({ ctx, next }) => {
      const actor = await ctx.caller();
      if (actor.kind === 'anonymous' || (actor.kind === 'user' && actor.suspended))
        await permit(ctx.services, actor, 'organization.read', { name: 'own things' });
      // Whoever sends one relies on it.
      if (meta.method !== 'GET' && ctx.idempotencyKey() !== undefined)
        throw new InvalidRequest([
          { path: ['Idempotency-Key'], message: 'is not taken here: look at what was made before you ask again' },
        ]);
      return next({ ctx: { ...ctx, actor, by: nameOfActor(actor) } });
    });

export const { router, createCallerFactory } = t;
