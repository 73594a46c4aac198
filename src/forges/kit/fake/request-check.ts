/** Holds a request of a fake to what its route declares. */
import { z } from 'zod';

/** Query parameters come as text; these say what the text may be. */
export const parameter = {
  text: z.string(),
  integer: z.string().regex(/^-?\d+$/, 'is no integer'),
  flag: z.enum(['true', 'false', '1', '0']),
  time: z.iso.datetime({ offset: true }).or(z.iso.date()),
  texts: z.array(z.string()).or(z.string().transform((one) => [one])),
} as const;

/** A name that comes twice, or that ends in `[]` as some forges write lists, is a list. */
export function queryOf(query: URLSearchParams): Record<string, string | string[]> {
  const names = [...new Set(query.keys())];
  return Object.fromEntries(
    names.map((name) => {
      const values = query.getAll(name);
      return [name, name.endsWith('[]') || values.length > 1 ? values : (values[0] ?? '')];
    }),
  );
}

/** JSON and fields of forms are read; of anything else the value is its bytes. */
export function bodyOf(contentType: string, raw: Buffer): { value: unknown } | { invalid: string } {
  if (raw.length === 0) return { value: undefined };
  const type = contentType.split(';')[0]?.trim().toLowerCase() ?? '';
  if (type === 'application/x-www-form-urlencoded')
    return { value: queryOf(new URLSearchParams(raw.toString('utf8'))) };
  if (type !== 'application/json' && !type.endsWith('+json')) return { value: raw };
  try {
    return { value: JSON.parse(raw.toString('utf8')) };
  } catch (error) {
    if (error instanceof SyntaxError) return { invalid: 'the body is not JSON' };
    throw error;
  }
}

/** What is wrong, in one sentence. A z.object() may have its own fields only; z.looseObject() others too. */
export function problemIn(place: 'query' | 'body', schema: z.ZodType | undefined, value: unknown): string | undefined {
  const nothing = value === undefined || (isPlain(value) && Object.keys(value).length === 0);
  if (schema === undefined) return nothing ? undefined : `no ${place} is known here, but it has ${namesIn(value)}`;
  const plain = schema instanceof z.ZodObject && schema.def.catchall === undefined;
  const strict = plain ? schema.strict() : schema;
  const { error } = strict.safeParse(value ?? {});
  if (error === undefined) return undefined;
  return error.issues.map(({ path, message }) => [place, ...path].join('.').concat(': ', message)).join('; ');
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !Buffer.isBuffer(value);
}

function namesIn(value: unknown): string {
  return isPlain(value) ? Object.keys(value).join(', ') : 'something else';
}
