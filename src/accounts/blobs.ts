/**
 * Archives, plans and states: bytes of any length in the database, so that every process of an installation has them. Each has
 * a key of its own, sealed in its row; the pieces are sealed with that key and bound to their place.
 */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import type pg from 'pg';
import { ForgewayError } from '../lib/errors.js';
import { decryptBytes, encryptBytes, NONCE_BYTES, TAG_BYTES } from '../store/cipher.js';
import type { Store } from '../store/database.js';
import type { Vault } from './vault.js';
import { openSecrets, type SealedColumns, sealedColumnsOf, sealedValues, sealSecrets } from './vault-columns.js';

export type BlobKind =
  | 'configuration'
  | 'plan'
  | 'plan-json'
  | 'plan-shown'
  | 'state'
  | 'state-json'
  | 'job-input'
  | 'job-output';

export interface StoredBlob {
  id: string;
  /** Of the plain bytes, hex. */
  sha256: string;
  size: bigint;
}

export interface Blobs {
  /**
   * Stores what comes, piece by piece: nothing of it is held longer than a piece. An archive that is there already is kept once.
   * @throws ForgewayError FORGEWAY_TOO_LARGE beyond `limit` bytes, and whatever the stream throws; nothing is left then
   */
  write(
    organizationId: string,
    kind: BlobKind,
    bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    o: { limit: number },
  ): Promise<StoredBlob>;
  /** Piece by piece. @throws ForgewayError FORGEWAY_NOT_FOUND, FORGEWAY_SECRET_UNREADABLE when anything of it was changed */
  read(organizationId: string, id: string): AsyncIterable<Buffer>;
  /** All of it; for what is known to be small enough. */
  readAll(organizationId: string, id: string): Promise<Buffer>;
}

const PIECE = 1024 * 1024;
const KEY_BYTES = 32;

const aadOf = (blobId: string, ordinal: number): Buffer => Buffer.from(`forgeway/v1/blob/${blobId}/${ordinal}`);

function sealPiece(key: Buffer, blobId: string, ordinal: number, piece: Buffer): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const { ciphertext, tag } = encryptBytes(key, nonce, aadOf(blobId, ordinal), piece);
  return Buffer.concat([nonce, tag, ciphertext]);
}

function openPiece(key: Buffer, blobId: string, ordinal: number, sealed: Buffer): Buffer {
  return decryptBytes(key, sealed.subarray(0, NONCE_BYTES), aadOf(blobId, ordinal), {
    tag: sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES),
    ciphertext: sealed.subarray(NONCE_BYTES + TAG_BYTES),
  });
}

/** The same bytes in pieces of one length, the last one excepted. */
async function* piecesOf(bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Buffer> {
  let waiting: Uint8Array[] = [];
  let length = 0;
  for await (const part of bytes) {
    waiting.push(part);
    length += part.length;
    if (length < PIECE) continue;
    const all = Buffer.concat(waiting);
    const whole = all.length - (all.length % PIECE);
    for (let at = 0; at < whole; at += PIECE) yield all.subarray(at, at + PIECE);
    waiting = [all.subarray(whole)];
    length = all.length - whole;
  }
  if (length > 0) yield Buffer.concat(waiting);
}

async function insertBlob(
  tx: pg.PoolClient,
  vault: Vault,
  o: { id: string; organizationId: string; kind: BlobKind; key: Buffer },
) {
  const place = { table: 'blob', organizationId: o.organizationId, rowId: o.id } as const;
  const columns = await sealSecrets(tx, vault, place, undefined, { data_key: o.key.toString('base64') });
  const { names, values } = sealedValues('blob', columns);
  await tx.query(
    `INSERT INTO blob (id, organization_id, kind, ${names.join(', ')})
     VALUES ($1, $2, $3, ${names.map((_, i) => `$${i + 4}`).join(', ')})`,
    [o.id, o.organizationId, o.kind, ...values],
  );
}

/** Answers the one that is there: this one, or for an archive an equal one that was there before. */
async function finishBlob(
  tx: pg.PoolClient,
  organizationId: string,
  kind: BlobKind,
  blob: StoredBlob,
): Promise<string> {
  if (kind === 'configuration') {
    // Two that arrive at once: the second waits here, and finds the first.
    await tx.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`blob ${organizationId} ${blob.sha256}`]);
    const { rows } = await tx.query<{ id: string }>(
      `SELECT id FROM blob WHERE organization_id = $1 AND kind = $2 AND sha256 = $3`,
      [organizationId, kind, blob.sha256],
    );
    const [known] = rows;
    if (known !== undefined) {
      await tx.query('DELETE FROM blob WHERE id = $1', [blob.id]);
      return known.id;
    }
  }
  await tx.query('UPDATE blob SET sha256 = $2, size = $3 WHERE id = $1', [blob.id, blob.sha256, blob.size]);
  return blob.id;
}

export function createBlobs({ store, vault }: { store: Store; vault: Vault }): Blobs {
  async function* read(organizationId: string, id: string): AsyncGenerator<Buffer> {
    const { rows } = await store.tenant(organizationId, (tx) =>
      tx.query<SealedColumns<'blob'> & { sha256: string }>(
        `SELECT sha256, ${sealedColumnsOf('blob').join(', ')} FROM blob WHERE id = $1 AND sha256 IS NOT NULL`,
        [id],
      ),
    );
    const [row] = rows;
    if (row === undefined) throw new ForgewayError('FORGEWAY_NOT_FOUND', 'What was stored is not kept any more.');
    const key = Buffer.from(
      openSecrets(vault, { table: 'blob', organizationId, rowId: id }, row).data_key ?? '',
      'base64',
    );
    const hash = createHash('sha256');
    for (let ordinal = 0; ; ordinal++) {
      const { rows: chunks } = await store.tenant(organizationId, (tx) =>
        tx.query<{ bytes: Buffer }>('SELECT bytes FROM blob_chunk WHERE blob_id = $1 AND ordinal = $2', [id, ordinal]),
      );
      const [chunk] = chunks;
      if (chunk === undefined) break;
      const piece = openPiece(key, id, ordinal, chunk.bytes);
      hash.update(piece);
      yield piece;
    }
    // A piece that is missing at the end would go unnoticed otherwise.
    if (hash.digest('hex') !== row.sha256)
      throw new ForgewayError('FORGEWAY_SECRET_UNREADABLE', `What was stored as ${id} is not whole any more.`);
  }

  return {
    async write(organizationId, kind, bytes, { limit }) {
      const id = randomUUID();
      const key = randomBytes(KEY_BYTES);
      await store.tenant(organizationId, (tx) => insertBlob(tx, vault, { id, organizationId, kind, key }));
      try {
        const hash = createHash('sha256');
        let size = 0;
        let ordinal = 0;
        for await (const piece of piecesOf(bytes)) {
          size += piece.length;
          if (size > limit)
            throw new ForgewayError('FORGEWAY_TOO_LARGE', `It has more than the ${limit} bytes that may be stored.`);
          hash.update(piece);
          const sealed = sealPiece(key, id, ordinal, piece);
          await store.tenant(organizationId, (tx) =>
            tx.query('INSERT INTO blob_chunk (blob_id, ordinal, organization_id, bytes) VALUES ($1, $2, $3, $4)', [
              id,
              ordinal,
              organizationId,
              sealed,
            ]),
          );
          ordinal++;
        }
        const blob = { id, sha256: hash.digest('hex'), size: BigInt(size) };
        const kept = await store.tenant(organizationId, (tx) => finishBlob(tx, organizationId, kind, blob));
        return { ...blob, id: kept };
      } catch (error) {
        // What cannot be removed now is found by sweepBlobs.
        await store
          .tenant(organizationId, (tx) => tx.query('DELETE FROM blob WHERE id = $1', [id]))
          .catch(() => undefined);
        throw error;
      }
    },
    read,
    async readAll(organizationId, id) {
      const pieces: Buffer[] = [];
      for await (const piece of read(organizationId, id)) pieces.push(piece);
      return Buffer.concat(pieces);
    },
  };
}

/** Removes what came only in part, and what nothing refers to any more. Answers how many. */
export async function sweepBlobs(tx: pg.PoolClient, organizationId: string): Promise<number> {
  const { rowCount } = await tx.query(
    `DELETE FROM blob b WHERE b.organization_id = $1 AND b.created_at < now() - interval '1 hour'
       AND NOT EXISTS (SELECT FROM configuration_version c WHERE c.blob_id = b.id)
       AND NOT EXISTS (SELECT FROM run_phase p WHERE b.id IN (p.plan_blob_id, p.json_blob_id, p.shown_blob_id))
       AND NOT EXISTS (SELECT FROM state_version s WHERE s.state_blob_id = b.id OR s.json_blob_id = b.id)
       AND NOT EXISTS (SELECT FROM cluster_job j WHERE b.id IN (j.input_blob_id, j.result_blob_id, j.rest_blob_id))
       AND NOT EXISTS (SELECT FROM cluster_job_print p WHERE p.blob_id = b.id)`,
    [organizationId],
  );
  return rowCount ?? 0;
}
