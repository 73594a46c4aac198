import { describe, expect, it } from '@jest/globals';
import type { RouteFailure } from '../../src/forges/kit/route.js';
import { type Answering, createVirtualRig, json } from './virtual-rig.js';

const asking = (
  answering: Answering,
  ...rest: [Parameters<typeof createVirtualRig>[1]?, Parameters<typeof createVirtualRig>[2]?]
) => createVirtualRig(answering, ...rest).native;
const failure = async (answer: () => Response): Promise<RouteFailure> =>
  asking(answer)
    .send('POST', '/things')
    .then(
      () => {
        throw new Error('It succeeded.');
      },
      (error: RouteFailure) => error,
    );

describe('answers that are no success', () => {
  it.each([
    [400, 422],
    [401, 401],
    [403, 403],
    [404, 404],
    [405, 405],
    [409, 409],
    [410, 410],
    [412, 409],
    [413, 413],
    [422, 422],
    [423, 409],
    [429, 429],
    [500, 500],
    [503, 503],
  ])('%i becomes GitHub’s %i', async (theirs, ours) => {
    const error = await failure(() => json({ message: 'no' }, theirs));
    expect(error).toMatchObject({ name: 'RouteFailure', status: ours, message: 'no' });
  });

  it.each([
    ['message', { message: 'Taken' }, 'Taken'],
    ['error', { error: 'Taken' }, 'Taken'],
    ['error_description', { error_description: 'Taken' }, 'Taken'],
    ['fields', { message: { name: ['is taken', 'is long'] } }, 'name: is taken, is long'],
    ['several reasons', { message: ['Taken', 'Long'] }, 'Taken, Long'],
    ['the forge’s own place', { trouble: { text: 'Taken' } }, 'Taken'],
    ['nowhere', { what: 1 }, 'The forge answered 422.'],
    ['no JSON', undefined, 'The forge answered 422.'],
  ])('say why, in %s', async (_where, body, message) => {
    const answer = () => (body === undefined ? new Response('<h1>Oh</h1>', { status: 422 }) : json(body, 422));
    expect(await failure(answer)).toMatchObject({ status: 422, message });
  });

  it('say which field is wrong as GitHub does', async () => {
    const error = await failure(() => json({ message: { name: ['is taken'], base: ['No such project'] } }, 400));
    expect(error.errors).toEqual([
      { field: 'name', code: 'custom', message: 'is taken' },
      { code: 'custom', message: 'No such project' },
    ]);
  });

  it('are cut where they say too much', async () => {
    expect((await failure(() => json({ message: 'x'.repeat(9_000) }, 422))).message).toHaveLength(500);
  });

  it('make 404 undefined for `find`, and nothing else', async () => {
    expect(await asking(() => json({}, 404)).find('/thing')).toBeUndefined();
    await expect(asking(() => json({}, 403)).find('/thing')).rejects.toMatchObject({ status: 403 });
  });

  it.each([
    ['x-ratelimit', 'x-ratelimit-remaining', 'x-ratelimit-reset'],
    ['ratelimit', 'ratelimit-remaining', 'ratelimit-reset'],
  ])('pass limits on, as %s-…', async (_form, remaining, reset) => {
    const error = await failure(() => json({}, 429, { 'retry-after': '60', [remaining]: '0', [reset]: '1772445660' }));
    expect(error.headers).toEqual({
      'retry-after': '60',
      'x-ratelimit-remaining': '0',
      'x-ratelimit-reset': '1772445660',
    });
  });
});

describe('answers that are no answer', () => {
  it('in HTML are the forge’s fault, not the app’s', async () => {
    await expect(asking(() => new Response('<html>')).get('/thing')).rejects.toMatchObject({
      status: 502,
      message: 'The forge answered something that is not JSON.',
    });
  });

  it('cut short are too', async () => {
    await expect(asking(() => new Response('{"a": [1,')).get('/thing')).rejects.toMatchObject({ status: 502 });
  });

  it('longer than the limit are not read to their end', async () => {
    const native = asking(() => new Response('x'.repeat(2_000)), {}, { maxBytes: 1_000 });
    await expect(native.get('/thing')).rejects.toMatchObject({ code: 'FORGEWAY_ANSWER_TOO_LARGE' });
  });

  it('that lead elsewhere are not followed off the forge, and writes nowhere', async () => {
    const away = () => new Response(null, { status: 302, headers: { location: 'https://elsewhere.test/thing' } });
    await expect(asking(away).get('/thing')).rejects.toMatchObject({
      code: 'FORGEWAY_ORIGIN_REFUSED',
      message: expect.stringMatching(/ redirects to elsewhere\.test, .* Connect the forge by the address/),
    });
    const { native, sent } = createVirtualRig(() => new Response(null, { status: 302, headers: { location: '/x' } }));
    await expect(native.send('POST', '/thing')).rejects.toMatchObject({ code: 'FORGEWAY_ORIGIN_REFUSED' });
    expect(sent).toHaveLength(1);
  });

  it('that lead in a circle end', async () => {
    const { native, sent } = createVirtualRig(
      () => new Response(null, { status: 302, headers: { location: '/wire/a' } }),
    );
    await expect(native.get('/a')).rejects.toMatchObject({ code: 'FORGEWAY_ORIGIN_REFUSED' });
    expect(sent.length).toBeLessThan(10);
  });

  it('that lead to nowhere are a bad gateway', async () => {
    expect(await failure(() => new Response(null, { status: 304 }))).toMatchObject({ status: 502 });
  });
});

describe('requests', () => {
  it('go out signed as the forge wants it, with their query and JSON', async () => {
    const { native, sent } = createVirtualRig(() => json({ id: 1 }));
    await native.send('PUT', '/a%2Fb', { query: { x: 1, y: undefined, z: 'a b' }, json: { id: 5n, name: 'x' } });
    expect(sent).toEqual([
      {
        method: 'PUT',
        url: 'https://forge.test/wire/a%2Fb?x=1&z=a+b',
        authorization: 'Toy secret-token',
        body: { id: 5, name: 'x' },
      },
    ]);
    const usual = createVirtualRig(() => json({}), { authorization: undefined });
    await usual.native.get('/a');
    expect(usual.sent[0]?.authorization).toBe('Bearer secret-token');
  });

  it('answer JSON with exact ids, text or bytes, or nothing', async () => {
    const native = asking(() => new Response('{"id":9007199254740993123}'));
    expect(await native.get('/a')).toEqual({ id: '9007199254740993123' });
    expect((await native.send('GET', '/a', { as: 'text' })).data).toBe('{"id":9007199254740993123}');
    expect((await native.send('GET', '/a', { as: 'bytes' })).data).toEqual(Buffer.from('{"id":9007199254740993123}'));
    expect(await asking(() => new Response(null, { status: 204 })).get('/a')).toBeUndefined();
  });

  it('never tell their token', async () => {
    const { native, lines, forgotten } = createVirtualRig(() => json({ message: 'bad token' }, 401));
    await expect(native.get('/a')).rejects.toMatchObject({ status: 401 });
    expect(forgotten).toHaveLength(1);
    expect(lines.join('')).not.toContain('secret-token');
  });
});

describe('limits that the forge tells', () => {
  it.each([
    [
      'RateLimit-Reset as a time',
      { 'ratelimit-remaining': '0', 'ratelimit-reset': String(Date.parse('2026-03-02T10:05:00Z') / 1000) },
      300,
    ],
    ['RateLimit-Reset as seconds', { 'ratelimit-remaining': '0', 'ratelimit-reset': '300' }, 300],
    ['Retry-After', { 'retry-after': '300' }, 300],
    ['nothing', {}, 60],
  ])('%s: requests are held back without being sent', async (_how, headers, seconds) => {
    const { native, sent } = createVirtualRig(() => json({ message: 'slow down' }, 429, headers));
    await expect(native.send('POST', '/a')).rejects.toMatchObject({ status: 429 });
    await expect(native.send('POST', '/a')).rejects.toMatchObject({
      status: 429,
      headers: { 'retry-after': String(seconds) },
    });
    await expect(native.get('/a')).rejects.toMatchObject({ status: 429 });
    expect(sent).toHaveLength(1);
  });

  it('are noticed before anything is refused', async () => {
    const headers = { 'ratelimit-remaining': '0', 'ratelimit-reset': '300' };
    const { native, sent } = createVirtualRig(() => json({}, 200, headers));
    await native.get('/a');
    await expect(native.get('/a')).rejects.toMatchObject({ status: 429 });
    expect(sent).toHaveLength(1);
  });
});
