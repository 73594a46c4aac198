import type pg from 'pg';

/** How a body travels from the database. */
export type BodyEncoding = 'utf8' | 'hex';

/** SQLSTATE of bytes that are not text in the encoding asked for. */
const NOT_TEXT = '22021';

/** The SQL for a body in that encoding. */
export const bodyColumn = (encoding: BodyEncoding): string =>
  encoding === 'utf8' ? "convert_from(w.body, 'UTF8')" : "encode(w.body, 'hex')";

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
    const { rows } = await pool.query<{ id: bigint | string; body: string }>({
      name: `lane_load_bodies_${encoding}`,
      text: `SELECT w.id, ${bodyColumn(encoding)} AS body FROM webhook_delivery w
        WHERE w.id = ANY($1::bigint[]) AND w.body IS NOT NULL`,
      values: [deliveryIds],
    });
    return new Map(rows.map((row) => [BigInt(row.id), Buffer.from(row.body, encoding)]));
  });
}
