import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { numberAwaits, POINT } from './number-awaits.js';

describe('numberAwaits', () => {
  it('wraps what is awaited, also within each other, and leaves everything else', () => {
    const { source, awaits } = numberAwaits('const f = async () => {\n  return (await g(await h(1))) + 1;\n};\n');
    expect(source).toBe(`const f = async () => {\n  return (await ${POINT}(g(await ${POINT}(h(1))))) + 1;\n};\n`);
    expect(awaits).toBe(2);
  });

  it('knows an await from its name in texts and comments', () => {
    const source = "// await one\nconst text = 'await two';\nconst t = `await ${three}`;\n";
    expect(numberAwaits(source)).toEqual({ source, awaits: 0 });
  });

  it('counts one more where one more is written', () => {
    const before = 'export async function run(a) { await a(); await a(); }';
    const after = before.replace('await a();', 'await a(); await a();');
    expect(numberAwaits(after).awaits).toBe(numberAwaits(before).awaits + 1);
  });
});

/** A module of the numbered folders, and a program that runs it once when it is told to. */
const PROGRAM = `import { flow } from './src/inbox/flow.js';
process.on('message', async () => { await flow(); process.send('over'); });
process.send('ready');
`;

describe('a process with numbered awaits', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'forgeway-awaits-'));
    await mkdir(join(folder, 'dist/src/inbox'), { recursive: true });
    await mkdir(join(folder, 'control/numbered/inbox'), { recursive: true });
    await writeFile(join(folder, 'dist/package.json'), '{"type":"module"}');
    await writeFile(join(folder, 'dist/program.js'), PROGRAM);
    await writeFile(join(folder, 'control/dist'), join(folder, 'dist/src'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  /** Runs the flow; answers what ended the process, and how far it had come by its own notes. */
  async function run(
    body: string,
    at: number,
    side = 'sent',
  ): Promise<{ signal: string | null; notes: string; count: number }> {
    const notes = join(folder, 'notes');
    const source = `import { appendFileSync } from 'node:fs';
const note = (text) => appendFileSync(${JSON.stringify(notes)}, text);
const step = async (text) => { note(text); };
export async function flow() { ${body} }
`;
    await writeFile(notes, '');
    await writeFile(join(folder, 'dist/src/inbox/flow.js'), source);
    await writeFile(join(folder, 'control/numbered/inbox/flow.js'), numberAwaits(source).source);
    const order = (id: number, more: object) =>
      writeFile(join(folder, 'control/order.json'), JSON.stringify({ id, ...more }));
    await order(1, { kind: 'arm', points: { server: { at, side } } });
    const register = pathToFileURL(join(process.cwd(), 'test/chaos/await-points/register.mjs')).href;
    const child = spawn(process.execPath, ['--import', register, join(folder, 'dist/program.js')], {
      env: { PATH: process.env.PATH, FORGEWAY_CRASH_AT: join(folder, 'control') },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const exited = new Promise<string | null>((resolve) => child.once('exit', (_code, signal) => resolve(signal)));
    const said = () => new Promise<unknown>((resolve) => child.once('message', resolve));
    const answered = async (id: number): Promise<{ count: number }> => {
      for (;;) {
        const text = await readFile(join(folder, `control/${id}-${child.pid}.json`), 'utf8').catch(() => '');
        if (text !== '') return JSON.parse(text) as { count: number };
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    await said();
    child.kill('SIGUSR2');
    await answered(1);
    child.send('run');
    const over = await Promise.race([said(), exited]);
    let count = -1;
    if (over === 'over') {
      await order(2, { kind: 'count' });
      child.kill('SIGUSR2');
      count = (await answered(2)).count;
      child.kill('SIGTERM');
    }
    return { signal: await exited, notes: await readFile(notes, 'utf8'), count };
  }

  it('dies at the await it is told, before its answer or with it, and counts them all otherwise', async () => {
    const body = "await step('a'); await step('b'); note('-'); await step('c'); note('.');";
    expect(await run(body, 0)).toEqual({ signal: 'SIGTERM', notes: 'ab-c.', count: 3 });
    expect(await run(body, 2)).toEqual({ signal: 'SIGKILL', notes: 'ab', count: -1 });
    expect(await run(body, 3, 'answered')).toEqual({ signal: 'SIGKILL', notes: 'ab-c', count: -1 });
    expect(await run(`${body} await step('d');`, 0)).toMatchObject({ count: 4 });
  });
});

it('is no part of what is released', () => {
  const texts = ['src', 'dist/src'].flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => /\.(?:ts|js)$/.test(file))
      .map((file) => [file, readFileSync(join(folder, file), 'utf8')] as const),
  );
  expect(texts.length).toBeGreaterThan(500);
  expect(texts.filter(([, text]) => text.includes('FORGEWAY_CRASH') || text.includes(POINT))).toEqual([]);
});
