/** Files that no directory names and memory that no process maps: what a sandbox holds in them counts too. */
import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { cleanEnvironment } from '../../src/effects/process/clean-environment.js';
import { runTool } from '../../src/effects/process/run-tool.js';
import type { Sandbox, SandboxExit } from '../../src/effects/process/sandbox.js';
import { BUBBLEWRAP_BASE, NO_NESTED_USERS } from '../../src/effects/process/sandbox-probe.js';
import { findSandboxProbe, openTestSandboxes, type TestSandboxes } from '../support/sandboxes.js';

const found = await findSandboxProbe();
const weaker = found?.mode === 'uid' && found.namespaces ? [{ ...found, namespaces: false, network: false }] : [];
// Root does not need bubblewrap; where it is installed, what others get is tried too.
const works = async (...args: string[]) =>
  (await runTool('bwrap', [...BUBBLEWRAP_BASE, ...args, '--', 'true'])).code === 0;
const wrapped = found?.mode === 'uid' && (await works());
const asOthers = { mode: 'bubblewrap' as const, namespaces: true, network: true, bubblewrap: 'bwrap' };
const other = wrapped ? [{ ...asOthers, nestedUsers: !(await works(...NO_NESTED_USERS)) }] : [];
const modes = [...(found === undefined ? [] : [found]), ...weaker, ...other].map((probe) => ({
  name: `${probe.mode}${probe.namespaces ? '' : ', without namespaces'}`,
  probe,
}));
const { skip } = describe;
if (modes.length === 0) {
  process.stderr.write('unseen-file tests are skipped: run as root, or `apt-get install bubblewrap`\n');
  skip('unseen files', () => it('needs root or bubblewrap', () => expect(found).toBeDefined()));
}

/** Opens a file of 20 MB under each of these numbers, without a name. */
const hold = (...descriptors: number[]) =>
  descriptors.map((n) => `exec ${n}>f; rm f; head -c 20000000 /dev/zero >&${n};`).join(' ');

/** Writes 2 GB to files made by memfd_create, 20 MB each. */
const MEMORY_FILES = `
my $name = "held";
for (1 .. 100) {
  my $number = syscall(${process.arch === 'arm64' ? 279 : 319}, $name, 0);
  die "memfd_create: $!" if $number < 0;
  open(my $file, ">&=", $number) or die "open: $!";
  push @kept, $file;
  for (1 .. 20) { syswrite($file, "x" x 1000000) or die "write: $!" }
  select(undef, undef, undef, 0.1);
}
print "all written\\n";
`;

describe.each(modes)('files that du cannot see ($name)', ({ probe }) => {
  let place: TestSandboxes;
  beforeAll(async () => {
    place = await openTestSandboxes(probe);
  });
  afterAll(() => place.remove());

  async function start(script: string): Promise<Sandbox> {
    const { sandboxes } = place;
    const created = await sandboxes.create(`unseen-${randomBytes(6).toString('hex')}`);
    await mkdir(sandboxes.sourceDirectory(created.id));
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
    return sandboxes.start(created, {
      argv: ['/bin/sh', '-c', script],
      cwd: 'source',
      seconds: 60,
      network: { kind: 'none' },
      env: cleanEnvironment({ ...environment, extra: {} }),
    });
  }

  async function finish(sandbox: Sandbox): Promise<SandboxExit> {
    for (;;) {
      const exit = await place.sandboxes.exitOf(sandbox);
      if (exit !== undefined) return exit;
      await sleep(50);
    }
  }

  const tail = (sandbox: Sandbox) => place.sandboxes.logTail(sandbox.id, 50);

  it('count as disk while they are open', async () => {
    const sandbox = await start(`${hold(3, 4, 5, 6, 7)} echo held; sleep 50`);
    expect(await finish(sandbox)).toMatchObject({ reason: 'disk' });
    await place.sandboxes.stop(sandbox);
    expect(await place.sandboxes.processesOf(sandbox)).toEqual([]);
  });

  it('count together with those that it sees, and each once however often it is open', async () => {
    const twice = await start(`${hold(3, 4)} exec 5>&3 6>&4 7>&4; sleep 4; exit 3`);
    expect(await finish(twice)).toEqual({ code: 3, reason: 'exit' });
    const both = await start(`${hold(3, 4)} head -c 40000000 /dev/zero >seen; sleep 50`);
    expect(await finish(both)).toMatchObject({ reason: 'disk' });
  });

  it('count as memory when they live there', async () => {
    const sandbox = await start(`perl -e '${MEMORY_FILES}'; echo "ended $?"; exit 3`);
    // Where there is a memory group the kernel ends it, else the watcher does.
    expect(await finish(sandbox)).toMatchObject({ reason: 'memory' });
    expect(await tail(sandbox)).not.toMatch(/all written|memfd_create|open:/);
  });

  it('cannot be made outside of the places that are counted or bounded', async () => {
    const places = ['', '/dev', '/etc', '/run', '/var', '/proc'].map((folder) => `${folder}/forgeway-unseen`);
    const sandbox = await start(places.map((path) => `echo x >${path} && echo "made ${path}";`).join(' '));
    await finish(sandbox);
    const log = await tail(sandbox);
    expect(log).not.toContain('made');
    expect(log.match(/cannot create/g)).toHaveLength(places.length);
  });

  it('cannot be made in a namespace within, where that can be forbidden', async () => {
    const mounting = 'mount -t tmpfs none /tmp && echo mounted';
    const sandbox = await start(`unshare --user --map-root-user --mount sh -c '${mounting}'; echo tried`);
    await finish(sandbox);
    const log = await tail(sandbox);
    expect(log).toContain('tried');
    if (!probe.nestedUsers) expect(log).not.toContain('mounted');
  });
});
