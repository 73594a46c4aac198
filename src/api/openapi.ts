/** The OpenAPI document of the REST routes, made from the procedures themselves. */
import { z } from 'zod';
import { EXPORT_ACTION, EXPORT_NAME, EXPORT_PATH, EXPORT_SUMMARY, EXPORT_TYPE, exportInput } from './export-route.js';
import { listProcedures, REST_PREFIX } from './rest.js';

type Json = Record<string, unknown>;
interface ObjectSchema extends Json {
  properties: Record<string, Json>;
  required?: string[];
}

const schemaOf = (schema: unknown, io: 'input' | 'output'): ObjectSchema => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema as z.ZodType, { io }) as Json;
  return rest as ObjectSchema;
};

const json = (schema: Json) => ({ content: { 'application/json': { schema } } });
const refusal = (description: string) => ({ description, ...json({ $ref: '#/components/schemas/Error' }) });
const LIMITED = {
  ...refusal('Asked more often than the caller may.'),
  headers: {
    'Retry-After': { description: 'Seconds until the next is allowed.', schema: { type: 'integer' } },
    'RateLimit-Limit': { description: 'Requests in a minute.', schema: { type: 'integer' } },
    'RateLimit-Remaining': { description: 'Of them, those that are left now.', schema: { type: 'integer' } },
    'RateLimit-Reset': { description: 'Seconds until all of them are.', schema: { type: 'integer' } },
  },
};
const REFUSALS = {
  401: refusal('Nobody is known to ask: no token, or one that does not hold.'),
  403: refusal('They may not do this.'),
  404: refusal('There is nothing here for them.'),
  422: refusal('Fields are missing, unknown or wrong.'),
  429: LIMITED,
};

const IDEMPOTENCY_KEY: Json = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description:
    'One word, made anew for each request. The same request with the same key is done once, and answered the same for a day.',
  schema: { type: 'string', maxLength: 255 },
};
const REPEATED = {
  409: refusal('The same request has not ended yet, see `Retry-After`, or it does not fit what is there now.'),
};

const ERROR: Json = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['code', 'message'],
      properties: {
        code: { type: 'string', description: 'Stable; docs/errors.md lists them. Match on it, never on the message.' },
        message: { type: 'string' },
        issues: {
          type: 'array',
          items: {
            type: 'object',
            required: ['path', 'message'],
            properties: {
              path: { type: 'array', items: { type: ['string', 'integer'] } },
              message: { type: 'string' },
            },
          },
        },
      },
    },
  },
};

/** Which fields are in the path, which in the query, and what is left for the body. */
function placed(method: string, path: string, input: ObjectSchema): { parameters: Json[]; requestBody?: Json } {
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? '');
  const hasBody = method !== 'GET' && method !== 'DELETE';
  const inQuery = (name: string) => !hasBody || name === 'organization';
  const rest = Object.keys(input.properties).filter((name) => !inPath.includes(name));
  const needs = (name: string) => input.required?.includes(name) ?? false;
  const parameter = (name: string, where: string) => {
    const { description, ...schema } = input.properties[name] ?? {};
    const required = where === 'path' || needs(name);
    return { name, in: where, required, ...(description !== undefined && { description }), schema };
  };
  const inBody = rest.filter((name) => !inQuery(name));
  const required = inBody.filter(needs);
  return {
    parameters: [
      ...inPath.map((name) => parameter(name, 'path')),
      ...rest.filter(inQuery).map((name) => parameter(name, 'query')),
    ],
    ...(inBody.length > 0 && {
      requestBody: {
        required: required.length > 0,
        ...json({
          type: 'object',
          properties: Object.fromEntries(inBody.map((name) => [name, input.properties[name]])),
          ...(required.length > 0 && { required }),
          additionalProperties: false,
        }),
      },
    }),
  };
}

export function openApiDocument(): Json {
  const paths: Record<string, Json> = {};
  for (const { name, meta, input, output } of listProcedures()) {
    const path = `${REST_PREFIX}${meta.path}`;
    const { parameters, ...body } = placed(meta.method, meta.path, schemaOf(input, 'input'));
    const takesKey = meta.method !== 'GET' && meta.action !== 'signed-in';
    paths[path] ??= {};
    paths[path][meta.method.toLowerCase()] = {
      operationId: name,
      tags: [name.split('.')[0]],
      summary: meta.summary,
      description: meta.action === 'signed-in' ? 'For whoever is known.' : `Takes the right \`${meta.action}\`.`,
      parameters: [...parameters, ...(takesKey ? [IDEMPOTENCY_KEY] : [])],
      ...body,
      responses: {
        [meta.status ?? 200]: { description: 'Done.', ...json(schemaOf(output, 'output')) },
        ...REFUSALS,
        ...(takesKey && REPEATED),
      },
    };
  }
  paths[EXPORT_PATH] = {
    get: {
      operationId: EXPORT_NAME,
      tags: ['connections'],
      summary: EXPORT_SUMMARY,
      description: `Takes the right \`${EXPORT_ACTION}\`. Not served as tRPC.`,
      parameters: placed('GET', EXPORT_PATH, schemaOf(exportInput, 'input')).parameters,
      responses: {
        200: {
          description:
            'One JSON object a line, with its `table` and its `row`. An answer that ends without its end is not whole.',
          content: { [EXPORT_TYPE]: { schema: { type: 'string' } } },
        },
        ...REFUSALS,
      },
    },
  };
  return {
    openapi: '3.1.0',
    info: {
      title: 'Forgeway',
      version: '1',
      description:
        'The same procedures are served as tRPC at /api/trpc, by their operationId. /api/v2 (JSON:API), /api/events and /api/v1/previews/{id}/logs/stream are described in docs/guides/api.md.',
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }],
    paths,
    components: {
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: '`forgeway tokens create` makes one.' },
      },
      schemas: { Error: ERROR },
    },
  };
}
