/** The records port of the route tables, in PostgreSQL: one namespace per organization, forge and host. */
import type { JsonObject } from '../forges/forge.js';
import type { ForgeRecord, Records } from '../forges/kit/records.js';
import type { Store } from '../store/database.js';

interface RecordRow {
  id: bigint;
  kind: string;
  key: string;
  data: JsonObject;
  created_at: Date;
  updated_at: Date;
}

const COLUMNS = 'id, kind, key, data, created_at, updated_at';
const MOST_LISTED = 1_000;

function record(row: RecordRow): ForgeRecord {
  return {
    id: Number(row.id),
    kind: row.kind,
    key: row.key,
    data: row.data,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

export function createRecords(store: Store, place: { organizationId: string; forge: string; host: string }): Records {
  const { organizationId, forge, host } = place;
  const query = (text: string, values: unknown[]) =>
    store.tenant(organizationId, async (tx) => {
      const { rows } = await tx.query<RecordRow>(text, [organizationId, forge, host, ...values]);
      return rows.map(record);
    });
  const WHERE = 'organization_id = $1 AND forge = $2 AND host = $3 AND kind = $4';
  const putAll = (kind: string, entries: readonly { key: string; data: JsonObject }[]) => {
    // A statement may not touch a row twice: of two entries of one key the last counts.
    const unique = [...new Map(entries.map((entry) => [entry.key, entry])).values()].sort((a, b) =>
      a.key < b.key ? -1 : 1,
    );
    return query(
      `INSERT INTO forge_record AS r (organization_id, forge, host, kind, key, data)
       SELECT $1, $2, $3, $4, n.key, n.data FROM unnest($5::text[], $6::jsonb[]) AS n(key, data)
       ON CONFLICT (organization_id, forge, host, kind, key) DO UPDATE SET data = excluded.data, updated_at = now()
       RETURNING ${COLUMNS}`,
      [kind, unique.map(({ key }) => key), unique.map(({ data }) => JSON.stringify(data))],
    );
  };
  const add: Records['add'] = async (kind, key, data) => {
    const [made] = await query(
      `INSERT INTO forge_record (organization_id, forge, host, kind, key, data) VALUES ($1, $2, $3, $4, $5, $6)
       ON CONFLICT (organization_id, forge, host, kind, key) DO NOTHING RETURNING ${COLUMNS}`,
      [kind, key, JSON.stringify(data)],
    );
    if (made !== undefined) return { record: made, added: true };
    const [found] = await query(`SELECT ${COLUMNS} FROM forge_record WHERE ${WHERE} AND key = $5`, [kind, key]);
    // Where it was deleted in between, nobody is first any more.
    return found === undefined ? add(kind, key, data) : { record: found, added: false };
  };
  return {
    async get(kind, key) {
      const [found] = await query(`SELECT ${COLUMNS} FROM forge_record WHERE ${WHERE} AND key = $5`, [kind, key]);
      return found;
    },
    async byId(kind, id) {
      const [found] = await query(`SELECT ${COLUMNS} FROM forge_record WHERE ${WHERE} AND id = $5`, [kind, id]);
      return found;
    },
    async put(kind, key, data) {
      const [made] = await putAll(kind, [{ key, data }]);
      if (made === undefined) throw new Error('a record was written and not answered');
      return made;
    },
    add,
    async putAll(kind, entries) {
      if (entries.length > 0) await putAll(kind, entries);
    },
    list: (kind, prefix) =>
      query(
        `SELECT ${COLUMNS} FROM forge_record WHERE ${WHERE} AND key BETWEEN $5 AND $5 || chr(1114111)
         ORDER BY id LIMIT ${MOST_LISTED}`,
        [kind, prefix],
      ),
    async delete(kind, key) {
      await query(`DELETE FROM forge_record WHERE ${WHERE} AND key = $5`, [kind, key]);
    },
  };
}
