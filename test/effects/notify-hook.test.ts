/** What the operator's address is told, and what becomes of its answers. */
import { createHmac } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createNotifyHook } from '../../src/effects/notify/notify-hook.js';
import { createOutbound } from '../../src/lib/outbound/outbound.js';
import { loopback } from '../support/loopback.js';

const clock = { now: () => new Date('2026-01-02T03:04:05Z') };
const told: { headers: IncomingHttpHeaders; body: string }[] = [];
let answer = 204;
let server: Server;
let url = '';

beforeAll(async () => {
  server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    told.push({ headers: request.headers, body: Buffer.concat(chunks).toString('utf8') });
    response.writeHead(answer, { location: 'http://127.0.0.1:1/elsewhere' }).end('x');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/told`;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

const hookWith = (secret?: string) => createNotifyHook({ url, secret, fetch: loopback.fetch, clock });
const { signal } = new AbortController();

it('signs what it sends, so that whoever receives it can tell, and knows what comes twice', async () => {
  const body = { text: 'One asks: “Welche?”', type: 'session.question' };
  for (const [secret, key] of [
    ['a secret of the operator', Buffer.from('a secret of the operator')],
    ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', Buffer.from('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'base64')],
  ] as const) {
    expect(await hookWith(secret).send('msg-1', body, signal)).toBe('taken');
    const { headers, body: received = '' } = told.at(-1) ?? { headers: {} };
    expect(JSON.parse(received)).toEqual(body);
    expect(headers).toMatchObject({
      'webhook-id': 'msg-1',
      'webhook-timestamp': '1767323045',
      'webhook-signature': `v1,${createHmac('sha256', key).update(`msg-1.1767323045.${received}`).digest('base64')}`,
    });
  }
  await hookWith().send('msg-2', body, signal);
  expect(told.at(-1)?.headers).not.toHaveProperty('webhook-signature');
});

it('comes back where that may help, and follows nobody to another address', async () => {
  for (answer of [500, 503, 429, 408]) await expect(hookWith().send('m', {}, signal)).rejects.toThrow(String(answer));
  for (answer of [301, 307, 400, 404, 410])
    expect(await hookWith().send('m', {}, signal)).toEqual({ refused: `AGENT_NOTIFY_URL answers ${answer}` });
  answer = 204;
});

it('reaches no private address that nobody has allowed', async () => {
  const before = told.length;
  const guarded = createNotifyHook({ url, secret: undefined, fetch: createOutbound({ allowed: [] }).fetch, clock });
  await expect(guarded.send('m', {}, signal)).rejects.toMatchObject({ code: 'FORGEWAY_ADDRESS_REFUSED' });
  expect(told).toHaveLength(before);
});
