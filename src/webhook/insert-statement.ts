import type { StoredBody } from '../inbox/packed-body.js';

/** One webhook delivery as it is stored: raw, and nothing derived from its content. */
export interface InboxRow {
  hookId: string;
  forge: string;
  host: string;
  deliveryKey: string;
  eventType: string;
  /** JSON object of the allow-listed headers. */
  headers: string;
  body: StoredBody;
}

export const MOST_ROWS = 32;

const COLUMNS = 8;

/**
 * One prepared statement per number of rows. Multi-row VALUES take the bodies as binary; an array parameter would send
 * them as text, three times slower. A delivery that comes again does nothing, unless its row is dead: that one revives
 * with the body it has, since this role may not read any.
 */
const texts: readonly string[] = Array.from({ length: MOST_ROWS + 1 }, (_, rows) => {
  const tuples = Array.from({ length: rows }, (_, row) => {
    const parameters = Array.from({ length: COLUMNS }, (_, column) => `$${row * COLUMNS + column + 1}`);
    return `(${parameters.join(',')})`;
  });
  return `INSERT INTO webhook_delivery (hook_id, forge, host, delivery_key, event_type, headers, body_coding, body)
VALUES ${tuples.join(',')}
ON CONFLICT (hook_id, delivery_key) DO UPDATE SET status = 'received', reason = NULL, error_message = NULL,
  finished_at = NULL
WHERE webhook_delivery.status = 'dead'`;
});

/** The insert of 1 to {@link MOST_ROWS} rows with different (hook, key), as `pg` takes it. */
export function insertOf(rows: readonly InboxRow[]): { name: string; text: string; values: (string | Buffer)[] } {
  const text = texts[rows.length];
  if (text === undefined || rows.length === 0) throw new RangeError('a batch has 1 to 32 rows');
  const values: (string | Buffer)[] = [];
  for (const row of rows) {
    const { hookId, forge, host, deliveryKey, eventType, headers, body } = row;
    values.push(hookId, forge, host, deliveryKey, eventType, headers, body.coding, body.bytes);
  }
  return { name: `inbox_insert_${rows.length}`, text, values };
}
