/** What previews print, read page by page while they print it, and by those alone who may see them. */
import { appendFile, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createPreviewLogs } from '../../src/jobs/preview/logs.js';
import { type ApiRig, type Caller, startApiRig } from './api-rig.js';

interface Log {
  sha: string | null;
  stage: string;
  lines: string[];
  nextCursor: string | null;
  more: boolean;
  ended: boolean;
  gap: boolean;
}

let rig: ApiRig;
let folder: string;
let run: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'forgeway-logs-'));
  rig = await startApiRig({ previewLog: createPreviewLogs({ dataDir: folder }) });
});
afterAll(async () => {
  await rig.close();
  await rm(folder, { recursive: true, force: true });
});

const place = (more: object = {}) => ({
  ...{ id: 'p-1', sha: 'a'.repeat(40), version: '1', built: false, answered: false, restarts: 0, failure: null },
  ...{ port: null, door: null, handle: null },
  config: { build: ['make'], start: 'run', health: '/', workingDirectory: '.', env: {} },
  ...more,
});
const running = (pid = 7) => place({ built: true, port: 1, handle: { process: { pid, started: '1' } } });
const state = (candidate: object | null, serving: object | null = null) =>
  rig.rows('UPDATE preview SET driver_state = $2, log_tail = NULL WHERE id = $1', [
    rig.mine.preview,
    { candidate, serving },
  ]);
const ask = (query = '', caller: Caller = 'viewer') =>
  rig.call(caller, 'GET', `/api/v1/previews/${rig.mine.preview}/logs?${query}`);
const logs = async (query = '') => (await ask(query)).json<Log>();
const print = (text: string, name = 'log') => appendFile(join(run, name), text);

beforeEach(async () => {
  await rm(join(folder, 'previews'), { recursive: true, force: true });
  run = join(folder, 'previews', 'sandboxes', 'p-1', 'run');
  await mkdir(run, { recursive: true });
});

describe('the log of a preview', () => {
  it('is that of its build, then of its run, each followed line by line', async () => {
    await state(place());
    await print('one\ntwo\nthr');
    const first = await logs();
    expect(first).toMatchObject({ stage: 'build', lines: ['one', 'two'], more: false, ended: false, gap: false });
    await print('ee\nfour\nfive\n');
    const second = await logs(`cursor=${first.nextCursor}&limit=2`);
    expect(second).toMatchObject({ lines: ['three', 'four'], more: true });
    // What was the log of its only command is kept as the build's, and the cursor goes on in it.
    await rename(join(run, 'log'), join(run, 'build-log'));
    await state(running());
    expect(await logs(`cursor=${second.nextCursor}`)).toMatchObject({ lines: ['five'], more: false, ended: true });
    await print('listening\n');
    expect(await logs()).toMatchObject({ stage: 'run', lines: ['listening'], ended: false, sha: 'a'.repeat(40) });
    expect(await logs('stage=build&limit=1')).toMatchObject({ lines: ['five'], ended: true });
  });

  it('goes on over the turn of its two files, and says when something was missed', async () => {
    await state(running());
    await print('a\nb\n');
    const { nextCursor } = await logs();
    await print('c\nd');
    await rename(join(run, 'log'), join(run, 'log.1'));
    await print('d\ne\n');
    const turned = await logs(`cursor=${nextCursor}`);
    expect(turned).toMatchObject({ lines: ['c', 'dd', 'e'], gap: false });
    expect((await logs(`cursor=${turned.nextCursor}`)).lines).toEqual([]);
    await writeFile(join(run, 'next'), 'x\n');
    await rm(join(run, 'log.1'));
    await rename(join(run, 'next'), join(run, 'log'));
    expect(await logs(`cursor=${turned.nextCursor}`)).toMatchObject({ lines: ['x'], gap: true });
  });

  it('is begun anew when it is started anew', async () => {
    await state(running());
    await print('first\n');
    const { nextCursor } = await logs();
    await state(running(8));
    expect(await logs(`cursor=${nextCursor}`)).toMatchObject({ lines: ['first'], gap: true });
  });

  it('ends with the commit that it is of', async () => {
    await state(running());
    await print('x\n');
    const { nextCursor } = await logs();
    await state(place({ id: 'p-2' }));
    expect(await logs(`cursor=${nextCursor}`)).toMatchObject({ lines: [], ended: true, nextCursor: null });
  });

  it('has no colours, no half lines of progress and no secret, also where a key goes over a page', async () => {
    await state(running());
    const esc = String.fromCharCode(27);
    await print(`${esc}[31mred${esc}[0m\n1%\r50%\r100%\r\nAuthorization: Bearer abcdefghijklmnop\n`);
    const first = await logs();
    expect(first.lines.slice(0, 2)).toEqual(['red', '100%']);
    expect(first.lines[2]).not.toContain('abcdefghijklmnop');
    const key = Array.from({ length: 20 }, (_, at) => `key-material-${at}`);
    await print(['-----BEGIN RSA PRIVATE KEY-----', ...key, '-----END RSA PRIVATE KEY-----', 'after', ''].join('\n'));
    let cursor = first.nextCursor;
    const seen: string[] = [];
    for (let page = 0; page < 10; page += 1) {
      const next = await logs(`cursor=${cursor}&limit=5`);
      seen.push(...next.lines);
      cursor = next.nextCursor;
      if (!next.more) break;
    }
    expect(seen.at(-1)).toBe('after');
    expect(seen.join('\n')).not.toContain('key-material');
    expect((await logs('limit=10')).lines.join('\n')).not.toContain('key-material');
  });

  it('is told in pages however much there is, each line once', async () => {
    await state(running());
    const all = Array.from({ length: 20_000 }, (_, at) => `line ${at}`);
    await print(`${all.slice(0, 100).join('\n')}\n`);
    let { nextCursor, lines } = await logs('limit=1000');
    await print(`${all.slice(100).join('\n')}\n`);
    for (let more = true; more; ) {
      const next = await logs(`limit=1000&cursor=${nextCursor}`);
      lines = [...lines, ...next.lines];
      ({ nextCursor, more } = next);
    }
    expect(lines).toEqual(all);
    expect((await logs('limit=3')).lines).toEqual(all.slice(-3));
  });

  it('is what the row knows of a failure, where there are no files', async () => {
    await state(null);
    await rig.rows(`UPDATE preview SET log_tail = E'boom\\nPASSWORD=hunter22222' WHERE id = $1`, [rig.mine.preview]);
    const { lines, ended } = await logs();
    expect([lines[0], ended]).toEqual(['boom', true]);
  });

  it('is refused to others, and with a cursor that is none', async () => {
    expect((await ask('', 'stranger')).statusCode).toBe(404);
    expect((await ask('', 'other owner')).statusCode).toBe(404);
    expect((await ask('cursor=abc')).statusCode).toBe(422);
    await state(place({ id: '../../etc' }));
    expect((await ask()).statusCode).toBe(501);
  });
});
