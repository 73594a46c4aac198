/** What a client asked and was answered, in order, told apart from what a real one asked on another day. */
import type { FastifyInstance } from 'fastify';

export interface Exchange {
  method: string;
  /** With numbers in the place of ids: the first workspace is `{ws-1}` wherever it is named. */
  path: string;
  body?: unknown;
  status: number;
  /** JSON; absent where the answer is none. */
  answer?: unknown;
}

export function record(app: FastifyInstance): Exchange[] {
  const all: Exchange[] = [];
  app.addHook('onSend', async (request, reply, payload) => {
    const type = String(reply.getHeader('content-type') ?? '');
    const isJson = type.includes('json') && typeof payload === 'string';
    all.push({
      method: request.method,
      path: request.url,
      ...(request.body !== undefined && { body: request.body }),
      status: reply.statusCode,
      ...(isJson && { answer: JSON.parse(payload) }),
    });
    return payload;
  });
  return all;
}
