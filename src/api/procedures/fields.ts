/** Fields that many procedures share, and how a list goes on. */
import { z } from 'zod';
import { InvalidRequest } from '../problem.js';

/** The organization meant; every procedure takes it. */
export const scope = {
  organization: z
    .string()
    .min(1)
    .max(100)
    .optional()
    .describe('Slug or id of the organization. Without it: the only one of the caller, else `default`.'),
};

export const id = z.uuid();
/** Of what is counted by the database. */
export const serial = z.string().regex(/^[1-9]\d{0,17}$/, 'is not a number');
export const instant = z
  .date()
  .transform((date) => date.toISOString())
  .pipe(z.iso.datetime());
/** Ids of forges and counters have 64 bits, which JSON’s numbers have not. */
export const bigNumber = z.bigint().transform(String).pipe(z.string());
export const text = (longest: number) => z.string().trim().min(1).max(longest);
export const forgeId = z.string().regex(/^[a-z][a-z0-9-]{0,30}$/, 'is not the id of a forge');

export const page = {
  limit: z.coerce.number().int().min(1).max(100).default(30).describe('How many at most, 1 to 100.'),
  cursor: z
    .string()
    .max(300)
    .optional()
    .describe('`nextCursor` of the page before; the other fields must be the same.'),
};

export const listOf = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), nextCursor: z.string().nullable().describe('null: this was the last page.') });

/** A place in a list that is sorted by a time and an id, newest first. Microseconds: two rows may share a millisecond. */
const placeSchema = z.tuple([z.string().regex(/^\d{1,16}$/), z.string().max(64)]);
export type Place = z.infer<typeof placeSchema>;

/** SQL for the first part of a {@link Place}. */
export const microsecondsOf = (column: string): string => `(extract(epoch FROM ${column}) * 1000000)::bigint::text`;

/** SQL condition: what comes after the place in these two parameters; everything where they are null. */
export const afterPlace = (column: string, idColumn: string, first: number): string =>
  `($${first}::bigint IS NULL OR (${column}, ${idColumn}) <
    ('epoch'::timestamptz + $${first}::bigint * interval '1 microsecond', $${first + 1}::uuid))`;

const encode = (place: Place): string => Buffer.from(JSON.stringify(place)).toString('base64url');

function decode(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}

/** @throws InvalidRequest for a cursor that we did not give */
export function placeOf(cursor: string | undefined, idForm: z.ZodType = z.uuid()): Place | [null, null] {
  if (cursor === undefined) return [null, null];
  const place = placeSchema.safeParse(decode(cursor));
  if (!place.success || !idForm.safeParse(place.data[1]).success)
    throw new InvalidRequest([{ path: ['cursor'], message: 'is no cursor of this list' }]);
  return place.data;
}

/** One row more than asked for was read: it says that there are more, and is not part of the page. */
export function pageOf<Row>(rows: readonly Row[], limit: number, at: (row: Row) => Place) {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return { items, nextCursor: rows.length > limit && last !== undefined ? encode(at(last)) : null };
}
