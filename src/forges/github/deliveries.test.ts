import { describe, expect, it } from '@jest/globals';
import type { NativeClient } from '../kit/native-client.js';
import { RouteFailure } from '../kit/route.js';
import { appDeliveries } from './deliveries.js';

const answering = (answer: { data?: unknown; link?: string } | Error) =>
  appDeliveries({
    async send() {
      if (answer instanceof Error) throw answer;
      return { status: 200, headers: new Headers(answer.link ? { link: answer.link } : {}), data: answer.data };
    },
  } as unknown as NativeClient);

const row = {
  id: 12345678,
  guid: 'guid',
  delivered_at: '2019-06-03T00:57:16Z',
  status: 'OK',
  status_code: 200,
  event: 'issues',
};

describe('the list of an App’s deliveries', () => {
  it.each([
    ['<https://api.github.com/app/hook/deliveries?per_page=100&cursor=v1_12077215967>; rel="next"', 'v1_12077215967'],
    ['<https://x.test/?cursor=a>; rel="prev", <https://x.test/?cursor=b>; rel="next"', 'b'],
    ['<https://x.test/?cursor=a>; rel="prev"', undefined],
    ['<no url>; rel="next"', undefined],
    [undefined, undefined],
  ])('goes on where %s says', async (link, next) => {
    expect(await answering({ data: [], ...(link && { link }) }).page(undefined, null)).toEqual({ attempts: [], next });
  });

  it('takes 2xx for delivered, and whatever else not', async () => {
    const data = [
      { ...row, id: '9007199254740993', status: 'Accepted', status_code: 202 },
      { ...row, status: 'failed to connect to host', status_code: 502 },
      { ...row, status: '', status_code: 0 },
    ];
    const { attempts } = await answering({ data }).page(undefined, null);
    expect(attempts.map(({ id, delivered, answer }) => [id, delivered, answer])).toEqual([
      ['9007199254740993', true, 'Accepted'],
      ['12345678', false, 'failed to connect to host'],
      ['12345678', false, '0'],
    ]);
    expect(attempts[0]).toMatchObject({ key: 'guid', position: BigInt(Date.UTC(2019, 5, 3, 0, 57, 16)) });
  });

  it('is refused when it is no list', async () => {
    await expect(answering({ data: { message: 'x' } }).page(undefined, null)).rejects.toMatchObject({ status: 502 });
  });

  it.each([
    [404, 'gone'],
    [422, 'refused'],
  ])('knows what %d says of one delivery', async (status, outcome) => {
    expect(await answering(new RouteFailure(status, 'x')).resend('1')).toBe(outcome);
  });
});
