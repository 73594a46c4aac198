/** The built program with other people's apps: in worker processes, from a file of any kind, or embedded in a program. */
import { spawn } from 'node:child_process';
import { createHmac, randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import {
  appSettings,
  createInstallation,
  eventually,
  freePort,
  type Installation,
  WEBHOOK_SECRET,
} from '../e2e/program.js';

const folder = mkdtempSync(join(tmpdir(), 'forgeway-programs-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const installations: Installation[] = [];
const children: { end(): Promise<number | null> }[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) await child.end();
  for (const installation of installations.splice(0)) await installation.remove();
});

const cli = join(process.cwd(), 'dist/src/entry/cli.js');

async function install(): Promise<Installation> {
  const installation = await createInstallation(appSettings());
  installations.push(installation);
  return installation;
}

function put(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

const seenIn = (name: string) => join(folder, `${name}.seen`);
/** Whole lines: one may just be written. */
const seen = (name: string) =>
  existsSync(seenIn(name)) ? readFileSync(seenIn(name), 'utf8').split('\n').slice(0, -1) : [];
/** Code that notes where it runs and what it got. */
const noting = (name: string) =>
  `appendFileSync(${JSON.stringify(seenIn(name))}, context.name + '.' + context.payload.action + ' ' + process.pid + '\\n')`;

/** Starts a program that serves, and waits until it is ready. */
async function start(installation: Installation, args: readonly string[]) {
  const port = await freePort();
  const environment = { ...installation.environment, PORT: String(port), PREVIEW_PORT: String(await freePort()) };
  const child = spawn(process.execPath, args, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  const out = { text: '' };
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      out.text += chunk.toString();
    });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const program = {
    url: `http://127.0.0.1:${port}`,
    pid: child.pid,
    said: () => out.text,
    async end() {
      child.kill('SIGTERM');
      return ended;
    },
  };
  children.push(program);
  await eventually(`readiness: ${args.join(' ')}`, async () => {
    if (child.exitCode !== null) throw new Error(`it ended: ${out.text}`);
    const answer = await fetch(`${program.url}/readyz`).catch(() => undefined);
    return answer?.ok ? true : undefined;
  });
  return program;
}

const issues = (number: number) => ({
  action: 'opened',
  installation: { id: 99 },
  sender: { id: 1, login: 'alice', type: 'User' },
  issue: {
    id: 100 + number,
    number,
    title: 'It is slow',
    body: null,
    state: 'open',
    html_url: `https://github.com/acme/web/issues/${number}`,
    user: { id: 1, login: 'alice', type: 'User' },
    labels: [],
    assignees: [],
    milestone: null,
    created_at: '2026-01-01T00:00:00Z',
    updated_at: '2026-01-01T00:00:00Z',
    closed_at: null,
  },
  repository: {
    id: 11,
    name: 'web',
    full_name: 'acme/web',
    private: false,
    owner: { id: 2, login: 'acme', type: 'Organization' },
    html_url: 'https://github.com/acme/web',
    clone_url: 'https://github.com/acme/web.git',
    default_branch: 'main',
    archived: false,
    updated_at: '2026-01-01T00:00:00Z',
  },
});

async function send(url: string, event: string, payload: object): Promise<number> {
  const body = JSON.stringify(payload);
  const { status } = await fetch(`${url}/api/webhooks/github`, {
    method: 'POST',
    body,
    headers: {
      'content-type': 'application/json',
      'x-github-event': event,
      'x-github-delivery': randomUUID(),
      'x-hub-signature-256': `sha256=${createHmac('sha256', WEBHOOK_SECRET).update(body).digest('hex')}`,
    },
  });
  return status;
}

interface Row {
  app: string;
  event: string;
  status: string;
  reason: string | null;
}

const START_MS = 240_000;

describe('forgeway app run', () => {
  it(
    'serves apps of every form, in a worker, and switches one off for a repository',
    async () => {
      const commonjs = put(
        'common.cjs',
        `const { appendFileSync } = require('node:fs');
         module.exports = (app, { addHandler }) => {
           app.on('issues.opened', (context) => { ${noting('common')}; });
           app.on('issues.opened', async (context) => {
             if (context.payload.issue.title === 'Answer') await context.octokit.rest.issues.createComment(context.issue({ body: 'Yes' }));
           });
           addHandler(async (request, response) => {
             if (request.url !== '/echo') return false;
             let body = '';
             for await (const chunk of request) body += chunk;
             response.setHeader('x-worker', process.pid);
             response.end(request.method + ' ' + body + ' ' + request.headers['content-type']);
             return true;
           });
         };`,
      );
      const typed = put(
        'typed.ts',
        // A value of Probot's, in a folder without `"type": "module"`: it is compiled to `require`.
        `import { appendFileSync } from 'node:fs';
         import { ProbotOctokit } from 'probot';
         type Told = { name: string; payload: { action: string } };
         export const other: number = typeof ProbotOctokit.defaults === 'function' ? 1 : 0;
         if (other === 0) throw new Error('this is not Probot');
         export const watch = (app: { on(name: string, run: (context: Told) => void): void }): void => {
           app.on('issues', (context: Told) => { ${noting('typed')}; });
         };`,
      );
      const careless = put(
        'careless.mjs',
        // As apps do that forget an await.
        `export default (app, { addHandler }) => {
           void Promise.reject(new Error('its first words'));
           setInterval(() => { void Promise.reject(new Error('its own schedule')); }, 100);
           app.on('issues.opened', () => { void Promise.reject(new Error('nobody awaited this')); });
           addHandler((request) => request.url === '/careless' && (void Promise.reject(new Error('nor this')), true));
         };`,
      );
      const installation = await install();
      const program = await start(installation, [cli, 'app', 'run', commonjs, `watcher=${typed}#watch`, careless]);
      expect(program.said()).toMatch(/common listens to:[\s\S]*issues\.opened[\s\S]*watcher listens to:/);
      // What it will ask for, and which forge has that.
      expect(program.said()).toMatch(
        /Its source mentions:[\s\S]*POST \/repos\/\{owner\}\/\{repo\}\/issues\/\{issue_number\}\/comments/,
      );

      expect(await send(program.url, 'issues', issues(1))).toBe(202);
      const [line = ''] = await eventually('both apps', async () =>
        seen('common').length + seen('typed').length === 2 ? seen('common') : undefined,
      );
      expect(line).toMatch(/^issues\.opened \d+$/);
      expect(line).not.toContain(` ${program.pid}`);

      const echo = await eventually('its page', async () => {
        const answer = await fetch(`${program.url}/echo`, {
          method: 'POST',
          body: 'a=1',
          headers: { 'content-type': 'application/x-odd' },
        });
        return answer.ok ? answer : undefined;
      });
      expect(await echo.text()).toBe('POST a=1 application/x-odd');
      expect(echo.headers.get('x-worker')).not.toBe(String(program.pid));
      // As an asynchronous route of Express 4 that fails.
      expect((await fetch(`${program.url}/careless`)).status).toBe(500);
      expect((await fetch(`${program.url}/echo`)).headers.get('x-worker')).toBe(echo.headers.get('x-worker'));
      const nothing = await fetch(`${program.url}/nothing`);
      expect(nothing.status).toBe(404);
      expect(await nothing.json()).toMatchObject({ error: { code: 'NOT_FOUND' } });
      expect((await fetch(`${program.url}/healthz`)).ok).toBe(true);

      const off = await installation.run(['app', 'disable', 'common', '--repo', 'acme/web']);
      expect(off).toMatchObject({ code: 0, stdout: 'common is off for acme/web on github.com.\n' });
      expect(await send(program.url, 'issues', issues(2))).toBe(202);
      await eventually('the app that is on', async () => (seen('typed').length === 2 ? true : undefined));
      const listed = await eventually('every row', async () => {
        const rows = JSON.parse((await installation.run(['app', 'list', '--json'])).stdout) as (Row & {
          runs: number;
          offIn: string[];
        })[];
        return rows.find(({ app }) => app === 'common')?.runs === 2 ? rows : undefined;
      });
      expect(listed.find(({ app }) => app === 'common')).toMatchObject({ offIn: ['acme/web'], dead: 0 });
      expect(seen('common')).toHaveLength(1);
      // What it left to the process fails its own run, and ends nothing.
      const workers = new Set([...seen('common'), ...seen('typed')].map((one) => one.split(' ')[1]));
      expect([...workers]).toEqual([line.split(' ')[1]]);
      expect(program.said()).not.toContain('worker process ended');
      expect(program.said()).toMatch(/"app":"careless","err":"its own schedule".*outside of any delivery/);
      await eventually('the failure of the careless one', async () => {
        const { stdout } = await installation.run(['deliveries', 'list']);
        return stdout.includes('a promise that the handler did not await') ? true : undefined;
      });
      expect((await installation.run(['app', 'disable', 'mirror', '--repo', 'acme/web'])).code).toBe(1);
      expect((await installation.run(['app', 'disable', 'common', '--repo', 'acme/none'])).stderr).toContain(
        'FORGEWAY_REPOSITORY_UNKNOWN',
      );
      expect(await program.end()).toBe(0);
    },
    START_MS,
  );

  it('says at once what is wrong with an app', async () => {
    const installation = await install();
    const broken = put('broken.mjs', `throw new Error('GREETING is not set');`);
    const run = await installation.run(['app', 'run', broken]);
    expect(run.code).toBe(1);
    expect(run.stderr).toContain('GREETING is not set');
    expect(run.stderr).not.toContain('database');
    expect(run.stderr).toContain(`${broken}:1)`);
    const twisted = put('twisted.mjs', 'export const x = 1;\n\nconst = 3;\n');
    for (const [name, source, place] of [
      ['imports.mjs', `import { x } from './twisted.mjs';\nexport default () => x;`, `${twisted}:3`],
      ['common-syntax.cjs', '\nmodule.exports = (app) => { const = 3; };', 'common-syntax.cjs:2'],
      ['typed-syntax.ts', '\nexport default (app: unknown) => { const = 3; };', 'typed-syntax.ts:2'],
      ['late.mjs', '\nexport default (app) => { app.nothing(); };', 'late.mjs:2'],
    ] as const) {
      const told = await installation.run(['app', 'inspect', put(name, source)]);
      expect(told.stderr).toContain(place);
      expect(told.code).toBe(1);
    }
    const odd = put(
      'odd.mjs',
      `export default (app) => { app.on(['push.opened', 'issues.open', 'issues.opened'], () => {}); };`,
    );
    const inspected = await installation.run(['app', 'inspect', odd]);
    expect(inspected.stdout).toMatch(/push\.opened +unknown +unknown/);
    expect(inspected.stdout).toContain('"push.opened", as far as is known here: did you mean push?');
    expect(inspected.stdout).toContain('did you mean issues.opened?');
    for (const [name, source] of [
      ['leaves', 'process.exit(0)'],
      ['waits', 'await new Promise(() => {})'],
    ] as const) {
      const ended = await installation.run([
        'app',
        'inspect',
        put(`${name}.mjs`, `export default async () => { ${source}; };`),
      ]);
      expect(ended.stderr).toMatch(new RegExp(`${name} ended the process while it was loaded`));
      expect(ended.code).toBe(1);
    }
    expect((await installation.run(['app', 'run'])).code).toBe(2);
  });
});

describe('the package', () => {
  it(
    'serves apps inside another program, which is started again for its workers',
    async () => {
      const { exports: exported } = JSON.parse(readFileSync('package.json', 'utf8')) as {
        exports: { '.': { default: string; types: string } };
      };
      expect(existsSync(exported['.'].types)).toBe(true);
      const library = pathToFileURL(join(process.cwd(), exported['.'].default)).href;
      const script = put(
        'embedding.mjs',
        `import { appendFileSync } from 'node:fs';
         import { serve, defineForge, createBridge, createRehearsal, forges } from ${JSON.stringify(library)};
         if ([serve, defineForge, createBridge, createRehearsal].some((it) => typeof it !== 'function')) throw new Error('not exported');
         if (forges.size < 4) throw new Error('no forges');
         await serve({ embedded: (app) => { app.on('issues.opened', (context) => { ${noting('embedded')}; }); } });`,
      );
      const installation = await install();
      const program = await start(installation, [script]);
      expect(await send(program.url, 'issues', issues(1))).toBe(202);
      const [line = ''] = await eventually('the app', async () =>
        seen('embedded').length > 0 ? seen('embedded') : undefined,
      );
      expect(line).toMatch(/^issues\.opened \d+$/);
      expect(line).not.toContain(` ${program.pid}`);
      expect(await program.end()).toBe(0);
    },
    START_MS,
  );
});
