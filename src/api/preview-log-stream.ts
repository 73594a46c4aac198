/**
 * `/api/v1/previews/{id}/logs/stream`: what a preview prints, as server-sent events, as soon as it is printed. The same pages as
 * `/logs` answers, looked for every second: the cluster or the file is asked, and never faster than the client takes what it is told.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { payerOf } from '../accounts/access/actor.js';
import type { LogCursor, PreviewLog } from '../jobs/preview/logs.js';
import { authorizedOrganization, notFound } from './authorize.js';
import { askedAgain, type EventsOptions } from './events.js';
import { readPreviewLogOf } from './preview-log.js';
import { parseInput } from './problem.js';
import { logWish, readCursor, written } from './procedures/preview-log-fields.js';
import type { Services } from './procedures/services.js';
import { createServerSentStreams } from './server-sent.js';

/** Fewer than of events: each of these asks a file or a cluster every second. */
const MOST_STREAMS = { all: 100, perOrganization: 40, perCaller: 10 };
const TIMING = { pollMs: 1_000, heartbeatMs: 15_000, recheckMs: 30_000, stuckMs: 30_000 };
const PAGE = 500;
/** What was printed before somebody looks. */
const LAST_LINES = 200;

export interface PreviewLogStreamOptions extends EventsOptions {
  /** Where a preview keeps its log. */
  read: Services['previewLog'];
}

/** Answers what ends every stream; new ones are refused then. */
export function addPreviewLogStream(app: FastifyInstance, o: PreviewLogStreamOptions): () => void {
  const { store, log } = o;
  const timing = { ...TIMING, ...o.timing };
  const streams = createServerSentStreams({ limits: MOST_STREAMS, stuckMs: timing.stuckMs, log });

  /** @throws ForgewayError when they may not, or not any more */
  const allowed = async (request: FastifyRequest, organization: string | undefined, access = o.access) => {
    const actor = await o.callerOf(request);
    const organizationId = await authorizedOrganization({ store, access }, actor, 'preview.read', organization);
    return { actor, organizationId };
  };

  app.get('/api/v1/previews/:preview/logs/stream', async (request, reply) => {
    const input = parseInput(logWish, {
      ...(request.query as object),
      id: (request.params as { preview: string }).preview,
    });
    const { organization, id, stage, service } = input;
    const first = await allowed(request, organization);
    const given = request.headers['last-event-id'] ?? input.cursor;
    const after = readCursor(typeof given === 'string' && given !== '' ? given : undefined);
    const since = input.since === undefined ? undefined : new Date(input.since);
    const look = (from: LogCursor | undefined, lines: number, fromTime = since) =>
      readPreviewLogOf(store, o.read, {
        ...{ organizationId: first.organizationId, id, stage, lines, service },
        ...{ after: from, since: fromTime },
      });
    const begin = async () => {
      const page = await look(after, after === undefined && since === undefined ? LAST_LINES : PAGE);
      if (page === undefined) throw notFound();
      return page;
    };
    await streams.open(reply, { ...first, payer: payerOf(first.actor) }, begin, async ({ signal, send }, begun) => {
      let page: PreviewLog | undefined = begun;
      let spoken = performance.now();
      let checked = spoken;
      await send('retry: 2000\n\n');
      while (page !== undefined && !signal.aborted) {
        const { next, lines, ended, more, ...rest } = page;
        if (lines.length > 0 || rest.gap) {
          const place = next === null ? '' : `id: ${written(next)}\n`;
          await send(`${place}event: lines\ndata: ${JSON.stringify({ ...rest, lines })}\n\n`);
          spoken = performance.now();
        } else if (performance.now() - spoken >= timing.heartbeatMs) {
          await send(':\n\n');
          spoken = performance.now();
        }
        if (ended && !more) {
          // Behind the build comes what was built, for whoever has not asked for one of both.
          const run: PreviewLog | undefined =
            stage === undefined && rest.stage === 'build' ? await look(undefined, PAGE, undefined) : undefined;
          if (run?.stage === 'run') {
            page = run;
            continue;
          }
          // Its client closes it: a browser would come back for ever.
          await send(`event: end\ndata: ${JSON.stringify({ sha: rest.sha, stage: rest.stage })}\n\n`);
          return;
        }
        if (!more) await sleep(timing.pollMs, undefined, { signal });
        if (performance.now() - checked >= timing.recheckMs) {
          await allowed(request, organization, askedAgain(o.access));
          checked = performance.now();
        }
        page = await look(next ?? after, PAGE);
      }
    });
  });
  return () => streams.end();
}
