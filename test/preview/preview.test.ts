/** The whole life of previews: real git over HTTP, real builds, real servers, a real database. */

import { access, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { approveCommit, isApproved } from '../../src/accounts/access/trusted-commits.js';
import { upstreamOf } from '../../src/effects/gateway/upstream.js';
import { listProcesses } from '../../src/effects/process/process-table.js';
import { createPreviewLogs } from '../../src/jobs/preview/logs.js';
import { git } from '../support/git-repository.js';
import { findSandboxProbe } from '../support/sandboxes.js';
import { CONFIG, createHarness, eventually, type Harness, open, type PreviewRow } from './harness.js';

const probe = await findSandboxProbe();
if (probe === undefined)
  process.stderr.write('preview tests are skipped: run as root, or `apt-get install bubblewrap`\n');
function missing(): never {
  throw new Error('it is not there');
}

/** Whether a process works in a folder, or has its name in its environment or command line. */
async function knows(pid: number, folder: string): Promise<boolean> {
  const texts = await Promise.all([
    readlink(`/proc/${pid}/cwd`).catch(() => ''),
    readFile(`/proc/${pid}/environ`, 'utf8').catch(() => ''),
    readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''),
  ]);
  return texts.some((text) => text.includes(folder));
}

const { skip } = describe;
const whenPossible = probe === undefined ? skip : describe;

whenPossible('previews', () => {
  let h: Harness;
  const start = async (o: Omit<Parameters<typeof createHarness>[0], 'probe'> = {}) => {
    if (probe === undefined) throw new Error('no sandbox');
    h = await createHarness({ probe, ...o });
  };
  afterEach(() => h.close());

  async function ready(number = 12) {
    const sha = await h.commit(`refs/heads/branch-${number}`);
    const id = await h.pullRequest(number, sha);
    await h.want(id, sha);
    return { id, sha, row: await h.settled(id, 'ready') };
  }

  const printed = (row: PreviewRow, stage: 'build' | 'run') =>
    createPreviewLogs({ dataDir: h.directory, workspacesDir: join(h.directory, 'work') })({
      ...{ driverState: row.driver_state, stage, lines: 200 },
      preview: { organizationId: h.organizationId, repositoryId: h.repositoryId, name: row.name, cluster: null },
    });

  async function expectNothing(): Promise<void> {
    expect(await h.sandboxes.list()).toEqual([]);
    expect(await readdir(join(h.directory, 'work/users'))).toEqual([]);
    expect(await readdir(join(h.directory, 'git'))).toEqual([]);
    // Other test files run sandboxes at the same time: ours are those that know our directory.
    const ofSandboxes = (await listProcesses()).filter(({ uids }) => uids.some((uid) => uid >= 2_000_000_000));
    const ours = await Promise.all(ofSandboxes.map(async ({ pid }) => ((await knows(pid, h.directory)) ? [pid] : [])));
    expect(ours.flat()).toEqual([]);
  }

  it('builds, serves, replaces and removes', async () => {
    await start();
    const { id, sha, row } = await ready();
    expect(row.name).toBe('acme-web-fx-pr-12');
    expect(row).toMatchObject({
      observed_sha: sha,
      trusted_sha: sha,
      url: 'http://acme-web-fx-pr-12.preview.localhost:1',
    });
    const { serving } = row.driver_state;
    expect(await open(serving)).toEqual({ status: 200, body: `commit ${sha}` });
    expect(await h.statuses(id)).toMatchObject([{ sha, state: 'success' }]);
    expect((await h.comment(id))?.preview).toMatchObject({ component: 'preview/web', status: 'Ready', sha });
    expect(h.reported.length).toBeGreaterThan(0);

    const next = await h.commit('refs/heads/branch-12', { 'extra.txt': 'x' });
    h.forge.config = 'preview:\n  build: "sleep 1; echo made it"\n  start: "echo starting; exec node server.mjs"\n';
    h.forge.pullRequests.set(12, { state: 'open', sha: next, headRepositoryId: 7 });
    await h.want(id, next);
    await eventually(async () => (await h.row(id)).phase === 'building');
    expect(await open(serving)).toEqual({ status: 200, body: `commit ${sha}` });
    const replaced = await h.settled(id, 'ready');
    expect(await open(replaced.driver_state.serving)).toEqual({ status: 200, body: `commit ${next}` });
    expect(await open(serving)).toBeUndefined();
    expect(await h.sandboxes.list()).toHaveLength(1);
    expect(await printed(replaced, 'build')).toMatchObject({ sha: next, lines: ['made it'], ended: true });
    expect(await printed(replaced, 'run')).toMatchObject({ sha: next, lines: ['starting'], ended: false });

    h.forge.pullRequests.set(12, { state: 'closed', sha: next, headRepositoryId: 7 });
    await h.wantNone(id);
    const gone = await h.settled(id, 'gone');
    expect(gone).toMatchObject({ url: null, log_tail: null, driver_state: {} });
    expect(await open(replaced.driver_state.serving)).toBeUndefined();
    expect((await h.comment(id))?.preview).toMatchObject({ status: 'Removed', links: [] });
    await expectNothing();
  });

  it('never writes the git credential down, nor shows it', async () => {
    await start();
    const { row } = await ready();
    expect(h.gitServer.requests.some(({ credential }) => credential?.password === h.password)).toBe(true);
    const found = await git(['grep', '--no-index', '--text', '-l', h.password, '--', h.directory]).catch(() => '');
    expect(found).toBe('');
    expect(JSON.stringify(row, (_, v) => (typeof v === 'bigint' ? `${v}` : v))).not.toContain(h.password);
  });

  const failures: [string, string, RegExp, RegExp][] = [
    [
      'a build that fails',
      'build: "echo oops >&2; exit 7"\n  start: x',
      /^The build ended with code 7: oops$/,
      /^oops$/,
    ],
    [
      'a build that hangs',
      'build: "echo waiting; sleep 1000"\n  start: x',
      /^The build took longer than 3 s: waiting$/,
      /^/,
    ],
    [
      'a build that prints fifty megabytes and fails',
      'build: "yes | head -c 50000000; echo last; exit 1"\n  start: x',
      /ended with code 1: last$/,
      /^/,
    ],
    [
      'a second command after a failed one',
      'build: ["false", "echo never"]\n  start: x',
      /^The build ended with code 1$/,
      /^/,
    ],
    ['a start command that does not exist', 'start: nonsense', /^The start command ended with code 127/, /^/],
    ['a start command that ends', 'start: echo bye', /^The start command ended with code 0: bye$/, /^/],
    [
      'a port that never opens',
      'start: "echo deaf; sleep 1000"',
      /^Not ready after 3 s, nothing listened on \$PORT: deaf$/,
      /^/,
    ],
    [
      'a server that answers with errors',
      'start: node -e \'require("http").createServer((q,r)=>r.writeHead(500).end()).listen(process.env.PORT)\'',
      /^Not ready after 3 s, \/ answered with 500$/,
      /^/,
    ],
    ['a directory that is not there', 'start: x\n  working-directory: nowhere', /ended with code 125/, /^/],
  ];
  it.each(failures)('says what is wrong with %s', async (_name, section, message, log) => {
    await start({ buildTimeoutMs: 3_000, readyTimeoutMs: 3_000 });
    h.forge.config = `preview:\n  ${section}\n`;
    const sha = await h.commit('refs/heads/branch-12');
    const id = await h.pullRequest(12, sha);
    await h.want(id, sha);
    const row = await h.settled(id, 'failed');
    expect(row.message).toMatch(message);
    expect(row.log_tail).toMatch(log);
    expect((row.log_tail ?? '').length).toBeLessThan(20_000);
    expect(row.url).toBeNull();
    expect(await h.statuses(id)).toMatchObject([{ sha, state: 'failure' }]);
    expect((await h.comment(id))?.preview).toMatchObject({ status: 'Failed', note: row.message });
    const uids = new Set((await h.sandboxes.list()).flatMap(({ uid }) => uid ?? []));
    expect(await h.processes(uids)).toBe(0);
    await h.wantNone(id);
    await h.settled(id, 'gone');
    await expectNothing();
  });

  it('keeps the last good commit when the next one fails', async () => {
    await start();
    const { id, sha, row } = await ready();
    const next = await h.commit('refs/heads/branch-12', { 'server.mjs': 'throw new Error("broken");' });
    h.forge.pullRequests.set(12, { state: 'open', sha: next, headRepositoryId: 7 });
    await h.want(id, next);
    const failed = await h.settled(id, 'failed');
    expect(failed.message).toContain(`The preview of ${sha.slice(0, 7)} is still there.`);
    expect(failed.url).toBe(row.url);
    expect(await open(failed.driver_state.serving)).toEqual({ status: 200, body: `commit ${sha}` });
    expect(await h.statuses(id)).toMatchObject([
      { sha, state: 'success' },
      { sha: next, state: 'failure' },
    ]);
  });

  it('stops building a commit that is no longer wanted', async () => {
    await start();
    h.forge.config = 'preview:\n  build: sleep 1000\n  start: exec node server.mjs\n';
    const sha = await h.commit('refs/heads/branch-12');
    const id = await h.pullRequest(12, sha);
    await h.want(id, sha);
    await eventually(async () => (await h.sandboxes.list()).some(({ process }) => process !== null));
    h.forge.config = CONFIG;
    const next = await h.commit('refs/heads/branch-12', { more: 'x' });
    h.forge.pullRequests.set(12, { state: 'open', sha: next, headRepositoryId: 7 });
    await h.want(id, next);
    expect((await h.settled(id, 'ready')).observed_sha).toBe(next);
    expect(await h.sandboxes.list()).toHaveLength(1);
  });

  it('believes the forge and not the row', async () => {
    await start();
    const { id, sha } = await ready();
    const newest = await h.commit('refs/heads/branch-12', { newest: 'x' });
    h.forge.pullRequests.set(12, { state: 'open', sha: newest, headRepositoryId: 7 });
    // An old event again, after the newest commit's: the newest is what counts, with its own pusher.
    await h.want(id, newest);
    await h.want(id, sha);
    expect((await h.settled(id, 'ready')).observed_sha).toBe(newest);
    h.forge.pullRequests.set(12, { state: 'closed', sha: newest, headRepositoryId: 7 });
    await h.want(id, 'f'.repeat(40));
    await h.settled(id, 'gone');
    await expectNothing();
  });

  it('runs only what may run, and says why it waits', async () => {
    await start();
    const sha = await h.commit('refs/heads/branch-12');
    const id = await h.pullRequest(12, sha);
    h.forge.pullRequests.set(12, { state: 'open', sha, headRepositoryId: 8 });
    await h.want(id, sha);
    expect((await h.settled(id, 'waiting')).message).toMatch(/comes from a fork.*`\/ok-to-test [0-9a-f]{7}`/);
    h.forge.pullRequests.set(12, { state: 'open', sha, headRepositoryId: null });
    await h.want(id, sha, { id: 43n, login: 'bob' });
    expect((await h.settled(id, 'waiting')).message).toContain('comes from a fork');
    h.forge.pullRequests.set(12, { state: 'open', sha, headRepositoryId: 7 });
    h.forge.permission = 'read';
    await h.want(id, sha);
    await eventually(async () => (await h.row(id)).message?.startsWith('ada pushed'));
    const unknown = await h.commit('refs/heads/branch-12', { b: 'x' });
    h.forge.pullRequests.set(12, { state: 'open', sha: unknown, headRepositoryId: 7 });
    await h.want(id, unknown, null);
    await eventually(async () => (await h.row(id)).message?.includes('did not say who pushed'));
    expect(await h.sandboxes.list()).toEqual([]);
    expect(h.gitServer.requests).toEqual([]);
    expect(await h.statuses(id)).toMatchObject([{ state: 'pending' }, { state: 'pending' }]);
    h.forge.permission = 'write';
    await h.want(id, unknown);
    await h.settled(id, 'ready');
  });

  it('runs what an agent made where whoever had it work may have code run, whoever pushed it', async () => {
    await start();
    const sha = await h.commit('refs/heads/branch-12');
    const id = await h.pullRequest(12, sha);
    await h.want(id, sha, null);
    expect((await h.settled(id, 'waiting')).message).toContain('did not say who pushed');
    await h.store.tenant(h.organizationId, (tx) =>
      tx.query(
        `INSERT INTO agent_session (organization_id, repository_id, forge, host, remote_repository_id, number, on_pull_request,
           command_key, requester_id, requester_login, requested_by, agent, triggered_at, limit_seconds, result_sha)
         SELECT organization_id, id, forge, host, remote_id, 3, false, 'key', 42, 'ada', 'test', 'scripted', now(), 60, $2
           FROM repository WHERE id = $1`,
        [h.repositoryId, sha],
      ),
    );
    h.forge.permission = 'read';
    await h.lookAgain(id);
    await eventually(async () => (await h.row(id)).message?.startsWith('ada had an agent make'));
    expect(await h.sandboxes.list()).toEqual([]);
    h.forge.permission = 'write';
    await h.lookAgain(id);
    await h.settled(id, 'ready');
  });

  it('runs the commit of a fork that was approved, and not the next one', async () => {
    await start();
    const sha = await h.commit('refs/heads/branch-12');
    const id = await h.pullRequest(12, sha);
    h.forge.pullRequests.set(12, { state: 'open', sha, headRepositoryId: 8 });
    await h.want(id, sha);
    await h.settled(id, 'waiting');
    await h.store.tenant(h.organizationId, async (tx) => {
      const place = { repositoryId: h.repositoryId, sha };
      // One for another pull request is none for this one.
      await approveCommit(tx, h.organizationId, { ...place, number: 13 }, { name: 'forge:1', login: 'eve' });
      expect(await isApproved(tx, { ...place, number: 12 })).toBe(false);
      await approveCommit(tx, h.organizationId, { ...place, number: 12 }, { name: 'forge:1', login: 'eve' });
    });
    await h.lookAgain(id);
    await h.settled(id, 'ready');
    const next = await h.commit('refs/heads/branch-12', { next: 'x' });
    h.forge.pullRequests.set(12, { state: 'open', sha: next, headRepositoryId: 8 });
    await h.want(id, next);
    await eventually(async () => (await h.row(id)).message?.includes('comes from a fork'));
    expect((await h.row(id)).observed_sha).toBe(sha);
  });

  it('runs nothing while the forge cannot say who may write', async () => {
    await start();
    h.forge.permissionFails = true;
    const sha = await h.commit('refs/heads/branch-12');
    const id = await h.pullRequest(12, sha);
    await h.want(id, sha);
    await eventually(async () => h.forge.requests.filter((route) => route.includes('permission')).length > 2);
    expect(await h.sandboxes.list()).toEqual([]);
    h.forge.permissionFails = false;
    await h.settled(id, 'ready');
  });

  it('says nothing where no preview is asked for, and names the mistakes of a bad file', async () => {
    await start();
    h.forge.config = undefined;
    const sha = await h.commit('refs/heads/branch-12');
    const id = await h.pullRequest(12, sha);
    await h.want(id, sha);
    await h.settled(id, 'gone');
    expect(await h.comment(id)).toBeUndefined();
    expect(await h.statuses(id)).toEqual([]);
    h.forge.config = 'preview:\n  start: x\n  strat: y\n';
    await h.want(id, sha, { id: 43n, login: 'bob' });
    expect((await h.settled(id, 'failed')).message).toContain('line 3: preview.strat is not known');
  });

  it('leaves nothing of a preview that fights back', async () => {
    await start();
    h.forge.config = 'preview:\n  start: exec node server.mjs\n';
    const fighter =
      "import { spawn } from 'node:child_process';\n" +
      "for (const line of ['setsid sleep 4545', \"perl -e 'fork while 1'\", 'setsid sh -c \"(setsid sleep 4646 &) &\"'])\n" +
      "  spawn('sh', ['-c', line], { detached: true, stdio: 'ignore' }).on('error', () => 0);\n";
    const server =
      "import { createServer } from 'node:http';\ncreateServer((q, r) => r.end('up')).listen(Number(process.env.PORT), () => import('./fighter.mjs'));\n";
    const sha = await h.commit('refs/heads/branch-12', { 'server.mjs': server, 'fighter.mjs': fighter });
    const id = await h.pullRequest(12, sha);
    await h.want(id, sha);
    const row = await h.settled(id, 'ready');
    const uids = new Set((await h.sandboxes.list()).flatMap(({ uid }) => uid ?? []));
    if (uids.size > 0) await eventually(async () => (await h.processes(uids)) > 10);
    await h.wantNone(id);
    await h.settled(id, 'gone');
    expect(await open(row.driver_state.serving)).toBeUndefined();
    if (uids.size > 0) expect(await h.processes(uids)).toBe(0);
    await expectNothing();
  });

  it('sleeps when nobody comes, and wakes', async () => {
    await start();
    const { createPreviewRoutes } = await import('../../src/jobs/preview/routes.js');
    const { id, sha, row } = await ready();
    const routes = createPreviewRoutes({ store: h.store, queue: h.queue });
    expect(await routes.find(row.name)).toMatchObject({
      phase: 'ready',
      upstream: upstreamOf(row.driver_state.serving ?? missing()),
      private: false,
    });
    expect(await routes.find('nobody')).toBeUndefined();
    const monitor = h.startMonitor({ sleepAfterMs: 0 });
    const asleep = await h.settled(id, 'sleeping');
    await monitor.stop();
    expect(await open(row.driver_state.serving)).toBeUndefined();
    expect(await h.sandboxes.list()).toHaveLength(1);
    const route = await eventually(async () => {
      const found = await routes.find(asleep.name);
      return found?.phase === 'sleeping' && found;
    });
    expect(route.upstream).toBeNull();
    await routes.wake(route);
    const awake = await h.settled(id, 'ready');
    expect(await open(awake.driver_state.serving)).toEqual({ status: 200, body: `commit ${sha}` });
  });

  it('puts the one to sleep that was not opened for longest when there is no room', async () => {
    await start({ limit: 1 });
    const first = await ready(12);
    const second = await ready(13);
    expect(second.row.name).toBe('acme-web-fx-pr-13');
    await h.settled(first.id, 'sleeping');
    expect(await open(first.row.driver_state.serving)).toBeUndefined();
    expect(await open(second.row.driver_state.serving)).toMatchObject({ status: 200 });
  });

  it('starts again what crashed, and what a worker stopped when it ended', async () => {
    await start();
    const { id, sha, row } = await ready();
    const monitor = h.startMonitor();
    const [sandbox] = await h.sandboxes.list();
    const victim = (await h.sandboxes.processesOf(sandbox ?? missing())).find(
      ({ uids }) => uids[0] === (sandbox?.uid ?? process.getuid?.()),
    );
    process.kill(victim?.pid ?? missing(), 'SIGKILL');
    const back = await eventually(async () => {
      const now = await h.row(id);
      const { serving } = now.driver_state;
      return now.phase === 'ready' && serving?.port !== row.driver_state.serving?.port && serving;
    });
    expect(await open(back)).toEqual({ status: 200, body: `commit ${sha}` });

    await monitor.stop();
    await monitor.stopAll();
    expect(await open(back)).toBeUndefined();
    expect((await h.row(id)).phase).toBe('ready');
    h.startMonitor();
    const again = await eventually(async () => {
      const now = await h.row(id);
      const { serving } = now.driver_state;
      const settled = now.observed_version === now.desired_version && now.phase === 'ready';
      return settled && typeof serving?.port === 'number' ? serving : undefined;
    });
    expect(await open(again)).toEqual({ status: 200, body: `commit ${sha}` });
  });

  it('gives up what ends again and again, without building it again, until the next push', async () => {
    await start();
    const server = (code: string) =>
      "import { createServer } from 'node:http';\nconsole.log('on its way');\n" +
      "createServer((q, r) => r.end('once', () => setTimeout(() => { console.log('last words'); process.exit(" +
      `${code}); }, 300))).listen(Number(process.env.PORT));\n`;
    const sha = await h.commit('refs/heads/branch-12', { 'server.mjs': server('3') });
    const id = await h.pullRequest(12, sha);
    await h.want(id, sha);
    const first = await h.settled(id, 'ready');
    const monitor = h.startMonitor();
    const failed = await h.settled(id, 'failed');
    expect(failed.message).toBe('The preview ended with code 3: last words');
    expect(failed.log_tail).toBe('on its way\nlast words');
    // The same place, so nothing was built a second time; and it stays so, however often it is looked at.
    expect(failed.driver_state.serving).toMatchObject({ id: first.driver_state.serving?.id, restarts: 3 });
    for (let round = 0; round < 5; round += 1) await monitor.look();
    const still = await h.row(id);
    expect(still).toMatchObject({ phase: 'failed', desired_version: failed.desired_version });
    expect((await h.sandboxes.list()).map((sandbox) => sandbox.id)).toEqual([first.driver_state.serving?.id]);

    const next = await h.commit('refs/heads/branch-12', { 'extra.txt': 'x' });
    h.forge.pullRequests.set(12, { state: 'open', sha: next, headRepositoryId: 7 });
    await h.want(id, next);
    expect((await h.settled(id, 'ready')).observed_sha).toBe(next);
  });

  it('does not build what failed again because the older commit beside it ended', async () => {
    await start();
    const { id, sha } = await ready();
    const next = await h.commit('refs/heads/branch-12', { 'server.mjs': 'throw new Error("broken");' });
    h.forge.pullRequests.set(12, { state: 'open', sha: next, headRepositoryId: 7 });
    await h.want(id, next);
    const failed = await h.settled(id, 'failed');
    await h.driver.stopAll();
    expect(await open(failed.driver_state.serving)).toBeUndefined();
    h.startMonitor();
    await eventually(async () => (await h.row(id)).desired_version > failed.desired_version);
    const back = await h.settled(id, 'failed');
    expect(back.driver_state.candidate?.id).toBe(failed.driver_state.candidate?.id);
    expect(await open(back.driver_state.serving)).toEqual({ status: 200, body: `commit ${sha}` });
  });

  it('stops everything that exists, known or not, even when one cannot be stopped', async () => {
    await start();
    const { row } = await ready();
    const orphan = await h.sandboxes.create('00000000-orphan');
    const running = await h.sandboxes.start(orphan, {
      argv: ['sleep', '1000'],
      env: {},
      cwd: '.',
      seconds: 0,
      network: { kind: 'none' },
    });
    const stubborn = await h.sandboxes.create('00000000-stubborn');
    const reluctant = h.driverOf({
      ...h.sandboxes,
      stop: async (sandbox) => {
        if (sandbox.id === stubborn.id) throw new Error('will not');
        return h.sandboxes.stop(sandbox);
      },
    });
    await expect(reluctant.stopAll()).rejects.toThrow('1 previews could not be stopped: will not');
    expect(await open(row.driver_state.serving)).toBeUndefined();
    expect(await h.sandboxes.processesOf(running)).toEqual([]);
    expect(await h.sandboxes.list()).toHaveLength(3);
  });

  it('takes over what a killed worker left running, and removes what no row knows', async () => {
    await start();
    const { id, row } = await ready();
    const other = h.driverOf(await h.openOnce());
    expect(await other.glance(row.driver_state.serving as never, { private: false })).toBe('ready');
    const orphan = await h.sandboxes.create('00000000-orphan');
    await h.sandboxes.start(orphan, {
      argv: ['sleep', '1000'],
      env: {},
      cwd: '.',
      seconds: 0,
      network: { kind: 'none' },
    });
    h.startMonitor();
    await eventually(async () => (await h.sandboxes.list()).length === 1);
    expect((await h.row(id)).driver_state.serving?.port).toBe(row.driver_state.serving?.port);
    expect(await open(row.driver_state.serving)).toMatchObject({ status: 200 });
  });

  it('gives names of branches to nobody', async () => {
    await start();
    const canary = join(h.directory, 'canary');
    const names = [
      ...[
        '$(id)',
        '`id`',
        'a;id',
        'a|id',
        'a&&id',
        'a$IFS$9id',
        "a'id",
        'a"id',
        '-x',
        '--output=x',
        'HEAD',
        'a{b}',
        '!x',
      ],
      ...[
        '--upload-pack=touch${IFS}x',
        '${{github.token}}',
        '<img/src=x>',
        '<!--x-->',
        '#x',
        '>x',
        '(x)',
        '\u202ex',
        '\u200bx',
      ],
      ...[
        `$(touch\${IFS}${canary})`,
        `\`touch\${IFS}${canary}\``,
        `--upload-pack=touch\${IFS}${canary}`,
        'f'.repeat(40),
      ],
    ];
    h.forge.config = 'preview:\n  build: "env; cat /proc/self/cmdline"\n  start: exec node server.mjs\n';
    let number = 100;
    const tip = await h.commit('refs/heads/main');
    for (const name of names) await git(['--git-dir', h.bare, 'update-ref', `refs/heads/${name}`, tip]);
    for (const name of names.slice(0, 4).concat(names.slice(-4))) {
      number += 1;
      const sha = await h.commit(`refs/heads/${name}`, { 'n.txt': String(number) });
      const id = await h.pullRequest(number, sha, name);
      await h.want(id, sha);
      const row = await h.settled(id, 'ready');
      expect(row.name).toBe(`acme-web-fx-pr-${number}`);
      const log = (await printed(row, 'build')).lines.join('\n');
      expect(log).toContain(`PORT=`);
      expect(log).not.toContain(name);
      await h.wantNone(id);
      await h.settled(id, 'gone');
    }
    await expect(access(canary)).rejects.toMatchObject({ code: 'ENOENT' });
    await expectNothing();
  });
});
