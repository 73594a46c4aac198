/** The procedures as REST below `/api/v1`. */
import { TRPCError } from '@trpc/server';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { causeOf, type ProcedureContext, type ProcedureMeta } from './procedures/procedure.js';
import { apiRouter, createCaller } from './procedures/router.js';

export const REST_PREFIX = '/api/v1';

/** A procedure as the router has it. */
export interface ListedProcedure {
  /** Such as `pullRequest.get`. */
  name: string;
  meta: ProcedureMeta;
  input: unknown;
  output: unknown;
}

/** Every procedure, read from the router itself. */
export function listProcedures(): ListedProcedure[] {
  return Object.entries(apiRouter._def.procedures).map(([name, procedure]) => {
    const { meta, inputs, output } = (procedure as unknown as { _def: Record<string, unknown> })._def;
    if (meta === undefined || output === undefined)
      throw new TypeError(`the procedure ${name} has no meta or no output`);
    return { name, meta: meta as ProcedureMeta, input: (inputs as unknown[])[0], output };
  });
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** From query, body and path; what the path says cannot be said otherwise in the body. */
function inputOf(request: FastifyRequest): unknown {
  const { query, params, body } = request;
  if (body !== undefined && body !== null && !isObject(body)) return body;
  return { ...(query as object), ...body, ...(params as object) };
}

type Callers = Record<string, Record<string, (input: unknown) => Promise<unknown>>>;

/** `contextOf` says who asks; errors are for the caller of this function to answer. */
export function addRestRoutes(app: FastifyInstance, contextOf: (request: FastifyRequest) => ProcedureContext): void {
  for (const { name, meta } of listProcedures()) {
    const [group = '', procedure = ''] = name.split('.');
    app.route({
      method: meta.method,
      url: `${REST_PREFIX}${meta.path.replace(/\{(\w+)\}/g, ':$1')}`,
      async handler(request, reply) {
        const call = (createCaller(contextOf(request)) as unknown as Callers)[group]?.[procedure];
        try {
          const answer = await call?.(inputOf(request));
          return reply.code(meta.status ?? 200).send(answer);
        } catch (error) {
          throw error instanceof TRPCError ? causeOf(error) : error;
        }
      },
    });
  }
}
