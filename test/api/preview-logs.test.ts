/** What previews print, read page by page while they print it, and by those alone who may see them. */
import { appendFile, mkdir, mkdtemp, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { fastify } from 'fastify';
import { createPageLinks } from '../../src/accounts/page-links.js';
import { addPreviewLogPage } from '../../src/api/preview-log-page.js';
import { createPreviewLogs } from '../../src/jobs/preview/logs.js';
import { keepSecret } from '../../src/lib/known-secrets.js';
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
/** As the vault gives it, to a server that has never started this preview. */
const SECRET = 'shop-key-9f8e7d6c5b4a';
const asked: string[][] = [];
let folder: string;
let address: Promise<string>;
let run: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'forgeway-logs-'));
  rig = await startApiRig({
    previewLog: createPreviewLogs({
      dataDir: folder,
      secretsOf: async (of, names) => {
        asked.push([of.repositoryId, ...names]);
        keepSecret(SECRET);
      },
    }),
    eventTiming: { pollMs: 20, heartbeatMs: 200, recheckMs: 50, stuckMs: 1_000 },
  });
  address = rig.app.listen({ port: 0, host: '127.0.0.1' });
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

  it('has no secret that the preview was given, though this process never gave it to it, and strangers are given none', async () => {
    const source = { kind: 'commands', build: [], start: 'run', workingDirectory: '.' };
    const service = { name: 'web', source, port: 1, public: true, health: '/', env: {}, size: 'small' };
    const config = { services: [{ ...service, secrets: ['SHOP_KEY'] }], labels: [], paths: [], branches: [] };
    const preview = await rig.rows<{ repository_id: string }>('SELECT repository_id FROM preview WHERE id = $1', [
      rig.mine.preview,
    ]);
    await print(`SHOP_KEY is ${SECRET}\n`);
    await state({ ...running(), config, trusted: false });
    await logs();
    expect(asked).toEqual([]);
    await state({ ...running(), config });
    expect((await logs()).lines).toEqual(['SHOP_KEY is [redacted]']);
    await logs();
    expect(asked).toEqual([[preview[0]?.repository_id, 'SHOP_KEY']]);
  });

  it('is what the row knows of a failure, where there are no files', async () => {
    await state(null);
    await rig.rows(`UPDATE preview SET log_tail = E'boom\\nPASSWORD=hunter22222' WHERE id = $1`, [rig.mine.preview]);
    const { lines, ended } = await logs();
    expect([lines[0], ended]).toEqual(['boom', true]);
  });

  it('is told from a time on, over both of its files, and never too little of it', async () => {
    await state(running());
    const noted: string[] = [];
    const printed = async (at: number, text: string) => {
      await print(text);
      const { ino, size } = await stat(join(run, 'log'));
      noted.push(`${at}.250 ${ino} ${size}`);
      await writeFile(join(run, 'log-times'), `${noted.join('\n')}\n`);
      await utimes(join(run, 'log'), at + 0.25, at + 0.25);
    };
    const since = async (at: number) => (await logs(`since=${new Date(at * 1_000).toISOString()}`)).lines;
    await printed(1_000, 'a\n');
    await printed(1_010, 'b\n');
    await rename(join(run, 'log'), join(run, 'log.1'));
    await printed(1_020, 'c\n');
    await printed(1_030, 'd\n');
    // Printed when nobody looked any more: it has the time of the file.
    await print('e\n');
    await utimes(join(run, 'log'), 1_040, 1_040);
    expect(await since(0)).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(await since(1_001)).toEqual(['b', 'c', 'd', 'e']);
    expect(await since(1_011)).toEqual(['c', 'd', 'e']);
    expect(await since(1_030)).toEqual(['d', 'e']);
    expect(await since(1_031)).toEqual(['e']);
    const late = await logs(`since=${new Date(2_000_000).toISOString()}`);
    expect(late.lines).toEqual([]);
    // What comes is followed from there.
    await print('f\n');
    expect((await logs(`cursor=${late.nextCursor}`)).lines).toEqual(['f']);
  });

  it('is refused to others, and with a cursor that is none', async () => {
    expect((await ask('', 'stranger')).statusCode).toBe(404);
    expect((await ask('', 'other owner')).statusCode).toBe(404);
    expect((await ask('cursor=abc')).statusCode).toBe(422);
    await state(place({ id: '../../etc' }));
    expect((await ask()).statusCode).toBe(501);
  });
});

describe('the stream of a log', () => {
  interface Told {
    id: string;
    event: string;
    data: Partial<Log>;
  }
  /** What is told from when it is opened, one event after the other. */
  async function open(query = '', headers: Record<string, string> = {}) {
    const stop = new AbortController();
    const answer = await fetch(`${await address}/api/v1/previews/${rig.mine.preview}/logs/stream?${query}`, {
      headers: { ...rig.headers('viewer'), ...headers },
      signal: stop.signal,
    });
    const reader = answer.ok ? answer.body?.pipeThrough(new TextDecoderStream()).getReader() : undefined;
    let text = '';
    async function next(): Promise<Told | undefined> {
      for (;;) {
        const end = text.indexOf('\n\n');
        if (end < 0) {
          const part = await reader?.read();
          if (part === undefined || part.done) return undefined;
          text += part.value;
          continue;
        }
        const fields = new Map(
          text
            .slice(0, end)
            .split('\n')
            .map((line) => [line.split(':', 1)[0], line.slice(line.indexOf(':') + 1).trim()]),
        );
        text = text.slice(end + 2);
        if (fields.has('data'))
          return {
            id: fields.get('id') ?? '',
            event: fields.get('event') ?? '',
            data: JSON.parse(fields.get('data') ?? ''),
          };
      }
    }
    return { answer, next, close: () => stop.abort() };
  }

  it('tells lines as they are printed, of the build and then of the run, goes on where it was left, and ends', async () => {
    await state(place());
    await print('one\n');
    const stream = await open();
    expect(stream.answer.headers.get('content-type')).toContain('text/event-stream');
    expect(await stream.next()).toMatchObject({ event: 'lines', data: { stage: 'build', lines: ['one'], gap: false } });
    await print('two\nAuthorization: Bearer abcdefghijklmnop\n');
    const second = await stream.next();
    expect(second?.data.lines?.[0]).toBe('two');
    expect(JSON.stringify(second)).not.toContain('abcdefghijklmnop');
    await rename(join(run, 'log'), join(run, 'build-log'));
    // It is looked for in between, too.
    await new Promise((resolve) => setTimeout(resolve, 100));
    await print('listening\n', 'run-log');
    await state(running());
    await rename(join(run, 'run-log'), join(run, 'log'));
    const third = await stream.next();
    expect(third).toMatchObject({ event: 'lines', data: { stage: 'run', lines: ['listening'] } });
    stream.close();
    await print('more\n');
    const again = await open('', { 'last-event-id': third?.id ?? '' });
    expect(await again.next()).toMatchObject({ event: 'lines', data: { lines: ['more'], gap: false } });
    await state(place({ built: true, handle: { process: { pid: 7, started: '1' } } }));
    expect(await again.next()).toMatchObject({ event: 'end', data: { stage: 'run' } });
    expect(await again.next()).toBeUndefined();
  });

  it('is for those who may read the log, with a cursor that is one, and ten at a time', async () => {
    await state(running());
    expect((await open('', rig.headers('other owner'))).answer.status).toBe(404);
    expect((await open('cursor=abc')).answer.status).toBe(422);
    expect((await open('organization=mine&stage=other')).answer.status).toBe(422);
    const streams = await Promise.all(Array.from({ length: 10 }, () => open('', rig.headers('member'))));
    expect(streams.map(({ answer }) => answer.status)).toEqual(Array(10).fill(200));
    const refused = await open('', rig.headers('member'));
    expect(await refused.answer.json()).toMatchObject({ error: { code: 'FORGEWAY_STREAMS_EXHAUSTED' } });
    for (const { close } of streams) close();
    // What was given back is there again.
    for (;;) {
      const later = await open('', rig.headers('member'));
      later.close();
      if (later.answer.status === 200) break;
    }
  });
});

describe('the page with the logs of a preview', () => {
  const links = createPageLinks(Buffer.alloc(32, 1), 'preview');
  const open = async (path: string) => {
    const app = fastify();
    const read = async () => createPreviewLogs({ dataDir: folder });
    addPreviewLogPage(app, { store: rig.db.store('api'), links, read });
    try {
      return await app.inject(path);
    } finally {
      await app.close();
    }
  };

  it('shows both logs to whoever has its link, as text, and nothing to others', async () => {
    await state(running());
    await print('compiled <b>&\n', 'build-log');
    await print('listening\n');
    const path = links.pathOf(rig.mine.organization, rig.mine.preview);
    const { statusCode, body, headers } = await open(path);
    expect(statusCode).toBe(200);
    expect(body).toContain('<pre>compiled &#60;b&#62;&#38;</pre>');
    expect(body).toContain('<pre>listening</pre>');
    expect(headers['content-security-policy']).toContain("default-src 'none'");
    const forged = createPageLinks(Buffer.alloc(32, 2), 'preview').pathOf(rig.mine.organization, rig.mine.preview);
    const ofRun = createPageLinks(Buffer.alloc(32, 1), 'run').pathOf(rig.mine.organization, rig.mine.preview);
    const elsewhere = links.pathOf(rig.theirs.organization, rig.mine.preview);
    for (const wrong of [forged, ofRun.replace('/runs/', '/preview-logs/'), elsewhere, `${path}0`])
      expect((await open(wrong)).statusCode).toBe(404);
  });

  it('says what it is of and how it stands, loads itself again while there is more to come, and keeps a private address', async () => {
    const path = links.pathOf(rig.mine.organization, rig.mine.preview);
    const set = (text: string) => rig.rows(`UPDATE preview SET ${text} WHERE id = $1`, [rig.mine.preview]);
    await set(`phase = 'building', url = 'https://web.preview.example/'`);
    const building = (await open(path)).body;
    expect(building).toMatch(/<h1>Preview of [^<]+\/[^<]+(#\d+| at \S+)<\/h1>/);
    expect(building).toContain('🟡 Building');
    expect(building).toContain('http-equiv="refresh"');
    await set(`phase = 'ready'`);
    const ready = (await open(path)).body;
    expect(ready).toContain('✅ Ready');
    expect(ready).not.toContain('http-equiv="refresh"');
    const isOpen = ready.includes('<a href="https://web.preview.example/">Open the preview</a>');
    const turn = () =>
      rig.rows(
        'UPDATE repository SET private = NOT private WHERE id = (SELECT repository_id FROM preview WHERE id = $1)',
        [rig.mine.preview],
      );
    await turn();
    expect((await open(path)).body.includes('Open the preview')).toBe(!isOpen);
    await turn();
    expect((await open(path)).body.includes('Open the preview')).toBe(isOpen);
  });

  it('says that there is none yet', async () => {
    await state(null);
    expect((await open(links.pathOf(rig.mine.organization, rig.mine.preview))).body).toContain('There is no log');
  });
});

describe('a request that waits for lines', () => {
  it('is answered as soon as there are some, and in the end without', async () => {
    await state(running());
    await print('a\n');
    const { nextCursor } = await logs();
    const waiting = logs(`cursor=${nextCursor}&wait=20`);
    await print('b\n');
    expect((await waiting).lines).toEqual(['b']);
    const { nextCursor: last } = await logs();
    const none = await logs(`cursor=${last}&wait=1`);
    expect([none.lines, none.ended]).toEqual([[], false]);
  });
});

describe('a preview that something was refused', () => {
  it('says when it is tried again, and nothing of that once it is settled', async () => {
    const shown = async () =>
      (await rig.call('viewer', 'GET', `/api/v1/previews/${rig.mine.preview}`)).json<{ triedAgainAt: string | null }>();
    const at = '2030-01-01T10:00:00.000Z';
    const keep = (attempts: number, behind: number) =>
      rig.rows(
        `UPDATE preview SET attempts = $2, next_attempt_at = $3, desired_version = 7, observed_version = 7 - $4 WHERE id = $1`,
        [rig.mine.preview, attempts, at, behind],
      );
    await keep(3, 1);
    expect((await shown()).triedAgainAt).toBe(at);
    // A look that was put off and is no other try.
    await keep(0, 1);
    expect((await shown()).triedAgainAt).toBeNull();
    await keep(3, 0);
    expect((await shown()).triedAgainAt).toBeNull();
  });
});
