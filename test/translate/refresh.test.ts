/** A replayed event on GitHub: what it is about is read again before any app sees it. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { currentDelivery } from '../../src/lib/delivery-scope.js';
import type { Bridge, DeliveredEvent } from '../../src/translate/bridge.js';
import { nock } from '../support/nock.js';
import { createRig, fixture, type Rig } from './bridge-rig.js';

const API = 'https://api.github.com';
const COMMENT = '/repos/acme/web/issues/comments/9201';
const PULL = '/repos/acme/web/pulls/12';

let rig: Rig;
let hookId: string;
let bridge: Bridge;
const seen: Record<string, unknown>[] = [];
const moved: unknown[] = [];

beforeAll(async () => {
  rig = await createRig();
  hookId = await rig.hook({ scope: 'app' });
  bridge = await rig.bridge([
    {
      name: 'greeter',
      load: (probot) => {
        probot.onAny(async ({ payload }) => {
          seen.push(payload as unknown as Record<string, unknown>);
          moved.push(currentDelivery()?.headMoved);
        });
      },
    },
  ]);
  // One token for the whole file: it is kept for 50 minutes.
  nock(API)
    .post('/app/installations/42/access_tokens')
    .reply(201, { token: 'ghs_of42', expires_at: new Date(Date.now() + 3_600_000).toISOString() });
});
afterAll(() => rig.database.drop());
beforeEach(() => {
  seen.splice(0);
  moved.splice(0);
});

const replay = (name: string, more: Partial<DeliveredEvent> = {}, payload: Record<string, unknown> = fixture(name)) =>
  bridge.run(rig.delivery({ name, hookId, refresh: true, payload, ...more }), new AbortController().signal);
const answers = (path: string, data: object, status = 200) => nock(API).get(path).reply(status, data);
const stored = (name: string, key: string) => fixture(name)[key] as Record<string, unknown>;

describe('a replayed event', () => {
  it('says when its pull request is at another commit by now, which its sender need not have brought', async () => {
    const before = stored('pull_request.opened', 'pull_request');
    const head = before.head as Record<string, unknown>;
    answers(PULL, { ...before, head: { ...head, sha: 'b'.repeat(40) } });
    await replay('pull_request.opened');
    answers(PULL, { ...before, title: 'Changed since' });
    await replay('pull_request.opened');
    expect(moved).toEqual([true, false]);
  });

  it('is told with the title that the pull request has now, and with what only events say', async () => {
    const before = stored('pull_request.opened', 'pull_request');
    answers(PULL, { ...before, title: 'Changed since', state: 'closed', only_in_events: undefined });
    const payload = { ...fixture('pull_request.opened'), pull_request: { ...before, only_in_events: 1 } };
    expect(await replay('pull_request.opened', {}, payload)).toEqual({ kind: 'done' });
    expect(seen).toMatchObject([
      {
        action: 'opened',
        pull_request: { title: 'Changed since', state: 'closed', only_in_events: 1 },
        sender: fixture('pull_request.opened').sender,
      },
    ]);
  });

  it('is ignored when its comment was deleted, or its issue gave way to another one', async () => {
    answers(COMMENT, {}, 404);
    expect(await replay('issue_comment.created')).toEqual({
      kind: 'ignored',
      reason: 'The comment is no longer there (404).',
    });
    answers(COMMENT, stored('issue_comment.created', 'comment'));
    answers('/repos/acme/web/issues/12', { id: 1, number: 12 });
    expect(await replay('issue_comment.created')).toMatchObject({ kind: 'ignored', reason: /another one/ });
    answers(PULL, {}, 410);
    expect(await replay('pull_request.opened')).toMatchObject({ kind: 'ignored', reason: /no longer there \(410\)/ });
    expect(seen).toEqual([]);
  });

  it('is tried again later when the forge is down, and given up when it refuses', async () => {
    const failure = (error: unknown) => error;
    nock(API)
      .get(PULL)
      .times(3)
      .replyWithError(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }));
    const down = await replay('pull_request.opened').catch(failure);
    expect([String(down), bridge.isPermanent(down)]).toEqual([expect.stringContaining('api.github.com'), false]);
    answers(PULL, { message: 'Resource not accessible by integration' }, 403);
    expect(bridge.isPermanent(await replay('pull_request.opened').catch(failure))).toBe(true);
    expect(seen).toEqual([]);
  });

  it('that something was deleted is told as it was stored, with the rest as it is now', async () => {
    const payload = { ...fixture('issue_comment.created'), action: 'deleted' };
    answers('/repos/acme/web/issues/12', { ...stored('issue_comment.created', 'issue'), title: 'Changed since' });
    expect(await replay('issue_comment.created', {}, payload)).toEqual({ kind: 'done' });
    expect(seen).toMatchObject([
      { comment: stored('issue_comment.created', 'comment'), issue: { title: 'Changed since' } },
    ]);
  });

  it('of a review has the state as events write it, and stays where the forge has no number for the review', async () => {
    const payload = { ...fixture('pull_request.opened'), action: 'submitted', review: { id: 5, state: 'commented' } };
    const event = { eventName: 'pull_request_review' };
    for (const [status, state] of [
      [200, 'approved'],
      [404, 'commented'],
    ] as const) {
      answers(`${PULL}/reviews/5`, { id: 5, state: 'APPROVED' }, status);
      answers(PULL, stored('pull_request.opened', 'pull_request'));
      expect(await replay('pull_request.opened', event, payload)).toEqual({ kind: 'done' });
      expect(seen.at(-1)).toMatchObject({ review: { id: 5, state } });
    }
  });

  it('is told as it was stored when nothing of it can be read, when nobody can be asked, or when that is wanted', async () => {
    await replay('push');
    const { installation: _, ...payload } = fixture('pull_request.opened');
    await replay('pull_request.opened', {}, payload);
    await replay('pull_request.opened', { refresh: false });
    answers(PULL, {}, 501);
    await replay('pull_request.opened');
    const { title } = stored('pull_request.opened', 'pull_request');
    expect(seen.slice(1)).toMatchObject([1, 2, 3].map(() => ({ pull_request: { title } })));
  });
});
