/**
 * Deliveries of one webhook of a project or a group, which GitLab lists for seven days (17.3 and newer) and sends again when
 * asked (17.4 and newer), under the same `Idempotency-Key`.
 * @see https://docs.gitlab.com/api/project_webhooks/ and group_webhooks
 */
import { z } from 'zod';
import { ForgewayError } from '../../lib/errors.js';
import type { DeliveryAttempt, DeliveryLog } from '../delivery-log.js';
import { type NativeClient, segment } from '../kit/native-client.js';
import { RouteFailure } from '../kit/route.js';
import { id, readAll } from './convert/read.js';
import { transport } from './transport.js';

const DAY_MS = 86_400_000;
/** For each project or group and token. The sixth would be answered 429, after which every request of the token would wait. */
const MOST_ASKS = 5;
/** Each holds the payload that was sent; more than twenty are refused. */
const PER_PAGE = 20;
/** What a sample of is sent to try a hook: see `enableHook`. No hook of ours subscribes to it. */
const SAMPLE = /access_token/;

const event = z.looseObject({
  id: id.transform(BigInt),
  trigger: z.string().nullish(),
  request_headers: z.record(z.string(), z.unknown()).nullish(),
  response_status: z.union([z.string(), z.number()]).nullish(),
  created_at: z.coerce.date().nullish(),
});

/** Undefined for what could not be recognised when it comes again, and for samples, which nobody misses. */
function asAttempt(native: z.output<typeof event>): DeliveryAttempt | undefined {
  const sent = Object.entries(native.request_headers ?? {}).map(([name, value]) => [name.toLowerCase(), String(value)]);
  const key = transport.deliveryKey(Object.fromEntries(sent));
  const trigger = native.trigger ?? '';
  if (key === undefined || SAMPLE.test(trigger)) return undefined;
  const answer = String(native.response_status ?? 'no answer');
  return {
    id: String(native.id),
    key,
    position: native.id,
    at: native.created_at ?? undefined,
    event: trigger,
    delivered: /^2\d\d$/.test(answer),
    answer,
  };
}

interface NativePage {
  events: z.output<typeof event>[];
  next: string | undefined;
}

/** `path` is the hook's own: `/projects/…/hooks/7`. */
export function hookDeliveries(native: NativeClient, path: string): DeliveryLog {
  const list = async (page: string, perPage: number): Promise<NativePage> => {
    // A server that cannot be reached counts as a failure of the server: "internal error".
    const query = { status: 'client_failure,server_failure', per_page: perPage, page };
    const answer = await native.send('GET', `${path}/events`, { query });
    return {
      events: readAll(event, answer.data, 'list of webhook events'),
      next: answer.headers.get('x-next-page') || undefined,
    };
  };

  /** Each event holds the whole payload. One that is too large even alone is left out: polling finds what it told. */
  const listOneByOne = async (page: string): Promise<NativePage> => {
    const first = (Number(page) - 1) * PER_PAGE + 1;
    const events: NativePage['events'] = [];
    for (let at = first; at < first + PER_PAGE; at += 1) {
      const one = await list(String(at), 1).catch((error: unknown) => {
        if (isTooLarge(error)) return { events: [], next: 'unknown' };
        throw error;
      });
      events.push(...one.events);
      if (one.next === undefined) return { events, next: undefined };
    }
    return { events, next: String(Number(page) + 1) };
  };

  return {
    keptMs: 7 * DAY_MS,
    mostAsks: MOST_ASKS,
    overlap: 0n,
    async page(page, known) {
      // What failed days ago is still in the list: it is not fetched with its payloads at every look.
      if (page === undefined && known !== null) {
        const [newest] = (await list('1', 1)).events;
        if (newest === undefined || newest.id <= known) return { attempts: [], next: undefined };
      }
      const { events, next } = await list(page ?? '1', PER_PAGE).catch((error: unknown) => {
        if (isTooLarge(error)) return listOneByOne(page ?? '1');
        throw error;
      });
      return { attempts: events.flatMap((one) => asAttempt(one) ?? []), next };
    },
    async resend(attemptId) {
      try {
        const { data } = await native.send('POST', `${path}/events/${segment(attemptId)}/resend`);
        const status = z.looseObject({ response_status: z.coerce.number() }).safeParse(data);
        // It answers 201 whatever our server said.
        return status.success && status.data.response_status >= 300 ? 'refused' : 'asked';
      } catch (error) {
        if (!(error instanceof RouteFailure)) throw error;
        if (error.status === 404 || (error.status === 422 && /url has changed/i.test(error.message))) return 'gone';
        // It could not connect, or the hook is switched off.
        if (error.status === 422) return 'refused';
        throw error;
      }
    },
  };
}

const isTooLarge = (error: unknown): boolean =>
  error instanceof ForgewayError && error.code === 'FORGEWAY_ANSWER_TOO_LARGE';
