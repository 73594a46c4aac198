/**
 * Whether the time that the API takes to say that there is nothing tells whose it is: another tenant's thing, or one that
 * never was. Both are asked for by turns, and the medians compared; test/api/matrix.test.ts shows that the answers are the
 * same to the byte and take the same statements. Options: `--samples <n>` of each (default 500).
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { startApiRig } from '../test/api/api-rig.js';
import startTestServer from '../test/support/global-setup.js';
import stopTestServer from '../test/support/global-teardown.js';
import { describeMachine } from './support/machine.js';

const { values: options } = parseArgs({ options: { samples: { type: 'string', default: '500' } } });
const samples = Number(options.samples);
const MOST_MS = 5;
const WARM_UP = 50;

const median = (times: readonly number[]): number =>
  [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;

await startTestServer();
const rig = await startApiRig();
const { theirs } = rig;
/** Addresses of a thing of another tenant, and of none. */
const asked: Readonly<Record<string, () => readonly [string, string]>> = {
  'a pull request': () => [`/api/v1/pull-requests/${theirs.pullRequest}`, `/api/v1/pull-requests/${randomUUID()}`],
  'a preview’s log': () => [`/api/v1/previews/${theirs.preview}/logs`, `/api/v1/previews/${randomUUID()}/logs`],
  'a connection, JSON:API': () => [theirs.connection, randomUUID()].map(jsonApi) as [string, string],
  'an organization': () =>
    ['theirs', 'never'].map((name) => `/api/v1/organization?organization=${name}`) as [string, string],
};
function jsonApi(id: string): string {
  return `/api/v2/vcs-connections/vcs-${id}`;
}

async function timed(url: string): Promise<number> {
  const from = performance.now();
  const { statusCode } = await rig.call('owner', 'GET', url);
  const took = performance.now() - from;
  if (statusCode !== 404) throw new Error(`${url} was answered ${statusCode}: this would measure nothing`);
  return took;
}

const rows: { what: string; theirsMs: number; neverMs: number; differenceMs: number; result: string }[] = [];
for (const [what, addresses] of Object.entries(asked)) {
  const times: [number[], number[]] = [[], []];
  for (let at = -WARM_UP; at < samples; at += 1) {
    const urls = addresses();
    const first = (randomBytes(1)[0] ?? 0) % 2;
    for (const which of [first, 1 - first] as (0 | 1)[]) {
      const took = await timed(urls[which]);
      if (at >= 0) times[which].push(took);
    }
  }
  const [theirsMs, neverMs] = [median(times[0]), median(times[1])];
  const differenceMs = Math.abs(theirsMs - neverMs);
  const shown = (ms: number) => Number(ms.toFixed(3));
  const result = differenceMs < MOST_MS ? 'met' : 'MISSED';
  rows.push({ what, theirsMs: shown(theirsMs), neverMs: shown(neverMs), differenceMs: shown(differenceMs), result });
}
await rig.close();
await stopTestServer();

const machine = { ...describeMachine(), samples };
mkdirSync(new URL('./results/', import.meta.url), { recursive: true });
writeFileSync(
  new URL('./results/notfound.json', import.meta.url),
  `${JSON.stringify({ machine, rows }, undefined, 2)}\n`,
);
console.table(rows);
if (rows.some(({ result }) => result !== 'met')) process.exitCode = 1;
