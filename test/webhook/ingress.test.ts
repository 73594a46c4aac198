import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from '@jest/globals';
import { IngressServer, signature } from './ingress-server.js';

let ingress: IngressServer;
afterEach(() => ingress.stop());

const PATH = '/api/webhooks/github';
const BODY = JSON.stringify({ action: 'opened', number: 1, note: 'Grüße' });

describe('a signed delivery', () => {
  it('is stored byte for byte before it is accepted, with its own headers only', async () => {
    ingress = await IngressServer.start();
    const answer = await ingress.send(PATH, BODY, {
      ...ingress.signed(BODY),
      authorization: 'Bearer nothing-of-ours',
      cookie: 'session=1',
      'x-forwarded-for': '10.0.0.1',
      host: 'evil.example',
    });
    expect(answer.status).toBe(202);
    expect(JSON.parse(answer.body)).toEqual({ accepted: true, delivery: 'delivery-1' });
    const [row] = await ingress.rows();
    expect(row).toMatchObject({ delivery_key: 'delivery-1', hook_id: 'github', status: 'received' });
    expect(row?.body.toString()).toBe(BODY);
    expect(row?.headers).toEqual({
      'content-type': 'application/json',
      'x-github-event': 'pull_request',
      'x-github-delivery': 'delivery-1',
    });
    expect(ingress.log.join('')).not.toContain('Grüße');
  });

  it.each([
    ['in one piece', false],
    ['in pieces', true],
  ])('of an ordinary size is stored packed, and comes back byte for byte when it came %s', async (_how, inPieces) => {
    ingress = await IngressServer.start();
    const body = JSON.stringify({ text: 'Grüße an alle, '.repeat(1_500), number: 1 });
    if (inPieces) {
      const bytes = Buffer.from(body);
      const lines = Object.entries({ ...ingress.signed(body), 'content-length': bytes.length, connection: 'close' });
      const head = `POST ${PATH} HTTP/1.1\r\nhost: x\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
      const answer = await ingress.raw([head, bytes.subarray(0, 10_000), bytes.subarray(10_000)], 20);
      expect(answer).toContain('HTTP/1.1 202');
    } else expect((await ingress.send(PATH, body, ingress.signed(body))).status).toBe(202);
    const [row] = await ingress.rows();
    expect(row?.body.toString()).toBe(body);
    expect(row?.stored.length).toBeLessThan(body.length / 5);
  });

  it.each(['/api/v2/vcs-events/github', `${PATH}?from=anywhere`])('is taken at %s as well', async (path) => {
    ingress = await IngressServer.start();
    expect((await ingress.send(path, BODY, ingress.signed(BODY))).status).toBe(202);
  });

  it('of a hook of its own belongs to that hook', async () => {
    ingress = await IngressServer.start();
    const headers = ingress.signed(BODY, { 'x-hub-signature-256': signature(BODY, 'another secret') });
    expect((await ingress.send(`${PATH}/team`, BODY, headers)).status).toBe(202);
    expect((await ingress.rows())[0]).toMatchObject({ hook_id: 'team' });
  });

  it('is taken under either secret while one replaces the other', async () => {
    ingress = await IngressServer.start();
    for (const [secret, status] of [
      ['new secret', 202],
      ['old secret', 202],
      ['older secret', 401],
    ] as const) {
      const headers = ingress.signed(BODY, { 'x-hub-signature-256': signature(BODY, secret) });
      expect((await ingress.send(`${PATH}/rotating`, BODY, headers)).status).toBe(status);
    }
  });

  it('is taken under a secret of this moment, though the hook was looked up before it was there', async () => {
    ingress = await IngressServer.start();
    const fresh = ingress.signed(BODY, { 'x-hub-signature-256': signature(BODY, 'secret of this moment') });
    expect((await ingress.send(`${PATH}/team`, BODY, fresh)).status).toBe(401);
    ingress.secrets.set('team', ['secret of this moment']);
    // As long as a forge is given at least before it may use it; longer changes nothing.
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect((await ingress.send(`${PATH}/team`, BODY, fresh)).status).toBe(202);
    const other = ingress.signed(BODY, { 'x-hub-signature-256': signature(BODY, 'another secret') });
    expect((await ingress.send(`${PATH}/team`, BODY, other)).status).toBe(401);
  });

  it.each(['null', '1', '[]', '{', '"x"', '', `${'['.repeat(100_000)}`, '{"a":NaN}'])(
    'is never refused for what it says (%#)',
    async (body) => {
      ingress = await IngressServer.start();
      expect((await ingress.send(PATH, body, ingress.signed(body))).status).toBe(202);
      expect((await ingress.rows())[0]?.body.toString()).toBe(body);
    },
  );

  it('without an id, or with an endless one, gets a key from its content', async () => {
    ingress = await IngressServer.start();
    for (const id of ['', 'x'.repeat(5_000)]) {
      const headers = { ...ingress.signed(BODY), 'x-github-delivery': id };
      expect((await ingress.send(PATH, BODY, headers)).status).toBe(202);
    }
    for (const row of await ingress.rows()) expect(row.delivery_key).toMatch(/^sha256:[0-9a-f]{64}$/);
  });
});

describe('a delivery that comes again', () => {
  it('ten times at once is one row, and every answer is 2xx', async () => {
    ingress = await IngressServer.start();
    for (let round = 0; round < 20; round += 1) {
      const headers = ingress.signed(BODY);
      const answers = await Promise.all(Array.from({ length: 10 }, () => ingress.send(PATH, BODY, headers)));
      expect(answers.map((answer) => answer.status)).toEqual(Array(10).fill(202));
    }
    expect(await ingress.rows()).toHaveLength(20);
  });

  it('revives a dead row and leaves every other as it is', async () => {
    ingress = await IngressServer.start();
    const dead = ingress.signed(BODY);
    const done = ingress.signed(BODY);
    await ingress.send(PATH, BODY, dead);
    await ingress.send(PATH, BODY, done);
    await ingress.test
      .store('worker')
      .pool.query(
        "UPDATE webhook_delivery SET status = CASE delivery_key WHEN 'delivery-1' THEN 'dead' ELSE 'done' END, reason = 'x'",
      );
    expect((await ingress.send(PATH, BODY, dead)).status).toBe(202);
    expect((await ingress.send(PATH, BODY, done)).status).toBe(202);
    expect((await ingress.rows()).map((row) => row.status).sort()).toEqual(['done', 'received']);
  });
});

describe('a request of the wrong kind', () => {
  it.each(['/api/webhooks/kanbanger/x', '/api/webhooks/', '/api/webhooks/github/a/b', '/elsewhere'])(
    'at %s is left to others',
    async (path) => {
      ingress = await IngressServer.start();
      expect(await ingress.send(path, BODY, ingress.signed(BODY))).toMatchObject({ status: 404, body: 'no such page' });
    },
  );

  it('with another method is told which one is right', async () => {
    ingress = await IngressServer.start();
    const answer = await ingress.send(PATH, '', {}, 'GET');
    expect(answer).toMatchObject({ status: 405, headers: { allow: 'POST' } });
  });

  it.each<Record<string, string>>([
    { 'content-type': 'text/plain' },
    { 'content-type': '' },
    { 'content-encoding': 'gzip' },
    { 'content-encoding': 'br, gzip' },
  ])('with %j is refused, signed or not', async (headers) => {
    ingress = await IngressServer.start();
    const body = gzipSync(Buffer.alloc(1_000_000));
    expect((await ingress.send(PATH, body, ingress.signed(body, headers))).status).toBe(415);
    expect(await ingress.rows()).toEqual([]);
  });
});

describe('size and time', () => {
  const head = (length: string) =>
    `POST ${PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Hub-Signature-256: ${signature('x')}\r\n${length}\r\n\r\n`;

  it('a body at the limit is taken, one above it is not', async () => {
    ingress = await IngressServer.start({ limits: { bodyBytes: 10_000 } });
    const fits = Buffer.alloc(10_000, 0x20);
    expect((await ingress.send(PATH, fits, ingress.signed(fits))).status).toBe(202);
    const tooLarge = Buffer.alloc(10_001, 0x20);
    expect((await ingress.send(PATH, tooLarge, ingress.signed(tooLarge))).status).toBe(413);
    expect(await ingress.rows()).toHaveLength(1);
  });

  it('the limit is 25 MiB, told by the announced length before anything is read', async () => {
    ingress = await IngressServer.start();
    expect(await ingress.raw([head(`Content-Length: ${25 * 1024 * 1024 + 1}`)])).toMatch(/^HTTP\/1\.1 413 /);
  });

  it('a body in pieces without end is cut at the limit', async () => {
    ingress = await IngressServer.start({ limits: { bodyBytes: 10_000 } });
    const piece = `1000\r\n${'x'.repeat(4_096)}\r\n`;
    const answer = await ingress.raw([head('Transfer-Encoding: chunked'), ...Array<string>(50).fill(piece)], 1);
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  });

  it('a request with two lengths is not a request', async () => {
    ingress = await IngressServer.start();
    const answer = await ingress.raw([head('Content-Length: 1\r\nTransfer-Encoding: chunked'), '0\r\n\r\n']);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(await ingress.rows()).toEqual([]);
  });

  it.each([
    ['stalls', [head('Content-Length: 1000'), 'x']],
    ['drips', [head('Content-Length: 1000'), ...Array<string>(40).fill('x')]],
  ])('a body that %s is answered 408 and never 2xx', async (_name, pieces) => {
    ingress = await IngressServer.start({ limits: { stallMs: 300, totalMs: 600 } });
    const answer = await ingress.raw(pieces, 100);
    expect(answer).toMatch(/^HTTP\/1\.1 408 /);
    expect(answer).not.toMatch(/^HTTP\/1\.1 2/m);
    expect(await ingress.rows()).toEqual([]);
  });

  it('a sender that goes away in the middle leaves nothing behind', async () => {
    ingress = await IngressServer.start();
    const answered = ingress.raw([head('Content-Length: 1000'), 'x'], 20);
    await new Promise((resolve) => setTimeout(resolve, 100));
    ingress.server.closeAllConnections();
    expect(await answered).toBe('');
    expect(await ingress.rows()).toEqual([]);
    expect((await ingress.send(PATH, BODY, ingress.signed(BODY))).status).toBe(202);
  });

  it('more bodies than memory is set aside for are told to come back', async () => {
    ingress = await IngressServer.start({ limits: { heldBytes: 50_000 } });
    const large = Buffer.alloc(60_000, 0x20);
    const answer = await ingress.send(PATH, large, ingress.signed(large));
    expect(answer.status).toBe(503);
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
  });
});

describe('a database that does not commit', () => {
  it('is a 503 with Retry-After and never a 2xx; afterwards all is well again', async () => {
    ingress = await IngressServer.start({ limits: { commitMs: 1_000 } });
    expect((await ingress.send(PATH, BODY, ingress.signed(BODY))).status).toBe(202);
    const blocker = await ingress.test.store('migrate').pool.connect();
    await blocker.query('BEGIN');
    await blocker.query('LOCK TABLE webhook_delivery');
    const answers = await Promise.all(Array.from({ length: 50 }, () => ingress.send(PATH, BODY, ingress.signed(BODY))));
    await blocker.query('ROLLBACK');
    blocker.release();
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([503]));
    for (const answer of answers) expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    expect((await ingress.send(PATH, BODY, ingress.signed(BODY))).status).toBe(202);
  });

  it('takes what waits when its connections are cut and come back', async () => {
    ingress = await IngressServer.start({ limits: { commitMs: 10_000 } });
    expect((await ingress.send(PATH, BODY, ingress.signed(BODY))).status).toBe(202);
    const { Client } = (await import('pg')).default;
    const superuser = new Client(ingress.test.superuser);
    await superuser.connect();
    const cut = setInterval(() => {
      void superuser.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'forgeway_ingress' AND datname = current_database()",
      );
    }, 20);
    const sending = Promise.all(Array.from({ length: 100 }, () => ingress.send(PATH, BODY, ingress.signed(BODY))));
    await new Promise((resolve) => setTimeout(resolve, 300));
    clearInterval(cut);
    const answers = await sending;
    await superuser.end();
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([202]));
    expect(await ingress.rows()).toHaveLength(101);
  });
});
