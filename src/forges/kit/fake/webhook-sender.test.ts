import { createHmac } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { createFakeWebhooks } from './webhook-sender.js';

const hooks = [
  { url: 'http://one.test/hook', secret: 'a' },
  { url: 'http://two.test/hook', secret: 'b' },
];

function setup(answer: (url: string) => Promise<Response> | Response = () => new Response('ok', { status: 202 })) {
  const asked: { url: string; body: string; headers: Headers }[] = [];
  const webhooks = createFakeWebhooks({
    headers: (event, hook, body) => ({
      'x-event': event.event,
      'x-signature': createHmac('sha256', hook.secret).update(body).digest('hex'),
    }),
    fetch: async (url, init) => {
      const request = new Request(url, init);
      asked.push({ url: request.url, headers: request.headers, body: await request.text() });
      return answer(request.url);
    },
  });
  return { asked, webhooks };
}

describe('webhooks of a fake', () => {
  it('are signed for each hook over the bytes that travel', async () => {
    const { asked, webhooks } = setup();
    expect(await webhooks.send(hooks, { event: 'push', payload: { a: 'ü' } })).toEqual([202, 202]);
    expect(asked.map(({ url }) => url)).toEqual(hooks.map(({ url }) => url));
    for (const [at, { secret }] of hooks.entries()) {
      const { body = '', headers } = asked[at] ?? {};
      expect(body).toBe('{"a":"ü"}');
      expect(headers?.get('content-type')).toBe('application/json');
      expect(headers?.get('x-signature')).toBe(createHmac('sha256', secret).update(body).digest('hex'));
    }
  });

  it('arrive in the order in which things happened, as they were then', async () => {
    const { asked, webhooks } = setup();
    const payload = { state: 'opened' };
    const all = [webhooks.send(hooks, { event: 'issue', payload })];
    payload.state = 'closed';
    all.push(webhooks.send(hooks, { event: 'issue', payload }));
    await webhooks.settled();
    expect(asked.map(({ body }) => JSON.parse(body).state)).toEqual(['opened', 'opened', 'closed', 'closed']);
    expect(webhooks.sent).toEqual([
      { event: 'issue', payload: { state: 'opened' } },
      { event: 'issue', payload: { state: 'closed' } },
    ]);
    await Promise.all(all);
  });

  it('are remembered while nobody listens', async () => {
    const { webhooks } = setup();
    expect(await webhooks.send([], { event: 'push', payload: {} })).toEqual([]);
    expect(webhooks.sent).toHaveLength(1);
    expect(webhooks.deliveries).toEqual([]);
  });

  it('go on when one hook does not answer, and can be sent once more', async () => {
    const { asked, webhooks } = setup((url) => {
      if (url.includes('one')) throw new TypeError('fetch failed');
      return new Response(null, { status: 500 });
    });
    expect(await webhooks.send(hooks, { event: 'push', payload: {} })).toEqual([0, 500]);
    const [, second] = webhooks.deliveries;
    if (second === undefined) throw new Error('nothing was delivered');
    expect(await webhooks.redeliver(second)).toBe(500);
    expect(asked[2]).toEqual(asked[1]);
    expect(webhooks.deliveries.map(({ status }) => status)).toEqual([0, 500, 500]);
  });

  it('tell when the fake itself is broken, and go on', async () => {
    const { webhooks } = setup((url) => {
      if (url.includes('one')) throw new RangeError('broken');
      return new Response();
    });
    await expect(webhooks.send(hooks, { event: 'push', payload: {} })).rejects.toThrow('broken');
    expect(await webhooks.send(hooks.slice(1), { event: 'push', payload: {} })).toEqual([200]);
  });
});
