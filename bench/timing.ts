/**
 * Whether the time that a wrong signature takes to be refused tells something: how much of it is right, or whether there is
 * such a hook (reliability.md, C7). Two kinds of request are timed by turns in one process, the slowest tenth of each is left
 * out, and their means are compared by Welch's t. A difference is there when |t| is 4.5 or more in each of three attempts.
 * Options: `--samples <n>` of each kind (default 20,000).
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { WebhookHeaders } from '../src/forges/forge.js';
import { forges } from '../src/forges/registry.js';
import { decoySecretsOf } from '../src/webhook/ingress.js';
import { type Scheme, schemes, signed } from '../test/webhook/signature-attacks.js';
import { describeMachine } from './support/machine.js';

const { values: options } = parseArgs({ options: { samples: { type: 'string', default: '20000' } } });
const samples = Number(options.samples);
const MOST_T = 4.5;
const ATTEMPTS = 3;
const KEPT = 0.9;
const WARM_UP = 2_000;
const BODY = Buffer.from('{"action":"opened"}');

/** Makes what is checked, anew each time, so that no place in memory belongs to one kind. */
interface Kind {
  headers(): WebhookHeaders;
  secrets: readonly string[];
}

function moments(times: readonly number[]): { mean: number; error: number } {
  const kept = [...times].sort((a, b) => a - b).slice(0, Math.floor(times.length * KEPT));
  const mean = kept.reduce((sum, one) => sum + one, 0) / kept.length;
  const variance = kept.reduce((sum, one) => sum + (one - mean) ** 2, 0) / (kept.length - 1);
  return { mean, error: variance / kept.length };
}

function compare({ forge }: Scheme, kinds: readonly Kind[]): { t: number; nanoseconds: number } {
  const descriptor = forges.get(forge);
  if (descriptor === undefined) throw new Error(`There is no forge ${forge}.`);
  const once = ({ secrets }: Kind, headers: WebhookHeaders): number => {
    const from = process.hrtime.bigint();
    const check = descriptor.signatureCheck(headers, secrets);
    check?.update(BODY);
    const valid = check?.valid() ?? false;
    const took = Number(process.hrtime.bigint() - from);
    if (valid) throw new Error('A wrong signature was taken.');
    return took;
  };
  const times: [number[], number[]] = [[], []];
  for (let at = -WARM_UP; at < samples; at += 1) {
    const made = kinds.map((kind) => kind.headers());
    const first = (randomBytes(1)[0] ?? 0) % 2;
    for (const which of [first, 1 - first] as (0 | 1)[]) {
      const kind = kinds[which];
      if (kind === undefined) throw new Error('There are two kinds.');
      const took = once(kind, made[which] ?? {});
      if (at >= 0) times[which].push(took);
    }
  }
  const [one, other] = [moments(times[0]), moments(times[1])];
  return { t: (one.mean - other.mean) / Math.sqrt(one.error + other.error), nanoseconds: one.mean - other.mean };
}

/** Another character of the same sort: what reads it must not be able to tell them apart either. */
const other = (one: string): string =>
  one
    .replace(/[0-9]/, (digit) => String((Number(digit) + 1) % 10))
    // The letters of hexadecimal among themselves.
    .replace(/[a-f]/i, (letter) => String.fromCharCode(letter.charCodeAt(0) + (/f/i.test(letter) ? -1 : 1)))
    .replace(/[g-z]/i, (letter) => String.fromCharCode(letter.charCodeAt(0) + (/z/i.test(letter) ? -1 : 1)));

/**
 * Wrong signatures, the first `count` characters behind the prefix always the same: right, or none of them. What follows is by
 * chance. Both begin with the same sort of text, since a processor learns what it reads again and again.
 */
function wrong(scheme: Scheme, count: number, isRight: boolean): () => WebhookHeaders {
  const headers = signed(scheme, { body: BODY });
  const right = headers[scheme.header] ?? '';
  const from = /^(?:sha256=|v1,)/.exec(right)?.[0].length ?? 0;
  const to = right.endsWith('=') ? right.length - 1 : right.length;
  const begin = [...right.slice(from, from + count)].map((one) => (isRight ? one : other(one))).join('');
  return () => {
    const middle = (begin + randomBytes(64).toString('hex')).slice(0, to - from);
    // Joined by way of bytes: one flat text, as it comes from a socket.
    const text = Buffer.from(right.slice(0, from) + middle + right.slice(to), 'latin1').toString('latin1');
    return { ...headers, [scheme.header]: text };
  };
}

/** Of a hook as Forgeway makes it: the secret of the scheme's form, and what else such a hook has. */
function hookSecrets(scheme: Scheme): readonly string[] {
  const forge = forges.get(scheme.forge);
  return forge === undefined ? [] : decoySecretsOf(forge);
}

const comparisons = schemes.flatMap((scheme) => {
  const beginning = (count: number) =>
    [true, false].map((isRight): Kind => ({ headers: wrong(scheme, count, isRight), secrets: [scheme.secret] }));
  const hook = (): Kind => ({ headers: wrong(scheme, 1, false), secrets: hookSecrets(scheme) });
  return [
    { scheme, what: 'first character right or wrong', kinds: beginning(1) },
    { scheme, what: 'twenty characters right or wrong', kinds: beginning(20) },
    { scheme, what: 'a hook that is there or not', kinds: [hook(), hook()] },
  ];
});

const rows = comparisons.map(({ scheme, what, kinds }) => {
  let least = { t: Number.POSITIVE_INFINITY, nanoseconds: 0 };
  let attempts = 0;
  while (attempts < ATTEMPTS && Math.abs(least.t) >= MOST_T) {
    const found = compare(scheme, kinds);
    attempts += 1;
    if (Math.abs(found.t) < Math.abs(least.t)) least = found;
  }
  const result = Math.abs(least.t) < MOST_T ? 'met' : 'MISSED';
  return {
    scheme: scheme.name,
    what,
    t: Number(least.t.toFixed(2)),
    nanoseconds: Math.round(least.nanoseconds),
    attempts,
    result,
  };
});

const machine = { ...describeMachine(), samples };
mkdirSync(new URL('./results/', import.meta.url), { recursive: true });
writeFileSync(
  new URL('./results/timing.json', import.meta.url),
  `${JSON.stringify({ machine, comparisons: rows }, undefined, 2)}\n`,
);
console.table(rows);
if (rows.some(({ result }) => result !== 'met')) process.exitCode = 1;
