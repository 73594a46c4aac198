/** What is held of a connection: for a copy that its owner may take away, and for its end. */
import type pg from 'pg';
import type { Store } from '../../store/database.js';
import { audit } from '../audit.js';
import { sealedColumnsOf } from '../vault-columns.js';

/** `$1` is the connection, `$2` the ids of {@link repositoriesOf}. */
const REPOSITORIES = '(SELECT unnest($2::uuid[]))';
const HOOKS = '(SELECT id FROM hook WHERE connection_id = $1)';
const DELIVERIES = `(SELECT id FROM webhook_delivery WHERE hook_id IN ${HOOKS})`;
const byRepository = `repository_id IN ${REPOSITORIES}`;
const OF_SESSIONS = `session_id IN (SELECT s.id FROM agent_session s WHERE s.${byRepository})`;
const REMOTE = 'SELECT r.forge, r.host, r.remote_id FROM repository r WHERE r.id = ANY($2::uuid[])';
const byRemote = `(forge, host, remote_repository_id) IN (${REMOTE})`;
/** Of tables whose rows the worker sees, and changes, for everybody: another organization may have served the same repository. */
const OURS = 'organization_id = current_organization()';
/** What is kept for a whole host goes with the organization's last connection to it: those of people hold nothing. */
const byHost = `EXISTS (SELECT FROM connection c WHERE c.id = $1 AND c.forge = t.forge AND c.host = t.host)
  AND NOT EXISTS (SELECT FROM connection c, connection o WHERE c.id = $1 AND o.id <> c.id AND o.forge = c.forge
    AND o.host = c.host AND o.user_id IS NULL)`;

/**
 * Repositories that are served through the connection, and those that were and that nobody serves now: when apps have heard
 * of its end, no row says any more whose they were but its deliveries.
 */
async function repositoriesOf(tx: pg.PoolClient, connectionId: string): Promise<string[]> {
  const { rows } = await tx.query<{ id: string }>(
    `SELECT r.id FROM connection c JOIN repository r ON r.forge = c.forge AND r.host = c.host
     LEFT JOIN installation i ON i.id = r.installation_id
     WHERE c.id = $1 AND (i.connection_id = c.id OR (r.installation_id IS NULL AND r.status = 'removed' AND (
       NOT EXISTS (SELECT FROM connection o WHERE o.id <> c.id AND o.forge = c.forge AND o.host = c.host AND o.user_id IS NULL)
       OR EXISTS (SELECT FROM webhook_delivery w WHERE w.hook_id IN ${HOOKS} AND w.remote_repository_id = r.remote_id))))`,
    [connectionId],
  );
  return rows.map(({ id }) => id);
}

interface HeldTable {
  table: string;
  /** Its rows; the table is `t`. */
  where: string;
  order: string;
  /** Columns that leave this server in no form. */
  without?: readonly string[];
  /** Goes with a row of another table, or with the connection. */
  goesAlong?: true;
}

/** In the order in which they are deleted: none needs what was deleted before it. */
export const heldTables: readonly HeldTable[] = [
  { table: 'connection', where: 'id = $1', order: 'id', without: sealedColumnsOf('connection'), goesAlong: true },
  { table: 'installation', where: 'connection_id = $1', order: 'id', goesAlong: true },
  { table: 'connection_confirmation', where: 'connection_id = $1', order: 'connection_id', goesAlong: true },
  { table: 'hook', where: 'connection_id = $1', order: 'id', without: sealedColumnsOf('hook'), goesAlong: true },
  { table: 'hook_watch', where: `hook_id IN ${HOOKS}`, order: 'hook_id', goesAlong: true },
  { table: 'missed_delivery', where: `hook_id IN ${HOOKS}`, order: 'hook_id, delivery_key', goesAlong: true },
  { table: 'run_hold', where: 'connection_id = $1', order: 'id', goesAlong: true },
  {
    table: 'object_snapshot',
    where: `hook_id IN ${HOOKS}`,
    order: 'hook_id, repository_id, kind, number',
    goesAlong: true,
  },
  {
    table: 'write_journal',
    where: `dispatch_id IN (SELECT id FROM dispatch WHERE delivery_id IN ${DELIVERIES})`,
    order: 'dispatch_id, request_hash, ordinal',
  },
  { table: 'event_claim', where: `delivery_id IN ${DELIVERIES}`, order: 'semantic_key' },
  { table: 'dispatch', where: `delivery_id IN ${DELIVERIES}`, order: 'id' },
  { table: 'webhook_delivery', where: `hook_id IN ${HOOKS}`, order: 'id' },
  { table: 'poll_report', where: `${OURS} AND ${byRemote}`, order: 'remote_repository_id, number, piece' },
  { table: 'command_sender', where: byHost, order: 'account_id' },
  { table: 'remembered_right', where: byHost, order: 'remote_repository_id, account_id' },
  { table: 'agent_stop', where: byHost, order: 'command_key' },
  { table: 'own_write', where: byHost, order: 'trace' },
  { table: 'forge_record', where: byHost, order: 'id' },
  { table: 'told_object', where: byRepository, order: 'repository_id, number' },
  { table: 'seen_head', where: byRepository, order: 'repository_id, number, sha' },
  { table: 'trusted_commit', where: byRepository, order: 'repository_id, number, sha' },
  { table: 'sync_cursor', where: byRepository, order: 'repository_id' },
  { table: 'app_repository', where: byRepository, order: 'app, repository_id' },
  { table: 'commit_status', where: byRepository, order: 'id' },
  {
    table: 'sticky_comment',
    where: `(pull_request_id IN (SELECT id FROM pull_request p WHERE p.${byRepository})
      OR issue_id IN (SELECT id FROM issue i WHERE i.${byRepository}))`,
    order: 'id',
  },
  {
    table: 'pull_request_sync',
    where: `pull_request_id IN (SELECT id FROM pull_request p WHERE p.${byRepository})`,
    order: 'pull_request_id',
  },
  { table: 'worktree_link', where: OF_SESSIONS, order: 'id' },
  { table: 'task_run', where: OF_SESSIONS, order: 'id' },
  { table: 'client_input', where: OF_SESSIONS, order: 'id' },
  { table: 'session_notice', where: OF_SESSIONS, order: 'session_id, sequence' },
  { table: 'session_event', where: OF_SESSIONS, order: 'session_id, sequence' },
  { table: 'preview', where: byRepository, order: 'id' },
  // Their names: what a repository gives its previews goes with it.
  { table: 'preview_secret', where: byRepository, order: 'id', without: sealedColumnsOf('preview_secret') },
  { table: 'comment', where: byRepository, order: 'id' },
  { table: 'review', where: byRepository, order: 'id' },
  { table: 'git_commit', where: byRemote, order: 'id' },
  { table: 'issue', where: byRemote, order: 'id' },
  { table: 'pull_request', where: byRemote, order: 'id' },
  { table: 'agent_session', where: byRepository, order: 'id' },
  {
    table: 'repository_claim',
    where: `${OURS} AND (forge, host, remote_id) IN (${REMOTE})`,
    order: 'remote_id',
  },
  { table: 'repository', where: `id IN ${REPOSITORIES}`, order: 'id' },
];

const PAGE = 500;

async function* rowsOf(
  tx: pg.PoolClient,
  held: HeldTable,
  connectionId: string,
  repositories: readonly string[],
): AsyncIterable<string> {
  const omitted = held.without ?? [];
  // A body is told as base64, packed as `body_coding` says; a cursor keeps no more than a page in memory.
  const row =
    held.table === 'webhook_delivery'
      ? `to_jsonb(t) || jsonb_build_object('body', encode(t.body, 'base64'))`
      : 'to_jsonb(t)';
  await tx.query(
    `DECLARE held NO SCROLL CURSOR FOR SELECT ((${row}) - $3::text[])::text AS line FROM ${held.table} t
     WHERE $1::uuid IS NOT NULL AND $2::uuid[] IS NOT NULL AND (${held.where}) ORDER BY ${held.order}`,
    [connectionId, repositories, omitted],
  );
  for (;;) {
    const { rows } = await tx.query<{ line: string }>(`FETCH ${PAGE} FROM held`);
    for (const { line } of rows) yield `{"table":${JSON.stringify(held.table)},"row":${line}}\n`;
    if (rows.length < PAGE) break;
  }
  await tx.query('CLOSE held');
}

/** What a person connected for themselves serves nothing: all there is of it is its own row. */
const OWN = heldTables.filter(({ table }) => table === 'connection');

/**
 * Writes everything that is held of a connection, one JSON object a line with its `table` and its `row`, as of one moment and
 * without secrets. `write` may take its time. Answers the number of lines; undefined when the organization, or the person in it
 * whose own it is to be, has no such connection: `write` was not called then.
 */
export async function exportConnection(
  store: Store,
  organizationId: string,
  connectionId: string,
  write: (line: string) => Promise<void>,
  o: { actor?: string; ownerId?: string | null } = {},
): Promise<number | undefined> {
  const { actor, ownerId = null } = o;
  return store.tenant(organizationId, async (tx) => {
    await tx.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ');
    const known = await tx.query('SELECT FROM connection WHERE id::text = $1 AND user_id IS NOT DISTINCT FROM $2', [
      connectionId,
      ownerId,
    ]);
    if (known.rowCount !== 1) return undefined;
    const repositories = ownerId === null ? await repositoriesOf(tx, connectionId) : [];
    let lines = 0;
    for (const held of ownerId === null ? heldTables : OWN)
      for await (const line of rowsOf(tx, held, connectionId, repositories)) {
        await write(line);
        lines += 1;
      }
    await audit(tx, organizationId, 'connection.exported', connectionId, { lines }, actor);
    return lines;
  });
}

/** Previews of the connection's repositories that still run, or that a worker has still to clear away. */
export async function runningPreviews(store: Store, organizationId: string, connectionId: string): Promise<number> {
  return store.tenant(organizationId, async (tx) => {
    const { rows } = await tx.query<{ count: bigint }>(
      `SELECT count(*) FROM preview t WHERE ${byRepository} AND phase NOT IN ('gone', 'pending') AND $1::uuid IS NOT NULL`,
      [connectionId, await repositoriesOf(tx, connectionId)],
    );
    return Number(rows[0]?.count ?? 0);
  });
}

/** Deletes it all but the connection itself, which goes last, and the record of who did what. Answers rows by table. */
export async function deleteHeldData(tx: pg.PoolClient, connectionId: string): Promise<Record<string, number>> {
  const repositories = await repositoriesOf(tx, connectionId);
  const deleted: Record<string, number> = {};
  for (const { table, where, goesAlong } of heldTables) {
    if (goesAlong) continue;
    const { rowCount } = await tx.query(
      // Every parameter has to be used for its type to be known.
      `DELETE FROM ${table} t WHERE $1::uuid IS NOT NULL AND $2::uuid[] IS NOT NULL AND (${where})`,
      [connectionId, repositories],
    );
    if (rowCount) deleted[table] = rowCount;
  }
  return deleted;
}
