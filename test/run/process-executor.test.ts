/** Terraform in a sandbox: the real one, and ones that hang, flood, break and look around. */
import { randomUUID } from 'node:crypto';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { openSandboxes, type Sandboxes } from '../../src/effects/process/sandbox.js';
import type { TerraformBinary } from '../../src/effects/terraform/binary.js';
import type { TerraformEnd, TerraformExecutor, TerraformWork } from '../../src/effects/terraform/executor.js';
import { createProcessExecutor } from '../../src/effects/terraform/process-executor.js';
import { archiveOf, inOnePiece } from '../support/archives.js';
import { findSandboxProbe } from '../support/sandboxes.js';
import { type FakeTerraform, fakeTerraform, realTerraform } from '../support/terraform.js';

const probe = await findSandboxProbe();
const binary = await realTerraform();
if (probe === undefined)
  process.stderr.write('executor tests are skipped: run as root, or `apt-get install bubblewrap`\n');
if (binary === undefined)
  process.stderr.write('tests with the real Terraform are skipped: there is none in /usr/bin or /usr/local/bin\n');
const { skip } = describe;
const { skip: skipTest } = it;
const isolated = probe === undefined ? skip : describe;
const withTerraform = binary === undefined ? skipTest : it;

const LIMITS = { compressedBytes: 1_000_000, bytes: 5_000_000, entries: 100 };
const MAIN = `
variable "password" {
  sensitive = true
}
variable "names" {
  type = list(string)
}
resource "terraform_data" "one" {
  input = var.password
}
resource "terraform_data" "each" {
  for_each = toset(var.names)
  input    = each.key
}
output "greeting" {
  value = "hello"
}
`;

isolated('Terraform in a sandbox', () => {
  let directory: string;
  let sandboxes: Sandboxes;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'forgeway-runs-'));
    await chmod(directory, 0o711);
    if (probe === undefined) throw new Error('unreachable');
    sandboxes = await openSandboxes({
      directory,
      probe,
      limits: { memoryMb: 1_024, processes: 128, diskMb: 300 },
      usersDirectory: join(directory, 'users'),
    });
  });
  afterEach(async () => {
    for (const sandbox of await sandboxes.list()) await sandboxes.destroy(sandbox);
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  const executorOf = (
    program: TerraformBinary,
    o: { planSeconds?: number; plugins?: string } = {},
  ): TerraformExecutor =>
    createProcessExecutor({
      ...{
        sandboxes,
        directory,
        binary: program,
        place: 'here',
        limits: LIMITS,
        network: 'none',
        applySeconds: 60,
        planSeconds: 60,
      },
      ...o,
    });
  const faking = async (what: FakeTerraform, o: { planSeconds?: number; plugins?: string } = {}) =>
    executorOf(await fakeTerraform(join(directory, `fake-${randomUUID()}`), what), o);

  async function work(files: Record<string, string>, more: Partial<TerraformWork> = {}): Promise<TerraformWork> {
    const archive = await archiveOf(files, 'infra-0123');
    return {
      id: `${randomUUID()}-plan`,
      configuration: { archive: inOnePiece(archive), stripRoot: true, workingDirectory: '' },
      state: null,
      variables: [],
      do: { phase: 'plan', options: { destroy: false, refresh: true, refreshOnly: false, targets: [], replace: [] } },
      untrusted: false,
      ...more,
    };
  }

  async function finish(
    executor: TerraformExecutor,
    given: TerraformWork,
  ): Promise<{ end: TerraformEnd; log: string }> {
    await executor.start(given, AbortSignal.timeout(60_000));
    while ((await executor.look(given.id)) === 'running') await sleep(30);
    const end = await executor.end(given.id, { phase: given.do.phase, untrusted: given.untrusted });
    const log = (await executor.log(given.id, undefined, true)).lines.join('\n');
    await executor.remove(given.id);
    expect(await executor.look(given.id)).toBe('absent');
    return { end, log };
  }

  withTerraform(
    'plans, applies exactly that plan, and refuses it once the state moved on',
    async () => {
      if (binary === undefined) throw new Error('unreachable');
      const executor = executorOf(binary);
      const variables = [
        { key: 'password', value: 'correct horse $${x}', category: 'terraform', hcl: false },
        { key: 'names', value: '["a", "b"]', category: 'terraform', hcl: true },
      ] as const;
      const files = { 'envs/prod/main.tf': `terraform {\n  cloud {}\n}\n${MAIN}` };
      const configuration = async () => ({
        ...{ archive: inOnePiece(await archiveOf(files, 'r')), stripRoot: true, workingDirectory: 'envs/prod' },
      });
      const planned = await finish(executor, await work(files, { configuration: await configuration(), variables }));
      expect(planned.end).toMatchObject({
        kind: 'planned',
        summary: { additions: 3, changes: 0, destructions: 0, hasChanges: true },
        text: expect.stringContaining('3 to add, 0 to change, 0 to destroy'),
      });
      expect(planned.log).toContain('Terraform has been successfully initialized');
      expect(planned.log).not.toContain('correct horse');
      if (planned.end.kind !== 'planned') throw new Error('unreachable');
      expect(JSON.stringify(planned.end.summary)).not.toContain('correct horse');
      expect(planned.end.summary.resources.map(({ address }) => address).toSorted()).toEqual([
        'terraform_data.each["a"]',
        'terraform_data.each["b"]',
        'terraform_data.one',
      ]);

      const { plan, lockFile } = planned.end;
      const apply = async (state: Uint8Array | null) =>
        finish(
          executor,
          await work(files, {
            ...{ id: `${randomUUID()}-apply`, configuration: await configuration(), state },
            do: { phase: 'apply', plan, lockFile },
          }),
        );
      const applied = await apply(null);
      expect(applied.log).toContain('Apply complete! Resources: 3 added');
      if (applied.end.kind !== 'applied') throw new Error(`it ended as ${applied.end.kind}`);
      const state = JSON.parse(Buffer.from(applied.end.state).toString('utf8'));
      expect(state).toMatchObject({ version: 4, outputs: { greeting: { value: 'hello' } } });
      expect(state.resources[0].instances.length + state.resources[1].instances.length).toBe(3);

      const again = await apply(applied.end.state);
      expect(again.end).toMatchObject({
        kind: 'failed',
        reason: expect.stringContaining('terraform apply ended with code 1'),
      });
      expect(again.log).toMatch(/Saved plan is stale/);

      const nothing = await finish(
        executor,
        await work(files, { configuration: await configuration(), variables, state: applied.end.state }),
      );
      expect(nothing.end).toMatchObject({ kind: 'planned', summary: { hasChanges: false, additions: 0 } });
    },
    60_000,
  );

  withTerraform(
    'says what is wrong with a configuration',
    async () => {
      if (binary === undefined) throw new Error('unreachable');
      const executor = executorOf(binary);
      const broken = await finish(executor, await work({ 'main.tf': 'resource "terraform_data" "a" {' }));
      expect(broken.end).toMatchObject({
        kind: 'failed',
        reason: expect.stringContaining('terraform init ended with code 1'),
      });
      expect(broken.log).toMatch(/Unclosed configuration block/);
      const wrong = await finish(executor, await work({ 'main.tf': 'output "x" {\n  value = nothing.there\n}\n' }));
      expect(wrong.end).toMatchObject({
        kind: 'failed',
        reason: expect.stringMatching(/terraform (plan|init) ended with code 1/),
      });
    },
    60_000,
  );

  it('gives strangers neither the environment nor a way to what is kept for others', async () => {
    const plugins = join(directory, 'plugins');
    const look = {
      plan: 'echo "token=$TOKEN"; ls "$HOME/plugins"; echo x >"$HOME/plugins/left"; echo p >"$out"; exit 2',
    };
    const executor = await faking(look, { plugins });
    const workspace = randomUUID();
    const variables = [{ key: 'TOKEN', value: 'for-friends', category: 'env', hcl: false }] as const;
    const one = (n: number, untrusted: boolean) =>
      work({ 'a.tf': '' }, { id: `${workspace}-${n}`, variables, untrusted });
    expect((await finish(executor, await one(1, true))).log).toBe('initialized\ntoken=');
    expect((await finish(executor, await one(2, false))).log).toBe('initialized\ntoken=for-friends');
    expect((await finish(executor, await one(3, true))).log).toBe('initialized\ntoken=');
    expect((await finish(executor, await one(4, false))).log).toBe('initialized\ntoken=for-friends\nleft');
    expect((await finish(executor, await work({ 'a.tf': '' }, { variables }))).log).not.toContain('left');
  }, 30_000);

  it('has no environment of ours, and no variable on a command line', async () => {
    const executor = await faking({ plan: 'env; cat /proc/[0-9]*/cmdline | tr "\\\\0" " "; echo p >"$out"; exit 2' });
    process.env.OF_THE_SERVER = 'a-secret-of-the-server';
    const variables = [
      { key: 'TOKEN', value: 'only-in-a-file', category: 'env', hcl: false },
      { key: 'PATH', value: '/evil', category: 'env', hcl: false },
    ] as const;
    const { log } = await finish(executor, await work({ 'a.tf': '' }, { variables }));
    delete process.env.OF_THE_SERVER;
    expect(log).not.toContain('a-secret-of-the-server');
    expect(log.split('only-in-a-file')).toHaveLength(2);
    expect(log).not.toContain('/evil');
  }, 30_000);

  it('ends a plan that hangs, and one that floods its log keeps little of it', async () => {
    const hanging = await finish(
      await faking({ plan: 'echo begun; sleep 60' }, { planSeconds: 1 }),
      await work({ 'a.tf': '' }),
    );
    expect(hanging.end).toEqual({
      kind: 'failed',
      reason: 'terraform plan took longer than 1 s and was stopped.',
      state: null,
    });
    const executor = await faking({ plan: 'yes "all work and no play" | head -c 40000000; echo p >"$out"; exit 2' });
    const given = await work({ 'a.tf': '' });
    await executor.start(given, AbortSignal.timeout(30_000));
    while ((await executor.look(given.id)) === 'running') await sleep(30);
    expect(await executor.end(given.id, { phase: 'plan', untrusted: false })).toMatchObject({ kind: 'planned' });
    const page = await executor.log(given.id, { inode: '1', offset: 5 }, true);
    expect(page.gap).toBe(true);
    expect(page.lines.join('\n').length).toBeLessThan(100_000);
  }, 40_000);

  it('stops when it is asked to, with what it has done', async () => {
    const executor = await faking({
      apply: `trap 'echo stopping; echo "{\\"version\\":4,\\"serial\\":9}" >"$HOME/state/terraform.tfstate"; exit 1' TERM
        echo begun; while :; do sleep 0.1; done`,
    });
    const given = await work({ 'a.tf': '' }, { do: { phase: 'apply', plan: Buffer.from('p'), lockFile: null } });
    await executor.start(given, AbortSignal.timeout(30_000));
    const log = async () => (await executor.log(given.id, undefined, false)).lines.join('\n');
    while (!(await log()).includes('begun')) await sleep(30);
    await executor.interrupt(given.id);
    while ((await executor.look(given.id)) === 'running') await sleep(30);
    const end = await executor.end(given.id, { phase: 'apply', untrusted: false });
    expect(end).toMatchObject({ kind: 'failed', reason: expect.stringContaining('code 1') });
    if (end.kind !== 'failed' || end.state === null) throw new Error('it left no state');
    expect(JSON.parse(Buffer.from(end.state).toString())).toEqual({ version: 4, serial: 9 });
    expect(await log()).toContain('stopping');
  }, 30_000);

  withTerraform(
    'stops the real one in the midst of an apply, which keeps what it has done',
    async () => {
      if (binary === undefined) throw new Error('unreachable');
      const executor = executorOf(binary);
      const files = {
        'main.tf': `resource "terraform_data" "first" {}
resource "terraform_data" "slow" {
  depends_on = [terraform_data.first]
  provisioner "local-exec" {
    command = "echo begun; sleep 60"
  }
}`,
      };
      const planned = await finish(executor, await work(files));
      if (planned.end.kind !== 'planned') throw new Error(planned.log);
      const { plan, lockFile } = planned.end;
      const given = await work(files, { id: `${randomUUID()}-apply`, do: { phase: 'apply', plan, lockFile } });
      await executor.start(given, AbortSignal.timeout(30_000));
      const log = async () => (await executor.log(given.id, undefined, false)).lines.join('\n');
      while (!(await log()).includes('): begun')) await sleep(50);
      await executor.interrupt(given.id);
      while ((await executor.look(given.id)) === 'running') await sleep(50);
      const end = await executor.end(given.id, { phase: 'apply', untrusted: false });
      if (end.kind !== 'failed' || end.state === null) throw new Error(`it ended as ${end.kind}`);
      expect(Buffer.from(end.state).toString('utf8')).toContain('"name": "first"');
    },
    60_000,
  );

  it('is found again by another process, and one that was killed is told apart', async () => {
    const program = await fakeTerraform(join(directory, `fake-${randomUUID()}`), { plan: 'sleep 60' });
    const given = await work({ 'a.tf': '' });
    await executorOf(program).start(given, AbortSignal.timeout(30_000));
    const other = executorOf(program);
    expect(await other.look(given.id)).toBe('running');
    // The same work again is the same work.
    await other.start(
      { ...given, configuration: { ...given.configuration, archive: inOnePiece(Buffer.from('no')) } },
      AbortSignal.timeout(30_000),
    );
    const [sandbox] = await sandboxes.list();
    for (const { pid } of await sandboxes.processesOf(sandbox as never)) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch (error) {
        // With the first of a namespace the others end by themselves.
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    }
    while ((await other.look(given.id)) === 'running') await sleep(30);
    expect(await other.end(given.id, { phase: 'plan', untrusted: false })).toEqual({ kind: 'vanished', state: null });
    await other.remove(given.id);
    expect(await other.end(given.id, { phase: 'plan', untrusted: false })).toEqual({ kind: 'vanished', state: null });
  }, 30_000);

  it('reads nothing but files of its own from what strangers leave', async () => {
    const secret = join(directory, 'secret-of-this-machine');
    await writeFile(secret, 'hush');
    const linked = await faking({ plan: `ln -s ${secret} "$out"; exit 2` });
    await expect(finish(linked, await work({ 'a.tf': '' }))).rejects.toThrow(/that is no file/);
    const elsewhere = await faking({
      plan: 'mv "$HOME/out" "$HOME/was"; ln -s was "$HOME/out"; echo p >"$out"; exit 2',
    });
    await expect(finish(elsewhere, await work({ 'a.tf': '' }))).rejects.toThrow(/that is no file/);
  }, 30_000);

  it.each([
    ['is not there', 'nowhere', /no directory "nowhere"/],
    ['is a file', 'a.tf', /is no directory/],
    ['leads out', '../..', /no directory/],
  ])('refuses a working directory that %s, and leaves nothing', async (_what, workingDirectory, why) => {
    const executor = await faking({});
    const given = await work({ 'a.tf': '' });
    const configuration = { ...given.configuration, workingDirectory };
    await expect(executor.start({ ...given, configuration }, AbortSignal.timeout(30_000))).rejects.toThrow(why);
    expect(await executor.list()).toEqual([]);
  });
});
