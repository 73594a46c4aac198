/**
 * Deliveries of an App's webhook, which GitHub lists for three days and never repeats by itself.
 * @see https://docs.github.com/rest/apps/webhooks and .../webhooks/using-webhooks/handling-failed-webhook-deliveries
 */
import { z } from 'zod';
import type { DeliveryAttempt, DeliveryLog } from '../delivery-log.js';
import { type NativeClient, segment } from '../kit/native-client.js';
import { RouteFailure } from '../kit/route.js';

const DAY_MS = 86_400_000;
/** A write counts five points of the 900 that GitHub allows in a minute; the rest is for reading the list. */
const MOST_ASKS = 150;
const PER_PAGE = 100;

const delivery = z.looseObject({
  id: z.union([z.number(), z.string()]).transform(String),
  guid: z.string(),
  delivered_at: z.coerce.date(),
  status: z.string(),
  status_code: z.number(),
  event: z.string(),
});

/** The cursor in `<https://…?cursor=v1_17&per_page=100>; rel="next"`. */
function nextCursor(link: string | null): string | undefined {
  const url = (link ?? '').split(',').flatMap((one) => /<([^>]+)>\s*;[^,]*rel="?next"?/.exec(one)?.[1] ?? [])[0];
  if (url === undefined || !URL.canParse(url)) return undefined;
  return new URL(url).searchParams.get('cursor') ?? undefined;
}

function asAttempt(native: z.output<typeof delivery>): DeliveryAttempt {
  const { id, guid, delivered_at: at, event, status, status_code: code } = native;
  return {
    id,
    key: guid,
    position: BigInt(at.getTime()),
    at,
    event,
    delivered: (code >= 200 && code < 300) || status === 'OK',
    answer: status === '' ? String(code) : status,
  };
}

/** `native` speaks as the App itself. */
export function appDeliveries(native: NativeClient): DeliveryLog {
  return {
    keptMs: 3 * DAY_MS,
    mostAsks: MOST_ASKS,
    // An attempt is listed when it has ended, at the time when it began: ten seconds apart, thirty on an Enterprise Server.
    overlap: 60_000n,
    async page(cursor) {
      const answer = await native.send('GET', '/app/hook/deliveries', { query: { per_page: PER_PAGE, cursor } });
      const parsed = z.array(delivery).safeParse(answer.data);
      if (!parsed.success) throw new RouteFailure(502, 'GitHub’s list of deliveries was not understood.');
      return { attempts: parsed.data.map(asAttempt), next: nextCursor(answer.headers.get('link')) };
    },
    async resend(attemptId) {
      try {
        await native.send('POST', `/app/hook/deliveries/${segment(attemptId)}/attempts`);
        return 'asked';
      } catch (error) {
        if (!(error instanceof RouteFailure)) throw error;
        if (error.status === 404) return 'gone';
        if (error.status === 422) return 'refused';
        throw error;
      }
    },
  };
}
