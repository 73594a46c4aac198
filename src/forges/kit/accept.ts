/** Reading what an app sent: refused as GitHub refuses it, by the first field that is wrong. */
import type { z } from 'zod';
import type { JsonObject } from '../forge.js';
import { invalid } from './route.js';

/** The app's body. @throws RouteFailure 422 of GitHub's form, naming the field */
export function accept<T extends z.ZodType>(resource: string, type: T, body: JsonObject): z.output<T> {
  const parsed = type.safeParse(body);
  if (parsed.success) return parsed.data;
  const field = String(parsed.error.issues[0]?.path[0] ?? 'body');
  throw invalid(resource, field, body[field] === undefined ? 'missing_field' : 'invalid');
}
