/**
 * What a job on a cluster is given, told and leaves, by signed addresses that expire. Nobody but its own pod has them, and they
 * open nothing else.
 */
import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { LinkKind, LinkUse } from '../../accounts/signed-links.js';
import { jobWords, wordLines } from '../../jobs/cluster-job/words.js';
import { ForgewayError, messageOf } from '../../lib/errors.js';
import {
  addClusterJobPrint,
  type ClusterJobRow,
  claimClusterJob,
  clusterJobById,
  noteClusterJobPart,
} from '../../store/cluster-job.js';
import { notFound } from '../authorize.js';
import { parseQuery } from '../problem.js';
import { type Routes, UPLOAD } from './context.js';

const claimQuery = z.object({ pod: z.string().regex(/^[A-Za-z0-9-]{1,64}$/, 'must be the uid of a pod') });
const wordsQuery = z.object({ after: z.coerce.number().int().min(0).default(0) });
const outputQuery = z.discriminatedUnion('part', [
  z.object({ part: z.enum(['result', 'rest']) }),
  z.object({ part: z.literal('printed'), at: z.coerce.number().int().min(0) }),
]);
/** A courier sends no longer piece. */
const MOST_PIECE = 1024 * 1024;

export function addJobRoutes(app: FastifyInstance, { o }: Pick<Routes, 'o'>): void {
  const { store, workspaces, log } = o.services;

  async function jobOf(kind: LinkKind, use: LinkUse, name: string): Promise<ClusterJobRow> {
    const target = workspaces.links.read(kind, use, name);
    if (target === undefined) throw notFound();
    const row = await store.tenant(target.organizationId, (tx) => clusterJobById(tx, target.id));
    if (row === undefined || row.removedAt !== null) throw notFound();
    return row;
  }

  /** A piece that is kept already is answered as if it were new: the answer to the first one may be what was lost. */
  async function keepPrinted(row: ClusterJobRow, at: number, bytes: AsyncIterable<Uint8Array>): Promise<void> {
    const { organizationId, printedBytes, printLimit } = row;
    if (at < printedBytes) return;
    if (at > printedBytes) throw new ForgewayError('FORGEWAY_CONFLICT', 'What was printed before that is not here.');
    if (at >= printLimit) throw new ForgewayError('FORGEWAY_TOO_LARGE', 'More was printed than is kept.');
    const blob = await workspaces.blobs.write(organizationId, 'job-output', bytes, {
      limit: Math.min(MOST_PIECE, printLimit - at),
    });
    const piece = { at, bytes: Number(blob.size), blobId: blob.id };
    if (piece.bytes > 0) await store.tenant(organizationId, (tx) => addClusterJobPrint(tx, row, piece));
  }

  app.get<{ Params: { name: string } }>('/objects/job-input/:name', async (request, reply) => {
    const row = await jobOf('job-input', 'read', request.params.name);
    const { pod } = parseQuery(claimQuery, request.query);
    const { organizationId, id, inputBlobId } = row;
    const isTheirs = await store.tenant(organizationId, (tx) => claimClusterJob(tx, id, pod));
    if (!isTheirs || inputBlobId === null)
      throw new ForgewayError('FORGEWAY_CONFLICT', 'Another pod of this job was given what it begins with.');
    return reply.type('application/gzip').send(Readable.from(workspaces.blobs.read(organizationId, inputBlobId)));
  });

  app.get<{ Params: { name: string } }>('/objects/job-words/:name', async (request, reply) => {
    const row = await jobOf('job-words', 'read', request.params.name);
    const { after } = parseQuery(wordsQuery, request.query);
    return reply.type('text/plain; charset=utf-8').send(wordLines(jobWords.parse(row.words), after));
  });

  app.put<{ Params: { name: string } }>('/objects/job-output/:name', UPLOAD, async (request, reply) => {
    const row = await jobOf('job-output', 'write', request.params.name);
    const asked = parseQuery(outputQuery, request.query);
    const { organizationId, id, outputLimit: limit } = row;
    if (asked.part === 'printed') {
      await keepPrinted(row, asked.at, request.raw);
      return reply.code(200).send();
    }
    const { part } = asked;
    const isThere = (now: ClusterJobRow) => (part === 'result' ? now.resultBlobId : now.restBlobId) !== null;
    // The answer to the first one may be what was lost.
    if (isThere(row)) return reply.code(200).send();
    try {
      const blob = await workspaces.blobs.write(organizationId, 'job-output', request.raw, { limit });
      await store.tenant(organizationId, async (tx) => {
        if (await noteClusterJobPart(tx, id, part, blob.id)) return;
        const now = await clusterJobById(tx, id);
        if (now === undefined || !isThere(now)) throw notFound();
      });
    } catch (error) {
      log.warn({ job: id, part, err: messageOf(error) }, 'what a job has left did not arrive');
      throw error;
    }
    return reply.code(200).send();
  });
}
