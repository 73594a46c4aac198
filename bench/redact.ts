/**
 * What it costs to hide secrets in what is logged (reliability.md, section L), in microseconds: a line as a worker writes
 * it at level debug, one with an error and its stack, and 10 MB, by how many secrets the process has had in its hands.
 * Options: `--lines <n>` (default 50,000).
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { keepSecret } from '../src/lib/known-secrets.js';
import { redactText } from '../src/lib/redact.js';
import { describeMachine } from './support/machine.js';

const { values: options } = parseArgs({ options: { lines: { type: 'string', default: '50000' } } });
const count = Number(options.lines);
/** A connection has a token and the secrets of its webhooks; 4,900 is nearly all that are remembered. */
const SECRETS = [0, 20, 500, 4_900];
const ROUNDS = 5;

const line = `${JSON.stringify({
  level: 20,
  time: 1_795_673_495_524,
  process: 'worker',
  delivery: '40356ee6-2ab4-4175-98d0-663e7b39dcfb',
  event: 'pull_request',
  app: 'preview',
  attempt: 1,
  result: 'done',
  msg: 'handler finished',
})}\n`;
const stack = Array.from(
  { length: 12 },
  (_, at) => `    at step${at} (file:///srv/forgeway/dist/src/part-${at}.js:${at}:7)`,
);
const withError = `${JSON.stringify({
  level: 50,
  time: 1_795_673_495_524,
  err: {
    type: 'HttpError',
    status: 422,
    message: 'Validation Failed - https://docs.example.com',
    stack: stack.join('\n'),
  },
  msg: 'it failed',
})}\n`;
const large = 'x'.repeat(10_000_000);

/** Least mean of some rounds, in microseconds. */
function microseconds(text: string, times: number): number {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round += 1) {
    const began = performance.now();
    for (let at = 0; at < times; at += 1) redactText(text);
    least = Math.min(least, ((performance.now() - began) * 1_000) / times);
  }
  return Number(least.toFixed(2));
}

let known = 0;
const rows = SECRETS.map((secrets) => {
  for (; known < secrets; known += 1) keepSecret(randomBytes(20).toString('hex'));
  return {
    secrets,
    line: microseconds(line, count),
    lineWithError: microseconds(withError, count / 10),
    tenMegabytes: microseconds(large, 20),
  };
});

const machine = { ...describeMachine(), lines: count };
mkdirSync(new URL('./results/', import.meta.url), { recursive: true });
writeFileSync(
  new URL('./results/redact.json', import.meta.url),
  `${JSON.stringify({ machine, microseconds: rows }, undefined, 2)}\n`,
);
console.table(rows);
