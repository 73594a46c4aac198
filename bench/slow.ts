/**
 * Senders that are slow on purpose (reliability.md, C1): two thousand connections at a time, in five ways, against the compiled
 * ingress in a process of its own, while another sender delivers as usual. What is told: how each connection ended and when, how
 * long a good delivery took meanwhile, and the memory of the server. The limit of connections per address is not in the way, since
 * all come from one machine. Options: `--dist <folder>` (default dist), `--sockets <n>`.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { signedHeaders } from '../test/support/signed-delivery.js';
import { startBenchDatabase } from './support/bench-database.js';
import { describeMachine } from './support/machine.js';
import { residentMegabytes, startServer } from './support/processes.js';

const { values: options } = parseArgs({
  options: { dist: { type: 'string', default: 'dist' }, sockets: { type: 'string', default: '2000' } },
});
const sockets = Number(options.sockets);
const SECRET = 'correct horse battery staple';
const FORGE = 'github';
const PATH = `/api/webhooks/${FORGE}`;
const GIVEN_UP_MS = 30_000;
const GOOD_EVERY_MS = 25;
const GOALS = { goodP99Ms: 1_000, moreMegabytes: 128 };

interface Way {
  name: string;
  /** Sent at once. */
  first: string;
  /** Sent one byte a second afterwards. */
  drip?: string;
  /** By when it has to be refused, or closed where it was answered as it should be, in seconds: our limit, and a second to see it. */
  mostSeconds: number;
  /** What it is answered; without one it is closed. */
  answer?: number;
}

const head = (more: string) => `POST ${PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${more}\r\n`;
const body = head('Content-Length: 100000\r\n');
const ways: readonly Way[] = [
  {
    name: 'headers, one byte a second',
    first: 'P',
    drip: `OST ${PATH} HTTP/1.1\r\nHost: x\r\n`,
    mostSeconds: 11,
    answer: 408,
  },
  { name: 'says nothing', first: '', mostSeconds: 11, answer: 408 },
  { name: 'body, one byte a second', first: `${body}{`, drip: ' '.repeat(100), mostSeconds: 9, answer: 408 },
  { name: 'body stalls', first: `${body}{`, mostSeconds: 6, answer: 408 },
  { name: 'keeps alive and is idle', first: 'GET /none HTTP/1.1\r\nHost: x\r\n\r\n', mostSeconds: 17, answer: 404 },
];

interface Ended {
  status: number | undefined;
  seconds: number;
}

function attack(port: number, way: Way): Promise<Ended> {
  return new Promise((done) => {
    let began = performance.now();
    let answeredAt = 0;
    const socket: Socket = createConnection(port, '127.0.0.1');
    let answer = '';
    let at = 0;
    let drip: NodeJS.Timeout | undefined;
    const one = () => {
      if (way.drip !== undefined && at < way.drip.length && socket.writable) socket.write(way.drip.charAt(at));
      at += 1;
    };
    const limit = setTimeout(() => socket.destroy(), GIVEN_UP_MS);
    socket.setEncoding('latin1').on('data', (text: string) => {
      if (answer === '') answeredAt = performance.now();
      if (answer.length < 64) answer += text;
    });
    // A reset after the answer is an end like others.
    socket
      .on('error', () => undefined)
      .once('connect', () => {
        began = performance.now();
        if (way.first !== '') socket.write(way.first);
        drip = setInterval(one, 1_000);
      });
    socket.once('close', () => {
      clearInterval(drip);
      clearTimeout(limit);
      const [, status] = /^HTTP\/1\.1 (\d+)/.exec(answer) ?? [];
      // A refusal counts from its answer: its connection is read for a moment more, so that the answer is not lost.
      const endedAt = status === '408' ? answeredAt : performance.now();
      done({ status: status === undefined ? undefined : Number(status), seconds: (endedAt - began) / 1_000 });
    });
  });
}

const at = (share: number, sorted: readonly number[]): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
const round = (value: number): number => Math.round(value * 10) / 10;

const database = await startBenchDatabase();
await database.store.tenant(database.organizationId, (tx) =>
  tx.query(
    `INSERT INTO hook (id, organization_id, forge, host, scope, secret_source) VALUES ($2, $1, $2, 'slow.example', 'app', 'environment')`,
    [database.organizationId, FORGE],
  ),
);
const login = JSON.stringify(database.login('ingress'));
const server = await startServer('./server-forgeway.mjs', [
  resolve(options.dist),
  login,
  JSON.stringify({ [FORGE]: SECRET }),
]);
const url = `http://127.0.0.1:${server.port}${PATH}`;

async function deliver(number: number): Promise<number> {
  const payload = Buffer.from(JSON.stringify({ zen: `Number ${number}`, hook_id: 1 }));
  const headers = signedHeaders(
    FORGE,
    { eventType: 'ping', body: payload, id: `slow-${number}`, contentType: 'application/json' },
    SECRET,
  );
  const from = performance.now();
  const answer = await fetch(url, { method: 'POST', headers: headers as Record<string, string>, body: payload });
  await answer.arrayBuffer();
  if (answer.status !== 202) throw new Error(`A good delivery was answered ${answer.status}.`);
  return performance.now() - from;
}

const rows = [];
let number = 0;
try {
  for (let warm = 0; warm < 200; warm += 1) await deliver(number++);
  for (const way of ways) {
    const before = residentMegabytes(server.pid);
    const state = { over: false, peak: before };
    const good: number[] = [];
    const traffic = async () => {
      while (!state.over) {
        good.push(await deliver(number++));
        state.peak = Math.max(state.peak, residentMegabytes(server.pid));
        await sleep(GOOD_EVERY_MS);
      }
    };
    const delivering = traffic();
    const ended = await Promise.all(Array.from({ length: sockets }, () => attack(server.port, way)));
    state.over = true;
    await delivering;
    const answers: Record<string, number> = {};
    for (const { status } of ended) answers[status ?? 'closed'] = (answers[status ?? 'closed'] ?? 0) + 1;
    const seconds = ended.map((one) => one.seconds).sort((a, b) => a - b);
    const sorted = good.sort((a, b) => a - b);
    const slowest = at(1, seconds);
    const met =
      slowest <= way.mostSeconds &&
      ended.every(({ status }) => status === undefined || status === way.answer) &&
      at(0.99, sorted) < GOALS.goodP99Ms &&
      state.peak - before < GOALS.moreMegabytes;
    rows.push({
      way: way.name,
      sockets,
      answers,
      medianSeconds: round(at(0.5, seconds)),
      slowestSeconds: round(slowest),
      good: { deliveries: sorted.length, p50Ms: round(at(0.5, sorted)), p99Ms: round(at(0.99, sorted)) },
      rssMegabytes: { before: round(before), peak: round(state.peak) },
      result: met ? 'met' : 'MISSED',
    });
    const { answers: _, good: goodTimes, rssMegabytes, ...plain } = rows.at(-1) ?? {};
    console.log(JSON.stringify({ ...plain, answers, good: goodTimes, rssMegabytes }));
  }
} finally {
  await server.stop();
  await database.stop();
}
const machine = { ...describeMachine() };
mkdirSync('bench/results', { recursive: true });
writeFileSync('bench/results/slow.json', `${JSON.stringify({ machine, goals: GOALS, ways: rows }, undefined, 2)}\n`);
process.exitCode = rows.every(({ result }) => result === 'met') ? 0 : 1;
