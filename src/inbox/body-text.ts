import type pg from 'pg';
import { type BodyCoding, unpackBody } from './packed-body.js';

/** How a body that is stored as it was received travels from the database. A packed one is always base64. */
export type BodyEncoding = 'utf8' | 'hex';

/** SQLSTATE of bytes that are not text in the encoding asked for. */
const NOT_TEXT = '22021';

/** What {@link bodyColumns} selects; the body is null when retention has emptied it. */
export interface BodyRecord {
  body: string | null;
  body_coding: BodyCoding;
}

/** The SQL for the body of `webhook_delivery w`, in that encoding. */
export const bodyColumns = (encoding: BodyEncoding): string =>
  `CASE w.body_coding WHEN 'br' THEN encode(w.body, 'base64')
     ELSE ${encoding === 'utf8' ? "convert_from(w.body, 'UTF8')" : "encode(w.body, 'hex')"} END AS body, w.body_coding`;

/** The body as it was received; empty when it is no longer stored. @throws when a packed one is damaged. */
export function bodyOf({ body, body_coding: coding }: BodyRecord, encoding: BodyEncoding): Buffer {
  if (body === null) return Buffer.alloc(0);
  return unpackBody({ coding, bytes: Buffer.from(body, coding === 'br' ? 'base64' : encoding) });
}

/**
 * Runs `query` with bodies as text, since the driver would fetch bytes as hexadecimal, at twice the size and several
 * times the cost; and once more as hexadecimal when one of them is not text. Not to be called inside a transaction.
 */
export async function withBodies<T>(query: (encoding: BodyEncoding) => Promise<T>): Promise<T> {
  try {
    return await query('utf8');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === NOT_TEXT)) throw error;
    return query('hex');
  }
}

/** Bodies by delivery id; a body that retention has emptied is absent. */
export function loadBodies(pool: pg.Pool, deliveryIds: readonly bigint[]): Promise<Map<bigint, Buffer>> {
  return withBodies(async (encoding) => {
    const { rows } = await pool.query<BodyRecord & { id: bigint | string }>({
      name: `lane_load_bodies_${encoding}`,
      text: `SELECT w.id, ${bodyColumns(encoding)} FROM webhook_delivery w
        WHERE w.id = ANY($1::bigint[]) AND w.body IS NOT NULL`,
      values: [deliveryIds],
    });
    return new Map(rows.map((row) => [BigInt(row.id), bodyOf(row, encoding)]));
  });
}
