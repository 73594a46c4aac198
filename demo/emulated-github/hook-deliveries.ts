/** The App's deliveries as GitHub's API shows them: the newest first, paged by a cursor that the Link header names. */
import type { ApiAnswer } from './exchange.js';
import type { JsonObject } from './json.js';
import type { Delivery, WebhookSender } from './webhook-sender.js';

/** GitHub's words for what a receiver answered; 502 stands for nobody there. */
function shown(delivery: Delivery, installationId: number): JsonObject {
  const { id, guid, event, action, deliveredAt, redelivery, duration, statusCode } = delivery;
  const status =
    statusCode === 0 ? 'failed to connect to host' : statusCode < 300 ? 'OK' : `Invalid HTTP Response: ${statusCode}`;
  return {
    id,
    guid,
    delivered_at: deliveredAt,
    redelivery,
    duration,
    status,
    status_code: statusCode === 0 ? 502 : statusCode,
    event,
    action,
    installation_id: installationId,
    repository_id: null,
    throttled_at: null,
  };
}

/** `url` is the address that was asked, without its query. */
export function listDeliveries(
  sender: Pick<WebhookSender, 'list'>,
  installationId: number,
  url: string,
  query: URLSearchParams,
): ApiAnswer {
  const size = Math.min(100, Math.max(1, Number(query.get('per_page') ?? 30) || 30));
  const before = Number(/^v1_(\d+)$/.exec(query.get('cursor') ?? '')?.[1] ?? Number.MAX_SAFE_INTEGER);
  const rest = sender.list().filter(({ id }) => id < before);
  const page = rest.slice(0, size);
  const last = page.at(-1);
  const more = rest.length > size && last !== undefined;
  return {
    status: 200,
    json: page.map((delivery) => shown(delivery, installationId)),
    ...(more && { headers: { link: `<${url}?per_page=${size}&cursor=v1_${last.id}>; rel="next"` } }),
  };
}
