/** Jobs on clusters as rows: see `effects/kubernetes/job/records.ts`, whose port this fulfils. */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Blobs } from '../../accounts/blobs.js';
import type { LinkKind, SignedLinks } from '../../accounts/signed-links.js';
import { namespaceOfJob } from '../../effects/kubernetes/job/cluster-jobs.js';
import {
  type JobKind,
  type JobRecord,
  type JobRecords,
  type JobRef,
  jobKinds,
} from '../../effects/kubernetes/job/records.js';
import { ForgewayError } from '../../lib/errors.js';
import { CLUSTER_JOB_COLUMNS, type ClusterJobRow } from '../../store/cluster-job.js';
import type { Store } from '../../store/database.js';
import { organizationIds } from '../preview/capacity.js';
import { jobWords } from './words.js';

export interface JobRecordsOptions {
  /** As a worker. */
  store: Store;
  blobs: Blobs;
  links: Pick<SignedLinks, 'nameOf'>;
}

/** Where the routes of `api/workspaces/` that jobs use are. */
const OBJECTS = '/api/v2/objects';
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const recordOf = (row: ClusterJobRow): JobRecord => ({
  ...{ id: row.id, organizationId: row.organizationId, kind: z.enum(jobKinds).parse(row.kind), subject: row.subject },
  ...{ fence: row.fence, turn: row.turn, cluster: row.cluster, namespace: row.namespace },
  ...{ namespaceUid: row.namespaceUid, hasInput: row.inputBlobId !== null, claimedBy: row.claimedBy },
  words: jobWords.parse(row.words),
  parts: [
    ...(row.resultBlobId === null ? [] : (['result'] as const)),
    ...(row.restBlobId === null ? [] : (['rest'] as const)),
  ],
  ...{ printed: row.printedBytes, printedAt: row.printedAt },
  state: z.record(z.string(), z.unknown()).parse(row.state),
  ...{ createdAt: row.createdAt, removedAt: row.removedAt },
});

/** What tells whose a subject is. */
const OWNERS: Readonly<Record<JobKind, { table: string; idOf: (subject: string) => string }>> = {
  // A run's phase is called by its workspace, the run and the phase.
  run: { table: 'run', idOf: (subject) => subject.slice(37, 73) },
  agent: { table: 'agent_session', idOf: (subject) => subject },
};

export function createJobRecords({ store, blobs, links }: JobRecordsOptions): JobRecords {
  /** Subjects never change hands. */
  const owners = new Map<string, string>();
  const MOST_OWNERS = 10_000;

  async function organizationOf(kind: JobKind, subject: string): Promise<string | undefined> {
    const known = owners.get(subject);
    if (known !== undefined) return known;
    const { table, idOf } = OWNERS[kind];
    const id = idOf(subject);
    if (!UUID.test(id)) return undefined;
    for (const organizationId of await organizationIds(store)) {
      const { rowCount } = await store.tenant(organizationId, (tx) =>
        tx.query(
          `SELECT FROM ${table} WHERE id = $1 UNION ALL SELECT FROM cluster_job WHERE kind = $2 AND subject = $3`,
          [...[id, kind, subject]],
        ),
      );
      if (rowCount === 0) continue;
      if (owners.size >= MOST_OWNERS) owners.clear();
      owners.set(subject, organizationId);
      return organizationId;
    }
    return undefined;
  }

  async function select(ref: Pick<JobRef, 'kind' | 'subject'>, more: string, values: unknown[]): Promise<JobRecord[]> {
    const organizationId = await organizationOf(ref.kind, ref.subject);
    if (organizationId === undefined) return [];
    const { rows } = await store.tenant(organizationId, (tx) =>
      tx.query<ClusterJobRow>(
        `SELECT ${CLUSTER_JOB_COLUMNS} FROM cluster_job WHERE kind = $1 AND subject = $2 ${more}`,
        [ref.kind, ref.subject, ...values],
      ),
    );
    return rows.map(recordOf);
  }
  const find = async (ref: JobRef) => (await select(ref, 'AND fence = $3 AND turn = $4', [ref.fence, ref.turn]))[0];

  const change = (record: JobRecord, sql: string, values: unknown[] = []) =>
    store.tenant(record.organizationId, (tx) => tx.query(sql, [record.id, ...values]));

  return {
    organizationOf,
    find,
    newest: async (kind, subject) => (await select({ kind, subject }, 'ORDER BY fence DESC, turn DESC LIMIT 1', []))[0],
    all: (kind, subject) => select({ kind, subject }, 'ORDER BY fence, turn', []),

    async create(ref, { cluster, state, mostOutputBytes, mostPrintedBytes }) {
      const organizationId = await organizationOf(ref.kind, ref.subject);
      if (organizationId === undefined) throw new ForgewayError('FORGEWAY_NOT_FOUND', 'What the job is of is gone.');
      const id = randomUUID();
      await store.tenant(organizationId, (tx) =>
        tx.query(
          `INSERT INTO cluster_job (id, organization_id, kind, subject, fence, turn, cluster, namespace, state,
             output_limit, print_limit) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (kind, subject, fence, turn) DO NOTHING`,
          [
            ...[id, organizationId, ref.kind, ref.subject, ref.fence, ref.turn, cluster],
            ...[namespaceOfJob({ kind: ref.kind, id }), JSON.stringify(state), mostOutputBytes, mostPrintedBytes],
          ],
        ),
      );
      const made = await find(ref);
      if (made === undefined) throw new Error('a job vanished while it was written down');
      return made;
    },

    async putInput(record, bytes, limit) {
      const blob = await blobs.write(record.organizationId, 'job-input', bytes, { limit });
      await change(record, 'UPDATE cluster_job SET input_blob_id = coalesce(input_blob_id, $2) WHERE id = $1', [
        blob.id,
      ]);
    },

    async noteBegun(record, uid) {
      await change(record, 'UPDATE cluster_job SET namespace_uid = $2 WHERE id = $1', [uid]);
    },

    async keep(record, state) {
      await change(record, 'UPDATE cluster_job SET state = state || $2::jsonb WHERE id = $1', [JSON.stringify(state)]);
    },

    async say(record, word) {
      const same = 'id' in word ? { id: word.id } : { kind: word.kind };
      // A pause is over once something was said, and may come again.
      const once =
        word.kind === 'pause'
          ? 'words -> -1 @> $3::jsonb'
          : word.kind === 'go'
            ? `NOT (words -> -1 @> '{"kind":"pause"}')`
            : 'words @> jsonb_build_array($3::jsonb)';
      const { rowCount } = await change(
        record,
        `UPDATE cluster_job SET words = words || jsonb_build_array($2::jsonb)
         WHERE id = $1 AND removed_at IS NULL AND NOT coalesce(${once}, $3::jsonb @> '{"kind":"go"}')`,
        [JSON.stringify(word), JSON.stringify(same)],
      );
      return rowCount === 1;
    },

    async *part(record, part) {
      const { rows } = await change(
        record,
        `SELECT ${part === 'result' ? 'result_blob_id' : 'rest_blob_id'} AS id FROM cluster_job WHERE id = $1`,
      );
      const id = (rows[0] as { id: string | null } | undefined)?.id;
      if (id == null) throw new ForgewayError('FORGEWAY_NOT_FOUND', 'What the job has left did not arrive.');
      yield* blobs.read(record.organizationId, id);
    },

    async printed(record, from, most) {
      const { rows } = await change(
        record,
        `SELECT "offset"::float8 AS at, blob_id AS id FROM cluster_job_print
         WHERE job_id = $1 AND "offset" + bytes > $2 AND "offset" < $3 ORDER BY "offset"`,
        [from, from + most],
      );
      const pieces: Buffer[] = [];
      for (const { at, id } of rows as { at: number; id: string }[]) {
        const piece = await blobs.readAll(record.organizationId, id);
        pieces.push(piece.subarray(Math.max(0, from - at), Math.max(0, from + most - at)));
      }
      return Buffer.concat(pieces);
    },

    async forgetPrinted(record) {
      await change(
        record,
        `WITH gone AS (DELETE FROM cluster_job_print WHERE job_id = $1 RETURNING blob_id)
         DELETE FROM blob WHERE id IN (SELECT blob_id FROM gone)`,
      );
    },

    async noteRemoved(record) {
      await change(
        record,
        `UPDATE cluster_job SET removed_at = coalesce(removed_at, now()), input_blob_id = NULL, result_blob_id = NULL,
           rest_blob_id = NULL, words = '[]' WHERE id = $1`,
      );
    },

    async live(kind) {
      const found: JobRecord[] = [];
      for (const organizationId of await organizationIds(store)) {
        const { rows } = await store.tenant(organizationId, (tx) =>
          tx.query<ClusterJobRow>(
            `SELECT ${CLUSTER_JOB_COLUMNS} FROM cluster_job WHERE removed_at IS NULL AND kind = $1 ORDER BY created_at`,
            [kind],
          ),
        );
        found.push(...rows.map(recordOf));
      }
      return found;
    },

    links(record, base, seconds) {
      const address = (kind: LinkKind, use: 'read' | 'write') =>
        `${base.replace(/\/+$/, '')}${OBJECTS}/${kind}/${links.nameOf({ kind, use, organizationId: record.organizationId, id: record.id }, seconds)}`;
      return {
        input: address('job-input', 'read'),
        words: address('job-words', 'read'),
        output: address('job-output', 'write'),
      };
    },
  };
}
