/** Reads a list for the poller: the first page only if it changed, and the rest of what is longer. */
import { z } from 'zod';
import type { JsonObject } from '../forge.js';
import type { Listed, Telling } from '../poll.js';
import type { NativeAnswer, NativeClient, NativeRequest } from './native-client.js';
import { RouteFailure } from './route.js';

/** More changed objects than this between two looks are not read. */
const MOST_PAGES = 100;

export interface PolledList<T> {
  path: string;
  query: NonNullable<NativeRequest['query']>;
  /** Name of the parameter that says how many items a page has, and how many it is to have. */
  size: readonly [name: string, items: number];
  etag: string | null;
  item: z.ZodType<T>;
}

/** The page that a conditional request got; undefined when it is the same as before. */
export async function askIfChanged(
  native: NativeClient,
  path: string,
  query: NativeRequest['query'],
  etag: string | null,
): Promise<NativeAnswer | undefined> {
  const answer = await native.send('GET', path, {
    query,
    ...(etag !== null && { headers: { 'if-none-match': etag } }),
  });
  return answer.status === 304 ? undefined : answer;
}

/** The forge's clock, from the answer. */
export function clockOf({ headers }: NativeAnswer): Date | null {
  const time = Date.parse(headers.get('date') ?? '');
  return Number.isNaN(time) ? null : new Date(time);
}

/** @throws RouteFailure 502 */
export function readAs<T>(schema: z.ZodType<T>, data: unknown): T {
  const parsed = schema.safeParse(data);
  if (parsed.success) return parsed.data;
  const where = parsed.error.issues[0]?.path.join('.') ?? '';
  throw new RouteFailure(502, `The forge answered a list that is not understood (${where}).`);
}

/** Pages by number. The order must be one in which nothing moves to an earlier page while it is read. */
export async function pollList<T>(native: NativeClient, o: PolledList<T>): Promise<Listed<T>> {
  const [sizeName, size] = o.size;
  const items: T[] = [];
  const schema = z.array(o.item);
  let first: NativeAnswer | undefined;
  for (let page = 1; page <= MOST_PAGES; page += 1) {
    const query = { ...o.query, [sizeName]: size, ...(page > 1 && { page }) };
    const answer = await askIfChanged(native, o.path, query, page === 1 ? o.etag : null);
    if (answer === undefined) return { kind: 'unchanged' };
    first ??= answer;
    const found = readAs(schema, answer.data ?? []);
    items.push(...found);
    const more = answer.headers.get('link')?.includes('rel="next"') ?? found.length >= size;
    if (more && found.length > 0) continue;
    const etag = page === 1 ? first.headers.get('etag') : null;
    return { kind: 'list', items, etag, asOf: clockOf(first), whole: true };
  }
  return { kind: 'list', items, etag: null, asOf: first === undefined ? null : clockOf(first), whole: false };
}

/** A time as forges write it. */
export const pollTime = z.string().transform((value, context) => {
  const time = new Date(value);
  if (!Number.isNaN(time.getTime())) return time;
  context.addIssue({ code: 'custom', message: 'is not a time' });
  return z.NEVER;
});

type Json = Record<string, unknown>;
const objectAt = (value: unknown, key: string): Json | undefined => {
  const inner = (value as Json | undefined)?.[key];
  return typeof inner === 'object' && inner !== null ? (inner as Json) : undefined;
};
const textAt = (value: Json | undefined, key: string): string | undefined => {
  const inner = value?.[key];
  return typeof inner === 'string' || typeof inner === 'number' ? String(inner) : undefined;
};

const ZEROS = '0'.repeat(40);
const given = <T extends object>(fields: T): T =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;

/** The telling of a webhook that has GitHub's words for these fields. */
export function tellingOf(eventType: string, payload: JsonObject): Telling {
  const object = objectAt(payload, 'pull_request') ?? objectAt(payload, 'issue');
  const comment = objectAt(payload, 'comment');
  const commentId = textAt(comment, 'id');
  const version = textAt(object, 'updated_at');
  const review = textAt(objectAt(payload, 'review'), 'id');
  const head = textAt(objectAt(object, 'head'), 'sha');
  const ref = typeof payload.ref === 'string' ? payload.ref : undefined;
  const tag = textAt(objectAt(payload, 'release'), 'tag_name');
  return given<Telling>({
    version,
    head,
    release: tag === undefined ? undefined : { tag },
    comment: commentId === undefined ? undefined : given({ id: commentId, version: textAt(comment, 'updated_at') }),
    review,
    ref: ref === undefined ? undefined : refOf(eventType, ref, payload),
  });
}

function refOf(eventType: string, ref: string, payload: JsonObject): Telling['ref'] {
  if (eventType !== 'create' && eventType !== 'delete')
    return given({ name: ref, before: textAt(payload, 'before'), after: textAt(payload, 'after') });
  // These name the branch or the tag, and the commit of one that came on some forges alone.
  const folder = payload.ref_type === 'branch' ? 'refs/heads/' : payload.ref_type === 'tag' ? 'refs/tags/' : '';
  const name = ref.startsWith('refs/') ? ref : `${folder}${ref}`;
  return eventType === 'create'
    ? given({ name, before: ZEROS, after: textAt(payload, 'sha') })
    : { name, after: ZEROS };
}
