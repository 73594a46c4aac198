import { createHmac, randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  appSettings,
  createInstallation,
  eventually,
  type Installation,
  type RunningProgram,
  WEBHOOK_SECRET,
} from './program.js';

const installations: Installation[] = [];
afterEach(async () => {
  for (const installation of installations.splice(0)) await installation.remove();
});

async function install(settings?: Record<string, string>): Promise<Installation> {
  const installation = await createInstallation(settings);
  installations.push(installation);
  return installation;
}

function send(url: string, event: string, payload: object, options: { id?: string; secret?: string } = {}) {
  const body = JSON.stringify(payload);
  const signature = createHmac('sha256', options.secret ?? WEBHOOK_SECRET)
    .update(body)
    .digest('hex');
  return fetch(`${url}/api/webhooks/github`, {
    method: 'POST',
    body,
    headers: {
      'content-type': 'application/json',
      'x-github-event': event,
      'x-github-delivery': options.id ?? randomUUID(),
      'x-hub-signature-256': `sha256=${signature}`,
    },
  });
}

const ping = { zen: 'Keep it logically awesome.', hook_id: 1 };
const push = {
  ref: 'refs/heads/main',
  before: '0'.repeat(40),
  after: 'a'.repeat(40),
  forced: false,
  created: false,
  deleted: false,
  installation: { id: 99 },
  sender: { id: 1, login: 'alice', type: 'User' },
  pusher: { name: 'alice', email: 'alice@example.com' },
  commits: [],
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
    pushed_at: 1_700_000_000,
    updated_at: '2026-01-01T00:00:00Z',
  },
};

interface Delivery {
  event: string;
  deliveryKey: string;
  status: string;
  reason: string | null;
}

async function deliveries(installation: Installation): Promise<Delivery[]> {
  const { code, stdout, stderr } = await installation.run(['deliveries', 'list', '--json']);
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Delivery[];
}

const finished = (installation: Installation, key: string) =>
  eventually(`delivery ${key}`, async () =>
    (await deliveries(installation)).find(
      (row) => row.deliveryKey === key && !['received', 'assigned'].includes(row.status),
    ),
  );

/** Pids of worker processes whose parent is this server. */
function workersOf(server: RunningProgram): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
        const parent = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1];
        return parent === String(server.child.pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('work');
      } catch {
        return false;
      }
    })
    .map(Number);
}

describe('forgeway up', () => {
  it('starts in setup mode, closed, and says what is missing', async () => {
    const installation = await install();
    const server = await installation.up();
    const page = await (await fetch(server.url)).text();
    expect(page).toContain('Setup mode');
    expect(page).toContain('WEBHOOK_SECRET');
    expect((await send(server.url, 'ping', ping)).status).toBe(401);
    expect((await send(server.url, 'ping', ping, { secret: '' })).status).toBe(401);
    server.child.kill('SIGTERM');
    expect(await server.ended).toMatchObject({ code: 0 });
  });

  it('keeps what it acknowledged when it is killed, and finds its database again', async () => {
    const installation = await install(appSettings());
    const first = await installation.up({ WORKER_PROCESSES: '0' });
    const id = randomUUID();
    expect((await send(first.url, 'push', push, { id })).status).toBe(202);
    first.child.kill('SIGKILL');
    await first.ended;
    const second = await installation.up();
    const row = await finished(installation, id);
    expect(row).toMatchObject({ event: 'push', status: 'done' });
    expect((await send(second.url, 'push', push, { id })).status).toBe(202);
    expect(await deliveries(installation)).toHaveLength(1);
  });
});

/** One server for all of these, in this order: to start it takes longer than everything that is asked of it. */
describe('a server', () => {
  let installation: Installation;
  let server: RunningProgram;
  beforeAll(async () => {
    installation = await createInstallation(appSettings());
    server = await installation.up();
  });
  afterAll(() => installation?.remove());

  const workers = () =>
    eventually('a worker', async () => {
      const found = workersOf(server);
      return found.length > 0 ? found : undefined;
    });

  it('stores a signed delivery and says why it was ignored; refuses another signature without a row', async () => {
    const id = randomUUID();
    expect((await send(server.url, 'ping', ping, { id })).status).toBe(202);
    expect((await send(server.url, 'ping', ping, { secret: 'another secret' })).status).toBe(401);
    const row = await finished(installation, id);
    expect(row).toMatchObject({ event: 'ping', status: 'ignored' });
    expect(row.reason).toMatch(/ping/);
    expect(await deliveries(installation)).toHaveLength(1);
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    expect(metrics).toMatch(/forgeway_deliveries_total\{[^}]*answer="202"[^}]*\} 1/);
  });

  it('refuses a second one on the same data, and goes on', async () => {
    const second = await installation.run(['up'], { PORT: '0', PREVIEW_PORT: '0' });
    expect(second.code).toBe(1);
    expect(second.stderr).toContain('FORGEWAY_DATABASE_IN_USE');
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
  });

  it('replaces a worker that was killed, and goes on', async () => {
    const [victim] = await workers();
    process.kill(victim ?? 0, 'SIGKILL');
    const id = randomUUID();
    expect((await send(server.url, 'push', push, { id })).status).toBe(202);
    expect(await finished(installation, id)).toMatchObject({ status: 'done' });
    expect(workersOf(server)).not.toContain(victim);
  });

  it('stops within its drain time on SIGTERM, database last, and leaves no worker', async () => {
    const pids = await workers();
    server.child.kill('SIGTERM');
    const { code, stderr } = await server.ended;
    expect(code).toBe(0);
    expect(stderr).toContain('worker stopped');
    expect(stderr.trimEnd().split('\n').at(-1)).toContain('"stopped"');
    for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow();
  });
});

describe('the command line', () => {
  it('explains itself, and wrong usage ends with 2', async () => {
    const installation = await install();
    const help = await installation.run(['--help']);
    expect(help).toMatchObject({ code: 0 });
    for (const name of ['up', 'work', 'deliveries', 'pulls', 'previews', 'migrate', 'doctor'])
      expect(help.stdout).toContain(name);
    expect((await installation.run(['nonsense'])).code).toBe(2);
    expect((await installation.run(['deliveries', 'list', '--status', 'x'])).code).toBe(2);
    const byToken = await installation.run(['connections', 'add', '--forge', 'github']);
    expect(byToken).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('register one at PUBLIC_URL/setup/apps'),
    });
  });

  it('says where a forge is to send people back to, before there is a client', async () => {
    const installation = await install({ PUBLIC_URL: 'https://forgeway.example.com' });
    const ask = ['sign-in', 'clients', 'callback', '--forge', 'gitea', '--url', 'https://git.example.com'];
    expect(await installation.run(ask)).toMatchObject({
      code: 0,
      stdout: 'https://forgeway.example.com/api/auth/callback/gitea-git.example.com\n',
    });
    expect(await installation.run([...ask, '--url', 'nonsense'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('nonsense is not the address of a server'),
    });
    expect(await installation.run(ask, { PUBLIC_URL: '' })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('PUBLIC_URL is not set'),
    });
  });

  it('lists every problem of the configuration at once, with what to do', async () => {
    const installation = await install({ PORT: 'high', APP_ID: 'x', DATABASE_URL: 'mysql://h' });
    for (const command of ['up', 'doctor']) {
      const { code, stdout, stderr } = await installation.run([command]);
      expect(code).toBe(1);
      for (const name of ['PORT', 'APP_ID', 'DATABASE_URL']) expect(stdout + stderr).toContain(name);
    }
  });

  it('doctor says that the database is not running, and what starts it', async () => {
    const installation = await install();
    const { stdout } = await installation.run(['doctor', '--json']);
    const findings = JSON.parse(stdout) as { about: string; state: string; fix?: string }[];
    expect(findings.find(({ about }) => about === 'database')).toMatchObject({ state: 'warning' });
    expect(findings.find(({ about }) => about === 'git')).toMatchObject({ state: 'ok' });
  });
});
