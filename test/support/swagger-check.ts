/**
 * Holds what a fake is asked and what it answers to a published Swagger 2.0 description: names and types of parameters,
 * fields of bodies, fields of answers. Differences have to be named, each with its reason.
 */
import { Ajv, type ValidateFunction } from 'ajv';
import addFormats from 'ajv-formats';

interface Parameter {
  name: string;
  in: 'path' | 'query' | 'body' | 'formData' | 'header';
  type?: string;
  enum?: string[];
  required?: boolean;
  schema?: object;
}

interface Operation {
  parameters?: Parameter[];
  responses: Record<string, { $ref?: string; schema?: object }>;
}

export interface Swagger {
  basePath: string;
  paths: Record<string, Record<string, Operation>>;
  definitions: Record<string, { properties?: Record<string, object>; required?: string[] }>;
  responses: Record<string, { schema?: object }>;
}

export interface SwaggerDifferences {
  /** Parameters of a path that take several segments. */
  wide: readonly string[];
  /** Routes the description does not know, such as `GET /admin/hooks`: not checked. */
  routes: Readonly<Record<string, string>>;
  /** Fields of answers that it does not know, such as `User.html_url`. */
  fields: Readonly<Record<string, string>>;
  /** Fields that may be null beyond objects, lists and times, as `ContentsResponse.content`. */
  nullable: Readonly<Record<string, string>>;
  /** Answers of another form or status than it says: `POST /repos/{owner}/{repo}/tags 201`. */
  answers: Readonly<Record<string, string>>;
  /** Answers that are one object or a list of them, whichever of the two it says. */
  listOrOne: Readonly<Record<string, string>>;
  /** Parameters and body fields that it lacks: `POST /path name`. */
  parameters: Readonly<Record<string, string>>;
}

const isTime = (property: Record<string, unknown>): boolean => property.format === 'date-time';

/** Go writes null for a pointer to nothing, which the description cannot say. */
function strictDefinitions(swagger: Swagger, differences: SwaggerDifferences, answers: boolean) {
  return Object.fromEntries(
    Object.entries(swagger.definitions).map(([name, definition]) => {
      const properties = Object.entries(definition.properties ?? {}).map(([key, value]) => {
        const property = value as Record<string, unknown>;
        const may =
          '$ref' in property ||
          property.type === 'array' ||
          isTime(property) ||
          `${name}.${key}` in differences.nullable;
        return [key, answers && may ? { anyOf: [property, { type: 'null' }] } : property] as const;
      });
      const extra = Object.keys(differences.fields)
        .filter((field) => field.startsWith(`${name}.`))
        .map((field) => [field.slice(name.length + 1), {}] as const);
      const isObject = definition.properties !== undefined;
      return [
        name,
        {
          ...definition,
          ...(isObject && { properties: Object.fromEntries([...properties, ...extra]), additionalProperties: false }),
        },
      ];
    }),
  );
}

/** Files and fields of a form: those it names, and all that it requires. */
async function problemsOfForm(key: string, form: Parameter[], sent: Blob): Promise<string[]> {
  if (!sent.type.startsWith('multipart/form-data')) return [`${key}: takes a form, not ${sent.type || 'nothing'}`];
  const fields = await new Response(sent).formData();
  const unknown = [...fields.keys()].filter((name) => !form.some((one) => one.name === name));
  const missing = form.filter((one) => one.required && !fields.has(one.name));
  const mistaken = form.filter(
    (one) => fields.has(one.name) && (one.type === 'file') !== fields.get(one.name) instanceof File,
  );
  return [
    ...unknown.map((name) => `${key}: no field ${name}`),
    ...missing.map(({ name }) => `${key}: lacks the field ${name}`),
    ...mistaken.map(({ name, type }) => `${key}: ${name} is not a ${type}`),
  ];
}

const literals = (path: string): number => path.split('/').filter((part) => !part.includes('{')).length;

export interface SwaggerCheck {
  /** What is wrong, one sentence each; empty when all is well. Neither body may have been read. */
  check(request: Request, response: Response): Promise<string[]>;
}

export function createSwaggerCheck(swagger: Swagger, differences: SwaggerDifferences): SwaggerCheck {
  const compile = (answers: boolean) => {
    const ajv = new Ajv({ strict: false, allErrors: true, formats: { int64: true, uint64: true, int32: true } });
    (addFormats as unknown as (ajv: Ajv) => void)(ajv);
    ajv.addSchema({ $id: 'swagger', definitions: strictDefinitions(swagger, differences, answers) });
    const compiled = new Map<string, ValidateFunction>();
    return (schema: object): ValidateFunction => {
      const text = JSON.stringify(schema).replaceAll('"#/definitions/', '"swagger#/definitions/');
      const known = compiled.get(text) ?? ajv.compile(JSON.parse(text) as object);
      compiled.set(text, known);
      return known;
    };
  };
  const [bodies, answers] = [compile(false), compile(true)];
  const excused = (list: Readonly<Record<string, string>>, key: string): boolean => Object.hasOwn(list, key);

  const patterns = Object.keys(swagger.paths)
    .sort((a, b) => literals(b) - literals(a))
    .map((path) => {
      const source = path
        .split(/\{([^}]+)\}/)
        .map((piece, at) => {
          if (at % 2 === 0) return piece.replace(/[.*+?^$()|[\]\\]/g, '\\$&');
          if (piece === 'diffType') return '(?:diff|patch)';
          return differences.wide.includes(piece) ? '.+' : '[^/]+';
        })
        .join('');
      return { path, pattern: new RegExp(`^${source}$`) };
    });

  function problemsOfQuery(key: string, operation: Operation, query: URLSearchParams): string[] {
    const known = new Map(
      (operation.parameters ?? []).filter((one) => one.in === 'query').map((one) => [one.name, one]),
    );
    return [...query].flatMap(([name, value]) => {
      const parameter = known.get(name);
      if (parameter === undefined)
        return excused(differences.parameters, `${key} ${name}`) ? [] : [`${key}: no parameter ${name}`];
      if (parameter.type === 'integer' && !/^-?\d+$/.test(value)) return [`${key}: ${name}=${value} is no integer`];
      if (parameter.type === 'boolean' && !/^(?:true|false)$/.test(value))
        return [`${key}: ${name}=${value} is no boolean`];
      return parameter.enum && !parameter.enum.includes(value)
        ? [`${key}: ${name}=${value} is not among ${parameter.enum}`]
        : [];
    });
  }

  const told = (key: string, what: string, validate: ValidateFunction, value: unknown): string[] =>
    validate(value)
      ? []
      : (validate.errors ?? []).map(
          ({ instancePath, message, params }) => `${key} ${what}${instancePath}: ${message} ${JSON.stringify(params)}`,
        );

  return {
    async check(request, response) {
      const url = new URL(request.url);
      const below = url.pathname.slice(url.pathname.indexOf(swagger.basePath) + swagger.basePath.length);
      const method = request.method.toLowerCase();
      const route = patterns.find(({ path, pattern }) => pattern.test(below) && swagger.paths[path]?.[method]);
      const operation = route && swagger.paths[route.path]?.[method];
      if (route === undefined || operation === undefined) {
        const excuse = Object.keys(differences.routes).find((one) => {
          const [verb, path = ''] = one.split(' ');
          const pattern = path.replace(/[.*+?^$()|[\]\\]/g, '\\$&').replace(/\{[^}]+\}/g, '.+');
          return verb === request.method && new RegExp(`^${pattern}$`).test(below);
        });
        return excuse === undefined ? [`${request.method} ${below}: no such route`] : [];
      }
      const key = `${request.method} ${route.path}`;
      const problems = problemsOfQuery(key, operation, url.searchParams);
      const body = operation.parameters?.find((one) => one.in === 'body');
      const form = (operation.parameters ?? []).filter((one) => one.in === 'formData');
      const sent = await request.blob();
      // What the server refuses need not be right.
      if (response.ok && form.length > 0) problems.push(...(await problemsOfForm(key, form, sent)));
      else if (response.ok && sent.size > 0) {
        if (body?.schema === undefined) problems.push(`${key}: takes no body`);
        else problems.push(...told(key, 'body', bodies(body.schema), JSON.parse(await sent.text())));
      }
      if (!response.ok) return problems;
      const declared = operation.responses[String(response.status)];
      if (excused(differences.answers, `${key} ${response.status}`)) return problems;
      if (declared === undefined) return [...problems, `${key}: answers ${response.status}`];
      const name = declared.$ref?.split('/').at(-1);
      const schema = name === undefined ? declared.schema : swagger.responses[name]?.schema;
      const text = await response.text();
      if (schema === undefined || !(response.headers.get('content-type') ?? '').includes('json')) return problems;
      const value: unknown = text === '' ? undefined : JSON.parse(text);
      const isList = (schema as { type?: string }).type === 'array';
      const either = isList !== Array.isArray(value) && excused(differences.listOrOne, key);
      const values = !either ? [value] : Array.isArray(value) ? value : [[value]];
      return [...problems, ...values.flatMap((one) => told(key, 'answer', answers(schema), one))];
    },
  };
}
