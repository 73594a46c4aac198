/**
 * Streams of server-sent events: how many there may be, how one is opened, and that nothing is written faster than the client
 * takes it. What they tell is their routes' business.
 */
import { once } from 'node:events';
import type { FastifyReply } from 'fastify';
import { ForgewayError, messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import { createStreamSlots, type StreamLimits } from './stream-slots.js';

export interface ServerSentStream {
  /** Aborts when the client is gone or the server ends. */
  signal: AbortSignal;
  /** Resolves when the client has taken it. Rejects when it is gone, or takes nothing for too long. */
  send(text: string): Promise<void>;
}

export interface ServerSentStreams {
  /**
   * Answers with a stream. `begin` runs before anything is answered, so that what it throws is answered as ever; `tell` runs until
   * the stream is to end, and may throw to end it.
   * @throws ForgewayError FORGEWAY_STREAMS_EXHAUSTED
   */
  open<T>(
    reply: FastifyReply,
    whose: { organizationId: string; payer: string },
    begin: () => Promise<T>,
    tell: (stream: ServerSentStream, begun: T) => Promise<void>,
  ): Promise<void>;
  /** Ends all; new ones are refused from then on. */
  end(): void;
}

export function createServerSentStreams(o: {
  limits: StreamLimits;
  /** A client that takes nothing for so long is let go of. */
  stuckMs: number;
  log: Logger;
}): ServerSentStreams {
  const running = new Set<AbortController>();
  const takeSlot = createStreamSlots(o.limits);
  let stopped = false;
  return {
    async open(reply, { organizationId, payer }, begin, tell) {
      // Taken before anything is waited for, so that those who come at once are counted.
      const freeSlot = stopped ? undefined : takeSlot(organizationId, payer);
      if (freeSlot === undefined)
        throw new ForgewayError('FORGEWAY_STREAMS_EXHAUSTED', 'There are too many streams of events open.');
      const ending = new AbortController();
      const { signal } = ending;
      running.add(ending);
      const leave = () => {
        running.delete(ending);
        freeSlot();
      };
      let begun: Awaited<ReturnType<typeof begin>>;
      try {
        begun = await begin();
      } catch (error) {
        leave();
        throw error;
      }
      const { raw } = reply.hijack();
      raw.once('close', () => ending.abort());
      // It may have closed while we asked the database.
      if (raw.destroyed) ending.abort();
      const send = async (text: string): Promise<void> => {
        if (raw.write(text)) return;
        const stuck = setTimeout(() => raw.destroy(), o.stuckMs);
        try {
          await once(raw, 'drain', { signal });
        } finally {
          clearTimeout(stuck);
        }
      };
      raw.writeHead(200, {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
        'x-accel-buffering': 'no',
        // A stream ends with its connection, which would otherwise be kept for a next request.
        connection: 'close',
        'x-content-type-options': 'nosniff',
      });
      try {
        await tell({ signal, send }, begun);
      } catch (error) {
        // The client went, does not read, or may not any more; it comes back with the last id it has seen.
        if (!signal.aborted) o.log.debug({ err: messageOf(error) }, 'a stream of events ended');
      } finally {
        leave();
        raw.end();
      }
    },
    end() {
      stopped = true;
      for (const stream of running) stream.abort();
    },
  };
}
