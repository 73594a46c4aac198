import { describe, expect, it } from '@jest/globals';
import type { NativeClient } from '../kit/native-client.js';
import { withoutConfidential } from './confidential.js';

const answering = (data: unknown): NativeClient =>
  withoutConfidential({
    send: async () => ({ status: 200, headers: new Headers({ 'x-next-page': '2' }), data }),
    get: async () => data,
    find: async () => data,
  });

async function read(data: unknown) {
  const native = answering(data);
  const [sent, got, found] = [await native.send('GET', '/x'), await native.get('/x'), await native.find('/x')];
  expect(sent.headers.get('x-next-page')).toBe('2');
  expect([got, found]).toEqual([sent.data, sent.data]);
  return sent.data;
}

const open = { id: 1, confidential: false, internal: false };

describe('what a token reads without confidential things', () => {
  it('is everything else, as it was', async () => {
    for (const data of [undefined, null, 'text', 7, {}, [], open, [open, 'text', null], { notes: [] }])
      expect(await read(data)).toEqual(data);
  });

  it('is lists without them, and discussions without internal notes', async () => {
    expect(await read([{ id: 2, confidential: true }, open, { id: 3, internal: true }])).toEqual([open]);
    const discussion = { id: 'd', individual_note: false, notes: [open, { id: 4, internal: true }] };
    const apart = { id: 'e', individual_note: true, notes: [{ id: 5, confidential: true }] };
    expect(await read([discussion, apart])).toEqual([{ ...discussion, notes: [open] }]);
    expect(await read(discussion)).toEqual({ ...discussion, notes: [open] });
  });

  it.each([
    { id: 2, confidential: true },
    { id: 3, internal: true },
  ])('is not there: %p', async (data) => {
    await expect(answering(data).send('GET', '/x')).rejects.toMatchObject({ status: 404 });
    await expect(answering(data).get('/x')).rejects.toMatchObject({ status: 404 });
    expect(await answering(data).find('/x')).toBeUndefined();
  });
});
