/** What a delivery's headers and body say before anybody reads the payload. */
import type { ForgeDescriptor, WebhookHeaders } from '../forge.js';
import { readJsonObject } from '../kit/json-body.js';

/** Printable ASCII and short: it becomes a key in the database and a field in every log line. */
const DELIVERY_KEY = /^[\x21-\x7e]{1,100}$/;

function header(headers: WebhookHeaders, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/**
 * GitLab sends the same value as `webhook-id` and `Idempotency-Key` (17.4 and newer), and again when a person resends.
 * `X-Gitlab-Event-UUID` looks like one and is none: all events of one chain of requests share it, so that an answer to a
 * bot's comment would be dropped as a repetition.
 */
export const transport = {
  contentTypes: ['application/json'],
  storedHeaders: [
    'content-type',
    'user-agent',
    'webhook-id',
    'webhook-timestamp',
    'idempotency-key',
    'x-gitlab-event',
    'x-gitlab-event-uuid',
    'x-gitlab-webhook-uuid',
    'x-gitlab-instance',
  ],
  deliveryKey(headers) {
    return [header(headers, 'webhook-id'), header(headers, 'idempotency-key')].find(
      (key) => key !== undefined && DELIVERY_KEY.test(key),
    );
  },
  eventType: (headers) => header(headers, 'x-gitlab-event') ?? '',
  parse: (_contentType, body) => readJsonObject(body),
} satisfies Pick<ForgeDescriptor, 'contentTypes' | 'storedHeaders' | 'deliveryKey' | 'eventType' | 'parse'>;
