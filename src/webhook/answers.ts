import { randomInt, randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';

/** What a webhook request is answered when it is not accepted. Bodies are constant: they tell an attacker nothing. */
export type Refusal = 401 | 405 | 408 | 413 | 415 | 503;

const BODIES: Readonly<Record<Refusal, Buffer>> = {
  401: Buffer.from('{"error":"unauthorized"}'),
  405: Buffer.from('{"error":"method not allowed"}'),
  408: Buffer.from('{"error":"request timed out"}'),
  413: Buffer.from('{"error":"payload too large"}'),
  415: Buffer.from('{"error":"unsupported media type"}'),
  503: Buffer.from('{"error":"try again later"}'),
};

const RETRY_AFTER_SECONDS = { min: 5, max: 30 };

/** How long a refused body may go on arriving before its connection is cut: closing at once would reset the answer away. */
const LINGER_MS = 500;

/** Answers 202. Only to be called after the row is committed. */
export function accept(res: ServerResponse, deliveryKey: string): void {
  const body = `{"accepted":true,"delivery":${JSON.stringify(deliveryKey)}}`;
  res.writeHead(202, ['Content-Type', 'application/json', 'Content-Length', String(Buffer.byteLength(body))]);
  res.end(body);
}

/**
 * Answers a refusal and returns the request id that stands in its header. When the body was not read to its end the
 * connection is closed after a moment in which the rest of the body is thrown away.
 */
export function refuse(req: IncomingMessage, res: ServerResponse, status: Refusal): string {
  const requestId = randomUUID();
  const body = BODIES[status];
  const headers = [
    'Content-Type',
    'application/json',
    'Content-Length',
    String(body.length),
    'X-Request-Id',
    requestId,
  ];
  if (status === 405) headers.push('Allow', 'POST');
  if (status === 503) {
    headers.push('Retry-After', String(randomInt(RETRY_AFTER_SECONDS.min, RETRY_AFTER_SECONDS.max + 1)));
  }
  if (req.complete) {
    res.writeHead(status, headers);
    res.end(body);
    return requestId;
  }
  headers.push('Connection', 'close');
  res.writeHead(status, headers);
  res.write(body);
  const finish = () => {
    clearTimeout(timer);
    res.end();
  };
  const timer = setTimeout(finish, LINGER_MS);
  req.once('end', finish).once('close', finish).resume();
  return requestId;
}
