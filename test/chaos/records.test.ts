/** The two records that a verdict rests on: what was sent, and what was done. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { startEffectLog } from './effect-log.js';
import type { Effect } from './effects.js';
import { type Ledger, startLedger } from './ledger.js';
import { createRandom } from './random.js';

let folder: string;
let server: Server;
/** What arrived behind the record. */
let arrived: { method: string; path: string; headers: IncomingMessage['headers']; body: string }[];
/** Status of each answer, from the front; 200 when there is none. */
let answers: number[];
const closing: (() => Promise<unknown>)[] = [];
const portOf = (one: Server) => (one.address() as AddressInfo).port;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'forgeway-records-'));
  arrived = [];
  answers = [];
  server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { method = '', url: path = '', headers } = request;
    arrived.push({ method, path, headers, body: Buffer.concat(chunks).toString() });
    response.writeHead(answers.shift() ?? 200).end('answer');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(folder, { recursive: true, force: true });
});

describe('startLedger', () => {
  async function start(shares: { repeated: number; late: number }): Promise<Ledger> {
    const file = join(folder, 'deliveries.jsonl');
    const ledger = await startLedger({
      target: `http://127.0.0.1:${portOf(server)}`,
      file,
      random: createRandom(1),
      ...shares,
    });
    closing.push(() => ledger.close());
    return ledger;
  }
  const send = (ledger: Ledger) =>
    fetch(`${ledger.url}/api/webhooks/gitea/hook1`, {
      method: 'POST',
      headers: { 'x-gitea-delivery': 'd1', 'x-gitea-event-type': 'issues', 'x-gitea-signature': 'abc' },
      body: '{"a": 1}',
    });
  const settled = async (ledger: Ledger) => {
    while (ledger.waiting() > 0) await sleep(5);
  };

  it('takes a webhook at once, and sends it under its id, as it was, until it is accepted', async () => {
    const ledger = await start({ repeated: 0, late: 0 });
    answers = [503, 500, 202];
    expect((await send(ledger)).status).toBe(202);
    await settled(ledger);
    expect(arrived.map(({ path, body }) => [path, body])).toEqual(
      Array(3).fill(['/api/webhooks/gitea/hook1', '{"a": 1}']),
    );
    expect(arrived.every(({ headers }) => headers['x-gitea-signature'] === 'abc')).toBe(true);
    expect(ledger.deliveries).toMatchObject([
      {
        forge: 'gitea',
        id: 'd1',
        event: 'issues',
        accepted: true,
        attempts: [{ status: 503 }, { status: 500 }, { status: 202 }],
      },
    ]);
  });

  it('sends some once more although they were accepted', async () => {
    const ledger = await start({ repeated: 1, late: 0 });
    await send(ledger);
    while (arrived.length < 2) await sleep(5);
    expect(arrived.map(({ headers }) => headers['x-gitea-delivery'])).toEqual(['d1', 'd1']);
  });
});

describe('startEffectLog', () => {
  it('writes down what was carried out, also what was refused or whose answer is lost, and no reads', async () => {
    const [free] = [createServer()];
    await new Promise<void>((resolve) => free.listen(0, '127.0.0.1', resolve));
    const port = portOf(free);
    await new Promise((resolve) => free.close(resolve));
    const file = join(folder, 'effects.jsonl');
    const log = await startEffectLog({ forge: 'gitea', file, target: { port: portOf(server) }, port });
    closing.push(() => log.close());
    const ask = (method: string, body?: object) =>
      fetch(`http://127.0.0.1:${port}/repos/a/b/issues/1/comments?x=1`, { method, body: body && JSON.stringify(body) });

    expect(await (await ask('GET')).text()).toBe('answer');
    answers = [201, 422];
    expect((await ask('POST', { body: 'effect:t1' })).status).toBe(201);
    expect((await ask('POST', { body: 'effect:t2' })).status).toBe(422);
    log.loseAnswers(1);
    answers = [201];
    await expect(ask('POST', { body: 'effect:t3' })).rejects.toThrow('fetch failed');
    expect((await ask('POST', { body: 'effect:t4' })).status).toBe(200);

    expect(arrived.map(({ method }) => method)).toEqual(['GET', 'POST', 'POST', 'POST', 'POST']);
    const lines = (await readFile(file, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Effect);
    expect(lines.map(({ key, status, answered, path }) => [key, status, answered, path])).toEqual([
      ['effect:t1', 201, true, '/repos/a/b/issues/1/comments'],
      ['effect:t2', 422, true, '/repos/a/b/issues/1/comments'],
      ['effect:t3', 201, false, '/repos/a/b/issues/1/comments'],
      ['effect:t4', 200, true, '/repos/a/b/issues/1/comments'],
    ]);
  });
});

describe('createRandom', () => {
  it('repeats itself, spreads, and chooses by weight', () => {
    const draw = (seed: number) => Array.from({ length: 1_000 }, createRandom(seed).next);
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
    expect(Math.abs(draw(7).reduce((sum, one) => sum + one, 0) / 1_000 - 0.5)).toBeLessThan(0.05);
    const random = createRandom(1);
    const chosen = Array.from({ length: 1_000 }, () => random.weighted({ often: 9, seldom: 1, never: 0 }));
    expect(chosen.filter((one) => one === 'often').length).toBeGreaterThan(800);
    expect(chosen).not.toContain('never');
    expect(new Set(Array.from({ length: 100 }, () => random.between(2, 4)))).toEqual(new Set([2, 3, 4]));
  });
});
