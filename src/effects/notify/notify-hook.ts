/**
 * Tells an address that the operator has named of something, by a signed POST as standardwebhooks.com has it: whoever receives it checks
 * `webhook-signature`, and knows what comes again by `webhook-id`.
 */
import { createHmac } from 'node:crypto';
import type { Clock } from '../../lib/clock.js';
import type { Outbound } from '../../lib/outbound/outbound.js';

export interface NotifyHook {
  /**
   * Sends it, perhaps not for the first time. `refused`: the address does not want it, whoever asks again.
   * @throws Error when it is to be tried again
   */
  send(
    id: string,
    body: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
  ): Promise<'taken' | { refused: string }>;
}

const TIMEOUT_MS = 10_000;
/** Of those that say no, some mean later. */
const LATER: ReadonlySet<number> = new Set([408, 425, 429]);
const SECRET = /^whsec_([A-Za-z0-9+/]+={0,2})$/;

/** A secret in the standard's own form is base64; any other is taken as it is. */
function keyOf(secret: string): Buffer {
  const encoded = SECRET.exec(secret)?.[1];
  return encoded === undefined ? Buffer.from(secret, 'utf8') : Buffer.from(encoded, 'base64');
}

export function createNotifyHook(o: {
  url: string;
  /** Absent: it is not signed. */
  secret: string | undefined;
  fetch: Outbound['fetch'];
  clock: Clock;
}): NotifyHook {
  const key = o.secret === undefined ? undefined : keyOf(o.secret);
  return {
    async send(id, told, signal) {
      const body = JSON.stringify(told);
      const timestamp = String(Math.floor(o.clock.now().getTime() / 1_000));
      const signature = key && createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
      const response = await o.fetch(o.url, {
        method: 'POST',
        redirect: 'manual',
        headers: {
          'content-type': 'application/json',
          'user-agent': 'forgeway',
          'webhook-id': id,
          'webhook-timestamp': timestamp,
          ...(signature && { 'webhook-signature': `v1,${signature}` }),
        },
        body,
        signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
      });
      await response.body?.cancel();
      const { status } = response;
      if (status >= 200 && status < 300) return 'taken';
      // A redirect is never followed: what is told would go to somebody whom nobody has named.
      if (status >= 500 || LATER.has(status)) throw new Error(`AGENT_NOTIFY_URL answers ${status}`);
      return { refused: `AGENT_NOTIFY_URL answers ${status}` };
    },
  };
}
