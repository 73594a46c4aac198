/** Real processes that try to get out, to stay, or to take more than they may. */

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { access, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { BUILD_LOG } from '../../src/effects/process/captured-log.js';
import { cleanEnvironment } from '../../src/effects/process/clean-environment.js';
import { readLogPage } from '../../src/effects/process/log-page.js';
import { positionSince } from '../../src/effects/process/log-times.js';
import { findMemoryGroups } from '../../src/effects/process/memory-group.js';
import { listProcesses } from '../../src/effects/process/process-table.js';
import type { Sandbox, SandboxExit, SandboxNetwork } from '../../src/effects/process/sandbox.js';
import { PATIENCE_MS } from '../support/patience.js';
import { findSandboxProbe, openTestSandboxes, type TestSandboxes } from '../support/sandboxes.js';

const found = await findSandboxProbe();
if (found === undefined) {
  process.stderr.write('sandbox tests are skipped: run as root, or `apt-get install bubblewrap`\n');
}
// As root the same must hold where a container refuses namespaces.
const weaker = found?.mode === 'uid' && found.namespaces ? [{ ...found, namespaces: false, network: false }] : [];
const modes = [...(found === undefined ? [] : [found]), ...weaker].map((probe) => ({
  name: `${probe.mode}${probe.namespaces ? '' : ', without namespaces'}`,
  probe,
}));
const { skip } = describe;
if (modes.length === 0) {
  skip('a sandbox', () => it('needs root or bubblewrap', () => expect(found).toBeDefined()));
}

describe.each(modes)('a sandbox ($name)', ({ probe }) => {
  let place: TestSandboxes;
  const started: Sandbox[] = [];

  beforeAll(async () => {
    place = await openTestSandboxes(probe);
  });
  afterAll(() => place.remove());
  afterEach(async () => {
    for (const sandbox of started.splice(0)) await place.sandboxes.destroy(sandbox);
  });

  async function start(
    script: string,
    o: {
      seconds?: number;
      files?: Record<string, string>;
      network?: SandboxNetwork;
      env?: Record<string, string>;
    } = {},
  ): Promise<Sandbox> {
    const { sandboxes } = place;
    const created = await sandboxes.create(`test-${randomBytes(6).toString('hex')}`);
    started.push(created);
    const source = sandboxes.sourceDirectory(created.id);
    await mkdir(source);
    for (const [name, text] of Object.entries(o.files ?? {})) await writeFile(join(source, name), text);
    await sandboxes.handOver(created);
    const home = join(sandboxes.workspaceInside(created.id), 'home');
    const environment = {
      home,
      tmp: home,
      programs: sandboxes.programs,
      port: 1,
      sha: 'a'.repeat(40),
      subject: { kind: 'pull-request' as const, number: 7 },
    };
    const running = await sandboxes.start(created, {
      argv: ['/bin/sh', '-c', script],
      cwd: 'source',
      seconds: o.seconds ?? 60,
      network: o.network ?? { kind: 'none' },
      env: cleanEnvironment({ ...environment, extra: { GREETING: 'a b"c$(id)', PATH: '/evil', LD_PRELOAD: 'x' } }),
    });
    started.push(running);
    return running;
  }

  async function finish(sandbox: Sandbox): Promise<SandboxExit> {
    for (;;) {
      const exit = await place.sandboxes.exitOf(sandbox);
      if (exit !== undefined) return exit;
      await sleep(50);
    }
  }

  const tail = (sandbox: Sandbox, lines = 200) => place.sandboxes.logTail(sandbox.id, lines);

  async function survivors(sandbox: Sandbox): Promise<number> {
    const all = await listProcesses();
    const ofUser = all.filter(({ uids }) => sandbox.uid !== null && uids.includes(sandbox.uid));
    return ofUser.length + (await place.sandboxes.processesOf(sandbox)).length;
  }

  async function until(what: () => Promise<boolean>): Promise<void> {
    for (const end = Date.now() + PATIENCE_MS; Date.now() < end; ) {
      if (await what()) return;
      await sleep(50);
    }
    throw new Error('did not come about');
  }

  async function expectNothingLeft(sandbox: Sandbox): Promise<void> {
    await place.sandboxes.destroy(sandbox);
    expect(await survivors(sandbox)).toBe(0);
    expect((await readdir(join(place.directory, 'sandboxes'))).filter((name) => name === sandbox.id)).toEqual([]);
    expect(await readdir(join(place.directory, 'users'))).not.toContain(String(sandbox.uid));
    expect(await readFile('/proc/self/mountinfo', 'utf8')).not.toContain(sandbox.id);
  }

  it('gives a command its own user, environment and nothing of ours', async () => {
    process.env.FORGEWAY_TEST_CANARY = 'canary-in-environment';
    const sandbox = await start(
      'id -u; env | sort; umask; ulimit -c; ls -l /proc/self/fd; grep -E "Cap|NoNewPrivs" /proc/self/status',
    );
    expect(await finish(sandbox)).toEqual({ code: 0, reason: 'exit' });
    delete process.env.FORGEWAY_TEST_CANARY;
    const log = await tail(sandbox);
    if (sandbox.uid !== null) expect(log.split('\n')[0]).toBe(String(sandbox.uid));
    expect(log).toContain('GREETING=a b"c$(id)');
    expect(log).toContain('FORGEWAY_PULL_REQUEST=7');
    for (const unwanted of ['canary', '/evil', 'LD_PRELOAD', 'FORGEWAY_TEST']) expect(log).not.toContain(unwanted);
    expect(log).toMatch(/^0?077$/m);
    expect(log).toMatch(/^NoNewPrivs:\s+1$/m);
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) {
      expect(log).toMatch(new RegExp(`^${set}:\\s+0+$`, 'm'));
    }
    // Standard input, output and error, and the directory that ls reads.
    expect(log.match(/ \d+ -> /g)).toHaveLength(4);
  });

  it('keeps the end of fifty megabytes of output, and little of the rest', async () => {
    const sandbox = await start('yes 0123456789abcdef | head -c 50000000; echo; echo the end; exit 5');
    expect(await finish(sandbox)).toEqual({ code: 5, reason: 'exit' });
    expect((await tail(sandbox, 1)).trim()).toBe('the end');
    const run = join(place.directory, 'sandboxes', sandbox.id, 'run');
    const sizes = await Promise.all(['log', 'log.1'].map(async (name) => (await readFile(join(run, name))).length));
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(1024 * 1024);
  });

  it('writes down when what was printed, also of a build that something else followed', async () => {
    const sandbox = await start('echo one; while [ ! -e go ]; do sleep 0.1; done; echo two', { seconds: 0 });
    const run = join(place.directory, 'sandboxes', sandbox.id, 'run');
    const notes = () => readFile(join(run, 'log-times'), 'utf8').catch(() => '');
    await until(async () => (await notes()).trimEnd().endsWith(' 4'));
    const [seconds = ''] = (await notes()).split(' ');
    await writeFile(join(place.sandboxes.sourceDirectory(sandbox.id), 'go'), '');
    expect(await finish(sandbox)).toEqual({ code: 0, reason: 'exit' });
    await place.sandboxes.keepBuildLog(sandbox.id);
    const since = async (ms: number) => {
      const position = await positionSince(run, BUILD_LOG, new Date(ms));
      return (await readLogPage(run, BUILD_LOG, { after: position, lines: 10, isWhole: true })).lines;
    };
    const first = Number(seconds) * 1_000;
    expect(await since(first)).toEqual(['one', 'two']);
    expect(await since(first + 1)).toEqual(['two']);
  });

  it('hides secrets and control characters in what it shows of a log', async () => {
    const token = `ghp_${'a1B2'.repeat(9)}`;
    const sandbox = await start(`printf '\\033[31mred\\033[0m \\342\\200\\256 ${token}\\n'`);
    await finish(sandbox);
    const log = await tail(sandbox);
    expect(log).toContain('red');
    expect(log).not.toContain(token);
    for (const control of ['\u001b', '\u202e']) expect(log).not.toContain(control);
  });

  it('ends a command that hangs', async () => {
    const sandbox = await start('echo begun; trap "" TERM; while :; do sleep 1; done', { seconds: 1 });
    expect(await finish(sandbox)).toMatchObject({ reason: 'time' });
    expect(await tail(sandbox)).toBe('begun');
    await until(async () => (await survivors(sandbox)) === 0);
  });

  it('ends a command that writes ten gigabytes', async () => {
    const sandbox = await start(
      'i=0; while [ $i -lt 1000 ]; do head -c 10000000 /dev/zero >f$i || exit 9; i=$((i+1)); done',
    );
    expect(await finish(sandbox)).toMatchObject({ reason: 'disk' });
    await expectNothingLeft(sandbox);
  });

  it('lets no single file grow past the limit', async () => {
    const sandbox = await start('head -c 10000000000 /dev/zero >big; echo "ended $?"; wc -c <big');
    await finish(sandbox);
    expect(await tail(sandbox)).not.toMatch(/^10000000000$/m);
  });

  it('ends a command that makes a million files', async () => {
    const sandbox = await start('i=0; while :; do : >f$i; i=$((i+1)); done');
    expect(await finish(sandbox)).toMatchObject({ reason: 'files' });
  });

  it('ends a command that takes all memory, in one process or many', async () => {
    const hog = 'const kept=[];setInterval(()=>kept.push(Buffer.alloc(5e6,1)),5)';
    const one = await start(`node -e "${hog}"`);
    expect((await finish(one)).code).not.toBe(0);
    const many = await start(`for i in 1 2 3 4; do node -e "${hog}" & done; wait; exit 3`);
    const exit = await finish(many);
    expect([exit.reason, exit.code]).not.toEqual(['exit', 0]);
    await until(async () => (await survivors(many)) === 0);
  });

  it('survives a fork bomb, and nothing of it survives', async () => {
    // Each child of it goes on forking, also after the limit on processes has refused it.
    const sandbox = await start("perl -e 'fork while 1'");
    await until(async () => (await survivors(sandbox)) > 20);
    await expectNothingLeft(sandbox);
  });

  it('leaves no daemon that detached itself twice', async () => {
    const daemon =
      'setsid sh -c "(setsid sleep 4242 </dev/null >/dev/null 2>&1 &) &" & sleep 0.5; echo started; sleep 1000';
    const sandbox = await start(daemon);
    await until(async () => (await tail(sandbox)) === 'started');
    await expectNothingLeft(sandbox);
    const commands = await Promise.all(
      (await listProcesses()).map(({ pid }) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
    );
    expect(commands.filter((command) => command.includes('4242'))).toEqual([]);
  });

  it('ends what a finished command left running', async () => {
    const sandbox = await start('setsid sleep 4343 & exit 0');
    expect(await finish(sandbox)).toEqual({ code: 0, reason: 'exit' });
    await until(async () => (await survivors(sandbox)) === 0);
  });

  it('finds a running command again from what is recorded, and stops it', async () => {
    const sandbox = await start('sleep 1000', { seconds: 0 });
    const again = await openTestSandboxesAt(place);
    const [recorded] = (await again.list()).filter(({ id }) => id === sandbox.id);
    expect(recorded).toEqual(sandbox);
    if (recorded === undefined) return;
    expect(await again.exitOf(recorded)).toBeUndefined();
    await again.stop(recorded);
    expect(await again.exitOf(recorded)).toEqual({ code: null, reason: 'killed' });
    expect(await survivors(sandbox)).toBe(0);
  });

  it('goes on when its worker is killed, and the next worker finds it and ends it', async () => {
    const script = fileURLToPath(new URL('start-sandbox.ts', import.meta.url));
    const worker = spawn(process.execPath, ['--import', 'tsx', script, place.directory, JSON.stringify(probe)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(worker.stdout, 'data')) as [Buffer];
    worker.kill('SIGKILL');
    await once(worker, 'close');
    const sandbox = (await place.sandboxes.list()).find(({ id }) => id === 'of-a-worker-that-dies');
    expect(sandbox).toEqual(JSON.parse(line.toString()));
    if (sandbox === undefined) return;
    const lines = async () => (await tail(sandbox)).split('\n').length;
    const before = await lines();
    await until(async () => (await lines()) > before + 2);
    expect(await place.sandboxes.exitOf(sandbox)).toBeUndefined();
    await expectNothingLeft(sandbox);
  });

  it('leaves no memory group when it is stopped, and makes it again', async () => {
    const groups = async (id: string) => {
      const parents = ['', 'unified', 'memory'].map((name) => join('/sys/fs/cgroup', name, 'forgeway', id));
      const found = await Promise.all(
        parents.map((path) =>
          access(path).then(
            () => true,
            () => false,
          ),
        ),
      );
      return found.filter(Boolean).length;
    };
    const sandbox = await start('sleep 1000');
    const before = await groups(sandbox.id);
    expect(before).toBe(probe.mode === 'uid' && (await findMemoryGroups()) !== undefined ? 1 : 0);
    await place.sandboxes.stop(sandbox);
    expect(await groups(sandbox.id)).toBe(0);
    const again = await place.sandboxes.start(sandbox, {
      argv: ['sleep', '1000'],
      env: {},
      cwd: '.',
      seconds: 0,
      network: { kind: 'none' },
    });
    expect(await groups(sandbox.id)).toBe(before);
    expect(await place.sandboxes.exitOf(again)).toBeUndefined();
    await place.sandboxes.stop(again);
  });

  it('is not confused with a process that later has its number', async () => {
    const sandbox = await start('sleep 1000');
    await place.sandboxes.stop(sandbox);
    const stranger = { ...sandbox, uid: null, process: { pid: process.pid, started: 'another boot:1', init: null } };
    expect(await place.sandboxes.processesOf(stranger)).toEqual([]);
  });

  it('leaves others alone when it is stopped after its end, though they may have got the number of its namespace', async () => {
    const ended = await start('true');
    await finish(ended);
    const others = [await start('sleep 1000'), await start('sleep 1000'), await start('sleep 1000')];
    const claimed = new Set((await place.sandboxes.processesOf(ended)).map(({ pid }) => pid));
    for (const other of others) {
      const pids = (await place.sandboxes.processesOf(other)).map(({ pid }) => pid);
      expect(pids.length).toBeGreaterThan(0);
      expect(pids.filter((pid) => claimed.has(pid))).toEqual([]);
    }
    await place.sandboxes.stop(ended);
    for (const other of others) expect(await place.sandboxes.exitOf(other)).toBeUndefined();
  });

  it('cannot read our environment, key, database or other previews', async () => {
    const secrets = join(place.directory, 'private');
    await mkdir(secrets, { mode: 0o700 });
    await writeFile(join(secrets, 'master.key'), 'canary-master-key', { mode: 0o600 });
    const socket = join(secrets, '.s.PGSQL.5432');
    const database = createServer((connection) => connection.end('canary-database'));
    await new Promise<void>((resolve) => database.listen(socket, resolve));
    const neighbour = await start('echo canary-neighbour >../home/secret; sleep 1000');
    await until(() =>
      access(join(place.directory, 'sandboxes', neighbour.id, 'tree/home/secret')).then(
        () => true,
        () => false,
      ),
    );

    const bystander = spawn(process.execPath, ['-e', 'setInterval(()=>{},1000)'], {
      env: { FORGEWAY_ENCRYPTION_KEY: 'canary-environment' },
      stdio: 'ignore',
    });
    await once(bystander, 'spawn');
    // We ourselves can read it there: so it is the walls, and nothing else, that hide it.
    await until(async () => (await readFile(`/proc/${bystander.pid}/environ`, 'utf8')).includes('canary-environment'));

    const thief = await start('node thief.mjs', {
      files: {
        'thief.mjs': `
import { connect } from 'node:net';
import { readdirSync, readFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
const attempt = async (what, get) => {
  try { console.log(what, 'GOT', String(await get()).slice(0, 300)); } catch (error) { console.log(what, 'refused', error.code ?? error.message); }
};
await attempt('key', () => readFileSync(${JSON.stringify(join(secrets, 'master.key'))}));
await attempt('environment', () => readFileSync('/proc/${process.pid}/environ'));
await attempt('environment of a child', () => readFileSync('/proc/${bystander.pid}/environ'));
const all = [];
for (const pid of readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name))) {
  try { all.push(readFileSync('/proc/' + pid + '/environ', 'latin1')); } catch { continue; }
}
// Its own is among them; the canary must be in none.
console.log('environments', all.length, all.join(' ').match(/canary-[a-z]+/g) ?? 'clean');
await attempt('memory', () => readFileSync('/proc/${process.pid}/mem'));
await attempt('descriptors', () => readdirSync('/proc/${process.pid}/fd').join());
await attempt('neighbour', () => readFileSync(${JSON.stringify(join(place.directory, 'sandboxes', neighbour.id, 'tree/home/secret'))}));
await attempt('neighbours', () => readdirSync(${JSON.stringify(join(place.directory, 'sandboxes'))}).join());
await attempt('users', () => readdirSync(${JSON.stringify(join(place.directory, 'users'))}).join());
await attempt('own record', () => readFileSync('/.forgeway/passwd'));
await attempt('shadow', () => readFileSync('/etc/shadow'));
await attempt('database', () => new Promise((resolve, reject) => {
  connect(${JSON.stringify(socket)}).once('error', reject).on('data', resolve);
}));
await attempt('root', () => execFileSync('unshare', ['--mount', 'true']));
await attempt('killing', () => process.kill(${process.pid}, 'SIGUSR2') && 'sent');
`,
      },
    });
    await finish(thief);
    expect(bystander.exitCode).toBeNull();
    bystander.kill('SIGKILL');
    await new Promise<void>((resolve) => database.close(() => resolve()));
    await rm(secrets, { recursive: true });
    const log = await tail(thief);
    expect(log.split('\n').filter((line) => line.includes(' refused '))).toHaveLength(13);
    expect(log).toMatch(/^environments [1-9]\d* clean$/m);
    expect(log).not.toContain(' GOT ');
    expect(log).not.toContain('canary');
  });
});

const { skip: skipOne } = it;

async function openTestSandboxesAt(place: TestSandboxes) {
  const { openSandboxes } = await import('../../src/effects/process/sandbox.js');
  return openSandboxes({
    directory: place.directory,
    probe: place.sandboxes.probe,
    limits: { memoryMb: 1, processes: 1, diskMb: 1 },
    usersDirectory: join(place.directory, 'users'),
  });
}

describe('where nothing can isolate', () => {
  const asStranger = process.getuid?.() === 0 ? skipOne : it;
  asStranger('says so, with the line to type (not as root, who always can)', async () => {
    const { probeSandbox } = await import('../../src/effects/process/sandbox.js');
    await expect(probeSandbox({ bubblewrap: '/nonexistent/bwrap' })).rejects.toMatchObject({
      code: 'FORGEWAY_SANDBOX_UNAVAILABLE',
      message: expect.stringContaining('apt-get install bubblewrap'),
    });
    expect(await probeSandbox({ bubblewrap: '/nonexistent/bwrap', unsafeSameUser: true })).toMatchObject({
      mode: 'same-user',
    });
  });
});
