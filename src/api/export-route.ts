/**
 * `/api/v1/connections/{id}/export`: everything that is held of a connection, as lines that are written while they are read, so
 * that none of it has to fit in memory. For the same people who may take the connection away with its data.
 */
import { once } from 'node:events';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { type Actor, nameOfActor, payerOf } from '../accounts/access/actor.js';
import { ForgewayError, messageOf } from '../lib/errors.js';
import { authorizedOrganization, notFound } from './authorize.js';
import { withFreshRole } from './fresh-role.js';
import { parseInput } from './problem.js';
import { id, scope } from './procedures/fields.js';
import type { Services } from './procedures/services.js';
import { createStreamSlots } from './stream-slots.js';

export const EXPORT_PATH = '/api/v1/connections/{id}/export';
export const EXPORT_NAME = 'connections.export';
export const EXPORT_SUMMARY = 'Everything that is held of a connection, as of one moment, without tokens and secrets.';
export const EXPORT_ACTION = 'connection.manage';
export const EXPORT_TYPE = 'application/x-ndjson';
export const exportInput = z.strictObject({
  ...scope,
  owner: z.enum(['organization', 'me']).default('organization').describe('`me`: the caller’s own.'),
  id,
});

/** Each holds a connection to the database, and what it sees of it. */
const MOST = { all: 4, perOrganization: 2, perCaller: 1 };
/** Somebody who takes nothing for so long is let go of. */
const STUCK_MS = 30_000;
/** Somebody who takes it a letter at a time, too. */
const LONGEST_MS = 30 * 60_000;

export interface ExportOptions {
  services: Services;
  callerOf(request: FastifyRequest): Promise<Actor>;
}

/** Where the organization is named, before the rest of the input is looked at. */
const named = z.looseObject({ organization: z.string().max(100).optional(), owner: z.unknown().optional() }).catch({});

export function addExport(app: FastifyInstance, { services, callerOf }: ExportOptions): void {
  const { connections, log } = services;
  const takeSlot = createStreamSlots(MOST);
  app.get(EXPORT_PATH.replace('{id}', ':id'), async (request, reply) => {
    const given = { ...(request.query as object), ...(request.params as object) };
    const known = await callerOf(request);
    const { organization, owner } = named.parse(given);
    const own = owner === 'me';
    const subjectId = (request.params as { id: unknown }).id;
    const organizationId = await authorizedOrganization(services, known, EXPORT_ACTION, organization, {
      subjectId,
      own,
    });
    const actor = own ? known : await withFreshRole(services, known, EXPORT_ACTION, organizationId);
    const { id: connectionId } = parseInput(exportInput, given);
    const ownerId = own && actor.kind === 'user' ? actor.userId : null;
    const freeSlot = takeSlot(organizationId, payerOf(actor));
    if (freeSlot === undefined)
      throw new ForgewayError('FORGEWAY_STREAMS_EXHAUSTED', 'Another export is under way. Wait until it has ended.');
    const { raw } = reply;
    const gone = new AbortController();
    const leave = () => gone.abort();
    raw.once('close', leave);
    const tooLong = setTimeout(() => raw.destroy(), LONGEST_MS);
    const write = async (line: string): Promise<void> => {
      gone.signal.throwIfAborted();
      if (!reply.sent) {
        reply.hijack();
        raw.writeHead(200, {
          'content-type': `${EXPORT_TYPE}; charset=utf-8`,
          'content-disposition': `attachment; filename="connection-${connectionId}.jsonl"`,
          'cache-control': 'no-store',
          'x-content-type-options': 'nosniff',
          'x-request-id': request.id,
        });
      }
      if (raw.write(line)) return;
      const stuck = setTimeout(() => raw.destroy(), STUCK_MS);
      try {
        await once(raw, 'drain', { signal: gone.signal });
      } finally {
        clearTimeout(stuck);
      }
    };
    try {
      const by = { actor: nameOfActor(actor), ownerId };
      const lines = await connections.export(organizationId, connectionId, write, by);
      if (lines === undefined) throw notFound();
      raw.end();
      return reply;
    } catch (error) {
      if (!reply.sent) throw error;
      // What was sent is not all: an answer that breaks off says so, and a whole one would not.
      log.warn({ requestId: request.id, err: messageOf(error) }, 'an export ended before it was whole');
      raw.destroy();
      return reply;
    } finally {
      clearTimeout(tooLong);
      raw.off('close', leave);
      freeSlot();
    }
  });
}
