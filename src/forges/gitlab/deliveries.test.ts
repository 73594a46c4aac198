import { describe, expect, it } from '@jest/globals';
import { ForgewayError } from '../../lib/errors.js';
import type { NativeClient, NativeRequest } from '../kit/native-client.js';
import { RouteFailure } from '../kit/route.js';
import { hookDeliveries } from './deliveries.js';

const event = (id: number, more: object = {}) => ({
  id,
  trigger: 'issue_hooks',
  request_headers: { 'Idempotency-Key': `key-${id}`, 'X-Gitlab-Token': '[REDACTED]' },
  response_status: 'internal error',
  ...more,
});

/** Answers requests by `METHOD path` and page; what is not there is too large to be read. */
function listOf(answers: Record<string, { data?: unknown; next?: string } | Error>) {
  const asked: string[] = [];
  const send = async (method: string, path: string, { query = {} }: NativeRequest = {}) => {
    const name = `${method} ${path}${query.page === undefined ? '' : ` ${query.per_page}@${query.page}`}`;
    asked.push(name);
    const found = answers[name] ?? new ForgewayError('FORGEWAY_ANSWER_TOO_LARGE', name);
    if (found instanceof Error) throw found;
    return { status: 200, headers: new Headers(found.next ? { 'x-next-page': found.next } : {}), data: found.data };
  };
  return { asked, log: hookDeliveries({ send } as unknown as NativeClient, '/hooks/7') };
}

describe('the list of a GitLab webhook’s failures', () => {
  it('is read by page, and answers what can be recognised when it comes again', async () => {
    const { log } = listOf({
      'GET /hooks/7/events 20@1': {
        next: '2',
        data: [
          event(9, { created_at: '2026-03-02T10:00:00Z', response_status: 503 }),
          event(8, { request_headers: { 'webhook-id': 'signed' } }),
          event(7, { request_headers: {} }),
          event(6, { trigger: 'resource_access_token_hooks' }),
        ],
      },
    });
    expect(await log.page(undefined, null)).toEqual({
      next: '2',
      attempts: [
        {
          id: '9',
          key: 'key-9',
          position: 9n,
          at: new Date('2026-03-02T10:00:00Z'),
          event: 'issue_hooks',
          delivered: false,
          answer: '503',
        },
        {
          ...{ id: '8', key: 'signed', position: 8n, at: undefined, event: 'issue_hooks' },
          delivered: false,
          answer: 'internal error',
        },
      ],
    });
  });

  it('is not fetched with its payloads while nothing is new', async () => {
    const known = listOf({ 'GET /hooks/7/events 1@1': { data: [event(9)] } });
    expect(await known.log.page(undefined, 9n)).toEqual({ attempts: [], next: undefined });
    expect(known.asked).toEqual(['GET /hooks/7/events 1@1']);
    const newer = listOf({
      'GET /hooks/7/events 1@1': { data: [event(10)] },
      'GET /hooks/7/events 20@1': { data: [event(10), event(9)] },
    });
    expect((await newer.log.page(undefined, 9n)).attempts.map(({ id }) => id)).toEqual(['10', '9']);
  });

  it('is read one by one where a page is too large, without what is too large alone', async () => {
    const one = (at: number, next?: string) =>
      [`GET /hooks/7/events 1@${at}`, { data: [event(100 - at)], next }] as const;
    const { log } = listOf(Object.fromEntries([one(21, '22'), one(23, '24'), one(24)]));
    const page = await log.page('2', 5n);
    expect(page.attempts.map(({ id }) => id)).toEqual(['79', '77', '76']);
    expect(page.next).toBeUndefined();
  });

  it.each<[string, { data?: unknown } | RouteFailure, string]>([
    ['201 and what our server said', { data: { response_status: 202 } }, 'asked'],
    ['201 although our server was busy', { data: { response_status: 503 } }, 'refused'],
    ['that the hook is off', new RouteFailure(422, 'Hook disabled'), 'refused'],
    ['that nobody is there', new RouteFailure(422, 'Failed to open TCP connection'), 'refused'],
    ['that the address is another', new RouteFailure(422, 'The hook URL has changed, and …'), 'gone'],
    ['that it is not there', new RouteFailure(404, '404 Not found'), 'gone'],
  ])('an event is sent again: GitLab answers %s', async (_what, answer, outcome) => {
    const { log } = listOf({ 'POST /hooks/7/events/9/resend': answer });
    expect(await log.resend('9')).toBe(outcome);
  });

  it('tells what is not about this event', async () => {
    const { log } = listOf({ 'POST /hooks/7/events/9/resend': new RouteFailure(429, 'too many') });
    await expect(log.resend('9')).rejects.toMatchObject({ status: 429 });
  });
});
