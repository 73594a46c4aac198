import { spawn } from 'node:child_process';
import { expect, it } from '@jest/globals';
import { type Case, drawCase, minimised, seedOf } from './case.js';
import { mutated } from './mutation.js';
import type { WireReport } from './over-the-wire.js';
import type { Report } from './run.js';

/** Always the same cases, so that a change that breaks one is known by it. `npm run fuzz` takes others at every run. */
const SEED = 4;
const MUTATIONS = 20_000;
const DELIVERIES = 300;
const MOST_GROWTH_BYTES = 32 * 1024 * 1024;

/** In a process of its own: one that crashes, or leaves a rejection to nobody, ends with a code and fails the test. */
function fuzz(): Promise<{ code: number | null; output: string }> {
  const args = ['--import', 'tsx', 'test/fuzz/fuzz.ts', '--json', '--seed', `${SEED}`, '--mutations', `${MUTATIONS}`];
  const child = spawn(process.execPath, [...args, '--deliveries', `${DELIVERIES}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject).once('close', (code) => resolve({ code, output }));
  });
}

it('twenty thousand hostile deliveries harm nobody', async () => {
  const { code, output } = await fuzz();
  if (!output.startsWith('{')) throw new Error(`the fuzzer ended with ${code}: ${output}`);
  const report = JSON.parse(output) as Report & { kept: number; wire: WireReport };
  expect({ seed: SEED, failures: report.failures, wire: report.wire.failures }).toEqual({
    seed: SEED,
    failures: [],
    wire: [],
  });
  expect(report.cases).toBe(MUTATIONS);
  expect(report.kept).toBeGreaterThan(0);
  // It reaches everything, and is not refused at the door.
  const { refused, ...others } = report.ends;
  for (const count of Object.values(others)) expect(count).toBeGreaterThan(MUTATIONS / 50);
  expect(refused).toBeGreaterThan(0);
  expect(report.heap.after - report.heap.before).toBeLessThan(MOST_GROWTH_BYTES);

  expect(report.wire.sent).toBeGreaterThan(DELIVERIES);
  expect(report.wire.answers).toEqual({ 202: report.wire.sent });
  expect(Object.keys(report.wire.ends).sort()).toEqual(['dead', 'done', 'ignored']);
  expect(report.wire.runs).toBeGreaterThan(DELIVERIES / 4);
  expect(code).toBe(0);
}, 600_000);

it('is the same again from the same seed, and another from another', () => {
  const some = (seed: number) => Array.from({ length: 50 }, (_, at) => drawCase(seed, at));
  expect(some(1)).toEqual(some(1));
  expect(some(1)).not.toEqual(some(2));
});

it('makes a case that fails as small as it still fails', async () => {
  const [drawn] = Array.from({ length: 1_000 }, (_, at) => drawCase(7, at)).filter((one) => one.mutations.length > 4);
  const needed = drawn?.mutations[2];
  if (drawn === undefined || needed === undefined) throw new Error('No case has so many changes.');
  const smallest = await minimised(drawn, async ({ mutations }) => mutations.includes(needed));
  expect(smallest).toEqual({ ...smallest, mutations: [needed], contentType: 'application/json' });
});

it('changes what it says, and nothing else', () => {
  const at = (...path: (string | number)[]) => path;
  const text = (...mutations: Case['mutations']) =>
    mutated({ id: 1, user: { id: 2, name: 'x' }, list: [1, 2] }, mutations).toString();
  expect(text()).toBe('{"id":1,"user":{"id":2,"name":"x"},"list":[1,2]}');
  expect(text({ do: 'drop', at: at('user', 'id') }, { do: 'drop', at: at('list', 0) })).toBe(
    '{"id":1,"user":{"name":"x"},"list":[2]}',
  );
  expect(text({ do: 'set', at: at('id'), json: '9007199254740993' })).toContain('{"id":9007199254740993,');
  expect(text({ do: 'swap', at: at('id'), with: at('user', 'name') })).toBe(
    '{"id":"x","user":{"id":2,"name":1},"list":[1,2]}',
  );
  expect(text({ do: 'swap', at: at('user'), with: at('user', 'id') })).toBe('{"id":1,"user":2,"list":[1,2]}');
  expect(text({ do: 'repeat', at: at('id'), json: '2' })).toContain('{"id":1,"id":2,');
  expect(text({ do: 'rename', at: at('id'), key: '__proto__' })).toContain('"__proto__":1');
  expect(text({ do: 'add', at: at('user'), key: '__proto__', json: '{}' })).toContain('"name":"x","__proto__":{}}');
  expect(text({ do: 'wrap', at: at('id'), levels: 3 })).toContain('"id":[[[1]]]');
  expect(text({ do: 'grow', at: at('user', 'name'), times: 3 })).toContain('"name":"xxx"');
  expect(text({ do: 'grow', at: at('list'), times: 2 })).toContain('"list":[1,2,1,2]');
  expect(text({ do: 'cut', share: 0.5 })).toHaveLength(24);
  expect(text({ do: 'set', at: at('no', 'such'), json: '1' })).toBe(text());
});

it('knows what of every fixture is read', () => {
  for (let at = 0; at < 100; at += 1) {
    const { places, read } = seedOf(drawCase(1, at));
    expect(read.length).toBeGreaterThan(0);
    expect(places).toEqual(expect.arrayContaining([...read]));
  }
});
