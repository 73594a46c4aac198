import { describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { githubEndpoint } from '../forges/github/endpoint.js';
import { type Outage, runInDelivery } from '../lib/delivery-scope.js';
import { createMetrics } from '../lib/metrics.js';
import { createCircuits } from './circuits.js';
import type { Credential } from './credential.js';
import { createForgeFetch, type Fetch, type ForgeFetchOptions } from './forge-fetch.js';
import { createRequestLimits } from './request-limits.js';

const endpoint = githubEndpoint({
  forge: 'github',
  host: 'github.com',
  apiUrl: 'https://api.github.com',
  webUrl: 'https://github.com',
});
const API = 'https://api.github.com/repos/acme/web';

interface Sent {
  url: string;
  method: string | undefined;
  authorization: string | null;
  length: string | null;
  body: unknown;
}

/** Answers requests from a list, one after another; the last one stays. */
function rig(answers: (() => Promise<Response> | Response)[], options: Partial<ForgeFetchOptions> = {}) {
  const sent: Sent[] = [];
  const lines: Record<string, unknown>[] = [];
  const metrics = createMetrics();
  const clock = { now: () => new Date('2026-03-02T10:00:00Z') };
  const limits = createRequestLimits(clock);
  let tokens = 0;
  const credential: Credential = {
    name: 'installation 42',
    endpoint,
    baseUrl: endpoint.apiUrl,
    connection: undefined,
    installation: { app: {} as never, scope: { installationId: 42n } },
    authorization: async () => `token t${tokens}`,
    refused: async () => {
      tokens += 1;
      return true;
    },
  };
  const send: Fetch = async (url, init) => {
    const headers = new Headers(init?.headers);
    const [authorization, length] = [headers.get('authorization'), headers.get('content-length')];
    sent.push({ url, method: init?.method, authorization, length, body: init?.body });
    const answer = answers[Math.min(sent.length, answers.length) - 1];
    init?.signal?.throwIfAborted();
    const aborted = new Promise<never>((_resolve, reject) =>
      init?.signal?.addEventListener('abort', () => reject(init.signal?.reason)),
    );
    return Promise.race([Promise.resolve(answer?.() ?? new Response('{}')), aborted]);
  };
  const log = pino({ level: 'trace', base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const fetch = createForgeFetch({ send, limits, log, metrics, clock, ...options })(credential);
  return { fetch, sent, lines, metrics };
}

const answer =
  (status: number, headers: Record<string, string> = {}, body = '{}') =>
  () =>
    new Response(body, { status, headers });
const redirect = (status: number, location: string) => answer(status, { location }, '');
const never = () => new Promise<Response>(() => undefined);

describe('the credential', () => {
  it('goes to the API and to uploads', async () => {
    const { fetch, sent } = rig([answer(200)]);
    await fetch(API);
    await fetch('https://uploads.github.com/repos/acme/web/releases/1/assets', { method: 'POST', body: 'x' });
    expect(sent.map((one) => one.authorization)).toEqual(['token t0', 'token t0']);
  });

  it.each([
    'https://api.github.com.evil.example/repos',
    'https://evil.example/repos/acme/web',
    'http://api.github.com/repos/acme/web',
    'https://api.github.com:8443/repos/acme/web',
    'https://user:password@api.github.com/repos/acme/web',
    'http://169.254.169.254/latest/meta-data/',
    'http://[::1]/',
    'file:///etc/passwd',
  ])('is not sent to %s, and nothing else is either', async (url) => {
    const { fetch, sent } = rig([answer(200)]);
    await expect(fetch(url)).rejects.toMatchObject({ code: 'FORGEWAY_ORIGIN_REFUSED' });
    expect(sent).toEqual([]);
  });

  it('stays behind when a download is redirected to another host of the forge', async () => {
    const { fetch, sent } = rig([redirect(302, 'https://codeload.github.com/acme/web/tar.gz?token=x'), answer(200)]);
    expect((await fetch(`${API}/tarball/main`)).status).toBe(200);
    expect(sent.map((one) => one.authorization)).toEqual(['token t0', null]);
  });

  it('stays behind even when the caller set it himself', async () => {
    const { fetch, sent } = rig([redirect(302, 'https://codeload.github.com/x'), answer(200)]);
    await fetch(`${API}/tarball/main`, { headers: { authorization: 'token own', cookie: 'a=b' } });
    expect(sent.map((one) => one.authorization)).toEqual(['token own', null]);
  });

  it('follows a renamed repository, with it', async () => {
    const { fetch, sent } = rig([redirect(301, 'https://api.github.com/repositories/7001'), answer(200)]);
    await fetch(API);
    expect(sent.map(({ url, authorization }) => [url, authorization])).toEqual([
      [API, 'token t0'],
      ['https://api.github.com/repositories/7001', 'token t0'],
    ]);
  });

  it.each(['https://evil.example/', 'http://169.254.169.254/', 'https://api.github.com.evil.example/', 'http://['])(
    'never follows a redirect to %s',
    async (location) => {
      for (const method of ['GET', 'POST']) {
        const { fetch, sent } = rig([redirect(307, location), answer(200)]);
        await expect(fetch(API, { method })).rejects.toMatchObject({ code: 'FORGEWAY_ORIGIN_REFUSED' });
        expect(sent).toHaveLength(1);
      }
    },
  );

  it('stays behind where the API sends to for a large file, and nobody else names such a place', async () => {
    const storage = 'https://store.blob.core.windows.net/x?sig=1';
    const zip = `${API}/actions/artifacts/7/zip`;
    const { fetch, sent } = rig([redirect(302, storage), answer(200)]);
    expect((await fetch(zip, { headers: { authorization: 'token own', cookie: 'a=b' } })).status).toBe(200);
    expect(sent.map(({ url, authorization }) => [url, authorization])).toEqual([
      [zip, 'token own'],
      [storage, null],
    ]);
    const refused: [string, (() => Response)[]][] = [
      [API, [redirect(302, storage)]],
      [zip, [redirect(302, 'http://store.blob.core.windows.net/x')]],
      [zip, [redirect(302, 'https://a:b@store.blob.core.windows.net/x')]],
      [zip, [redirect(302, storage), redirect(302, 'https://evil.example/')]],
      [`${API}/tarball/main`, [redirect(302, 'https://codeload.github.com/x'), redirect(302, storage)]],
    ];
    for (const [url, answers] of refused) {
      const one = rig([...answers, answer(200)]);
      await expect(one.fetch(url)).rejects.toMatchObject({ code: 'FORGEWAY_ORIGIN_REFUSED' });
      expect(one.sent).toHaveLength(answers.length);
    }
  });

  it('is not judged by what a storage answers', async () => {
    const { fetch, sent } = rig([
      redirect(302, 'https://store.blob.core.windows.net/x'),
      answer(403, { 'x-ratelimit-remaining': '0', 'retry-after': '600' }),
      answer(200),
    ]);
    expect((await fetch(`${API}/actions/artifacts/7/zip`)).status).toBe(403);
    expect((await fetch(API)).status).toBe(200);
    expect(sent).toHaveLength(3);
  });

  it('does not follow forever', async () => {
    const { fetch, sent } = rig([redirect(302, API)]);
    await expect(fetch(API)).rejects.toMatchObject({ code: 'FORGEWAY_ORIGIN_REFUSED' });
    expect(sent).toHaveLength(5);
  });

  it('repeats a redirected mutation only as the same mutation', async () => {
    const kept = rig([redirect(307, 'https://api.github.com/repositories/7001/issues'), answer(201)]);
    expect((await kept.fetch(`${API}/issues`, { method: 'POST', body: '{"a":1}' })).status).toBe(201);
    expect(kept.sent[1]).toMatchObject({ method: 'POST', body: '{"a":1}', authorization: 'token t0' });
    const changed = rig([redirect(302, 'https://api.github.com/elsewhere'), answer(200)]);
    await expect(changed.fetch(API, { method: 'POST' })).rejects.toMatchObject({ code: 'FORGEWAY_ORIGIN_REFUSED' });
    expect(changed.sent).toHaveLength(1);
  });

  it('is renewed once for a read that it no longer opens, never for a mutation', async () => {
    const read = rig([answer(401), answer(200)]);
    expect((await read.fetch(API)).status).toBe(200);
    expect(read.sent.map((one) => one.authorization)).toEqual(['token t0', 'token t1']);
    const write = rig([answer(401), answer(200)]);
    expect((await write.fetch(API, { method: 'PATCH' })).status).toBe(401);
    expect(write.sent).toHaveLength(1);
    await write.fetch(API);
    expect(write.sent[1]?.authorization).toBe('token t1');
  });
});

describe('repeating', () => {
  const reset = () => Promise.reject(new TypeError('fetch failed', { cause: new Error('read ECONNRESET') }));

  it.each(['POST', 'PATCH', 'PUT', 'DELETE'])('sends a %s once, whatever comes back', async (method) => {
    for (const status of [502, 503, 504, 429]) {
      const { fetch, sent } = rig([answer(status, { 'retry-after': '0' })]);
      expect((await fetch(API, { method })).status).toBe(status);
      expect(sent).toHaveLength(1);
    }
    const { fetch, sent } = rig([reset]);
    await expect(fetch(API, { method })).rejects.toMatchObject({ code: 'FORGEWAY_FORGE_UNREACHABLE' });
    expect(sent).toHaveLength(1);
  });

  it('says for itself how long a body is, whatever an app has counted', async () => {
    const { fetch, sent } = rig([answer(201)]);
    await fetch(API, { method: 'POST', headers: { 'content-length': '4', host: 'x' }, body: '{"file":"abcd"}' });
    expect(sent.map(({ length }) => length)).toEqual([null]);
  });

  it('reads again after 502, 503, 504, a reset and a short secondary limit', async () => {
    for (const failure of [answer(502), answer(503), answer(504), reset, answer(403, { 'retry-after': '0' })]) {
      const { fetch, sent } = rig([failure, answer(200)]);
      expect((await fetch(API)).status).toBe(200);
      expect(sent).toHaveLength(2);
    }
  });

  it('gives up after three attempts', async () => {
    const unsteady = rig([answer(502)]);
    expect((await unsteady.fetch(API)).status).toBe(502);
    expect(unsteady.sent).toHaveLength(3);
    const gone = rig([reset]);
    await expect(gone.fetch(API)).rejects.toMatchObject({ code: 'FORGEWAY_FORGE_UNREACHABLE' });
    expect(gone.sent).toHaveLength(3);
  });

  it('does not wait inside a handler when the forge wants more than ten seconds', async () => {
    const { fetch, sent } = rig([answer(503, { 'retry-after': '3600' })]);
    expect((await fetch(API)).status).toBe(503);
    expect(sent).toHaveLength(1);
  });

  it.each([400, 401, 403, 404, 409, 410, 422, 451, 500, 501])('does not read again after %i', async (status) => {
    const { fetch, sent } = rig([answer(status), answer(status)]);
    expect((await fetch(API)).status).toBe(status);
    expect(sent).toHaveLength(status === 401 ? 2 : 1);
  });
});

describe('limits', () => {
  it('keeps silent for as long as the forge asks, and says so itself', async () => {
    const { fetch, sent } = rig([answer(429, { 'retry-after': '120' })]);
    await fetch(API, { method: 'POST' });
    const held = await fetch(API, { method: 'POST' });
    expect([held.status, held.headers.get('retry-after')]).toEqual([429, '120']);
    expect(sent).toHaveLength(1);
  });

  it('stops only the routes whose budget is used up', async () => {
    const reset = String(Date.parse('2026-03-02T10:05:00Z') / 1_000);
    const { fetch, sent } = rig([
      answer(200, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset }),
      answer(200),
    ]);
    await fetch('https://api.github.com/search/issues?q=x');
    expect((await fetch('https://api.github.com/search/issues?q=y')).status).toBe(429);
    expect((await fetch(API)).status).toBe(200);
    expect(sent).toHaveLength(2);
  });

  it('sends the mutations of one installation one after another, reads beside them', async () => {
    const open: (() => void)[] = [];
    const held = () => new Promise<Response>((resolve) => open.push(() => resolve(answer(200)())));
    const { fetch, sent } = rig([held, answer(200), answer(201)]);
    const first = fetch(API, { method: 'POST' });
    const second = fetch(API, { method: 'POST' });
    while (open.length === 0) await new Promise(setImmediate);
    await fetch(API);
    expect(sent.map((one) => one.method)).toEqual(['POST', 'GET']);
    open[0]?.();
    expect([(await first).status, (await second).status]).toEqual([200, 201]);
  });

  it('ends a request that gets no answer in time', async () => {
    const { fetch, sent } = rig([never], { timeoutMs: 20 });
    await expect(fetch(API, { method: 'POST' })).rejects.toMatchObject({ code: 'FORGEWAY_FORGE_UNREACHABLE' });
    expect(sent).toHaveLength(1);
  });

  it('ends a request whose handler is given up', async () => {
    const controller = new AbortController();
    const { fetch } = rig([never]);
    const scope = { deliveryKey: 'd-1', eventName: 'push', app: 'mirror', signal: controller.signal } as never;
    const pending = runInDelivery(scope, () => fetch(API));
    controller.abort();
    await expect(pending).rejects.toMatchObject({ code: 'FORGEWAY_HANDLER_TIMEOUT' });
  });

  it('reads an answer up to its limit and no further', async () => {
    const { fetch } = rig([answer(200, {}, 'x'.repeat(101))], { maxBytes: 100 });
    await expect(fetch(API)).rejects.toMatchObject({ code: 'FORGEWAY_ANSWER_TOO_LARGE' });
    const fits = rig([answer(200, {}, 'x'.repeat(100))], { maxBytes: 100 });
    expect(await (await fits.fetch(API)).text()).toHaveLength(100);
  });

  it('stops reading an answer without end', async () => {
    let pulled = 0;
    const endless = () =>
      new Response(
        new ReadableStream({
          pull: (controller) => {
            pulled += 1;
            controller.enqueue(new Uint8Array(1_000));
          },
        }),
      );
    const { fetch } = rig([endless], { maxBytes: 10_000 });
    await expect(fetch(API, { method: 'POST' })).rejects.toMatchObject({ code: 'FORGEWAY_ANSWER_TOO_LARGE' });
    expect(pulled).toBeLessThan(20);
  });
});

describe('a host that does not answer', () => {
  const clock = () => {
    const time = { at: 0 };
    const circuits = createCircuits({ log: pino({ level: 'silent' }), metrics: createMetrics(), now: () => time.at });
    return { time, circuits };
  };
  const reset = () => Promise.reject(new TypeError('fetch failed', { cause: new Error('read ECONNRESET') }));
  const down = { code: 'FORGEWAY_FORGE_DOWN', details: { waitMs: expect.any(Number) } };
  const post = (fetch: Fetch) => fetch(API, { method: 'POST' });

  it.each([
    ['resets', reset],
    ['hangs', never],
    ['answers 500', answer(500)],
    ['answers 502', answer(502)],
    ['answers 503', answer(503)],
  ])('and %s is not asked any more after five requests, until one may try', async (_what, failure) => {
    const { time, circuits } = clock();
    const answers = [...Array<typeof failure>(5).fill(failure), answer(200)];
    const { fetch, sent } = rig(answers, { circuits, timeoutMs: 20 });
    for (let index = 0; index < 5; index += 1) await post(fetch).catch(() => undefined);
    await expect(post(fetch)).rejects.toMatchObject(down);
    await expect(fetch(API)).rejects.toMatchObject(down);
    expect(sent).toHaveLength(5);
    time.at += 30_000;
    expect((await post(fetch)).status).toBe(200);
    expect((await fetch(API)).status).toBe(200);
  });

  it.each([200, 401, 403, 404, 422, 429, 501])('is not one that answers %i', async (status) => {
    const { fetch, sent } = rig([answer(status)]);
    for (let index = 0; index < 8; index += 1) await post(fetch);
    // After 429 we keep silent ourselves.
    expect(sent).toHaveLength(status === 429 ? 1 : 8);
  });

  it('stops none of the others', async () => {
    const { fetch, sent } = rig([...Array<() => Promise<Response>>(5).fill(reset), answer(201)]);
    for (let index = 0; index < 5; index += 1) await post(fetch).catch(() => undefined);
    const uploads = 'https://uploads.github.com/repos/acme/web/releases/1/assets';
    expect((await fetch(uploads, { method: 'POST', body: 'x' })).status).toBe(201);
    expect(sent).toHaveLength(6);
  });

  it('is told to the run, whose failure is then not one of its app; a broken answer is', async () => {
    const { circuits } = clock();
    const { fetch } = rig([answer(500), answer(500), answer(500), answer(500), answer(500)], { circuits });
    const outage: Outage = {};
    const scope = { deliveryKey: 'd-1', signal: new AbortController().signal, outage } as never;
    const inRun = () => runInDelivery(scope, () => post(fetch)).catch(() => undefined);
    for (let index = 0; index < 5; index += 1) await inRun();
    // The fifth 500 opened it, and may be about that request alone.
    expect(outage.until).toBeUndefined();
    await inRun();
    expect(outage.until).toBeGreaterThan(performance.now() + 20_000);
  });

  it('learns nothing from a request that its caller gave up', async () => {
    const { fetch, sent } = rig([never, never, never, never, never, answer(200)]);
    for (let index = 0; index < 5; index += 1) {
      const controller = new AbortController();
      const pending = fetch(API, { method: 'POST', signal: controller.signal });
      while (sent.length <= index) await new Promise(setImmediate);
      controller.abort();
      await expect(pending).rejects.toThrow();
    }
    expect((await post(fetch)).status).toBe(200);
  });
});

it('logs and counts a request by its shape, without names, query or token', async () => {
  const { fetch, lines, metrics } = rig([answer(404)]);
  const scope = { deliveryKey: 'd-1', eventName: 'push', app: 'mirror', signal: new AbortController().signal } as never;
  await runInDelivery(scope, () => fetch(`${API}/contents/secret/plan.txt?ref=hidden`));
  expect(lines).toEqual([
    expect.objectContaining({ delivery: 'd-1', event: 'push', app: 'mirror', status: 404, ms: expect.any(Number) }),
  ]);
  expect(lines[0]?.request).toBe('GET /repos/{}/{}/contents/{}');
  expect(JSON.stringify(lines)).not.toMatch(/acme|secret|hidden|t0/);
  expect(await metrics.registry.getSingleMetricAsString('forgeway_forge_requests_total')).toContain(
    'forgeway_forge_requests_total{forge="github",status="4xx"} 1',
  );
});

describe('an archive of a repository', () => {
  const MB = 1024 * 1024;
  const megabytes = (count: number) => {
    let left = count;
    return new ReadableStream<Uint8Array>({
      pull(controller) {
        if (left === 0) return controller.close();
        left -= 1;
        controller.enqueue(new Uint8Array(MB));
      },
    });
  };
  const large = (count: number) => () => new Response(megabytes(count));

  it('may be larger than other answers, wherever it is redirected to', async () => {
    const { fetch } = rig([redirect(302, 'https://codeload.github.com/x'), large(30)]);
    expect((await (await fetch(`${API}/tarball/main`)).arrayBuffer()).byteLength).toBe(30 * MB);
    await expect(rig([large(30)]).fetch(`${API}/contents/x`)).rejects.toMatchObject({
      code: 'FORGEWAY_ANSWER_TOO_LARGE',
    });
  });

  it('is read up to its own limit, and what to do then is said', async () => {
    const { fetch, sent } = rig([large(12)], { archiveBytes: 11 * MB });
    await expect(fetch(`${API}/zipball`)).rejects.toThrow(/more than 11534336 bytes\. Clone .* ARCHIVE_MAX_MB/);
    expect(sent).toHaveLength(1);
  });

  it('waits while two others are read, and may be given up meanwhile', async () => {
    const gates: (() => void)[] = [];
    const held = () => new Promise<Response>((resolve) => gates.push(() => resolve(new Response('x'))));
    const { fetch, sent } = rig([held]);
    const get = (signal?: AbortSignal) => fetch(`${API}/tarball/main`, { signal: signal ?? null });
    const running = [get(), get(), get()];
    const tired = new AbortController();
    const given = get(tired.signal);
    const settle = () => new Promise((resolve) => setTimeout(resolve, 5));
    await settle();
    expect(sent).toHaveLength(2);
    tired.abort(new Error('enough'));
    await expect(given).rejects.toThrow('enough');
    // Other requests do not wait.
    void fetch(API);
    await settle();
    expect(sent).toHaveLength(3);
    gates[0]?.();
    await settle();
    expect(sent).toHaveLength(4);
    for (const open of gates) open();
    expect((await Promise.all(running)).map(({ status }) => status)).toEqual([200, 200, 200]);
  });
});
