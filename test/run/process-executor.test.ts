/** Terraform in a sandbox: the real one, and ones that hang, flood, break and look around. */
import { createHash, randomUUID } from 'node:crypto';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
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
    program: TerraformBinary | TerraformBinary[],
    o: { planSeconds?: number; plugins?: string; mirror?: string } = {},
  ): TerraformExecutor =>
    createProcessExecutor({
      ...{
        sandboxes,
        directory,
        binaries: [program].flat(),
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
      version: null,
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
    const end = await executor.end(given.id, { phase: given.do.phase, keepsProviders: !given.untrusted });
    const log = (await executor.log(given.id, undefined, true)).lines.join('\n');
    await executor.remove(given.id);
    expect(await executor.look(given.id)).toBe('absent');
    return { end, log };
  }

  withTerraform('plans, applies exactly that plan, and refuses it once the state moved on', async () => {
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
    expect(planned.log).not.toMatch(/^\n|backend/);
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
  });

  withTerraform('says what is wrong with a configuration', async () => {
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
  });

  withTerraform('plans on the state of the workspace alone, whatever the configuration brings', async () => {
    if (binary === undefined) throw new Error('unreachable');
    const executor = executorOf(binary);
    const main = 'resource "terraform_data" "a" {\n  input = "a"\n}\n';
    const backend = (path: string) => `terraform {\n  backend "local" {\n    path = "${path}"\n  }\n}\n`;
    const variables = [
      { key: 'TF_WORKSPACE', value: 'elsewhere', category: 'env', hcl: false },
      { key: 'TF_DATA_DIR', value: 'elsewhere', category: 'env', hcl: false },
    ] as const;
    const brought = await finish(
      executor,
      await work(
        {
          ...{ 'main.tf': main, 'other_override.tf': backend('other.tfstate') },
          ...{
            'terraform.tfstate':
              '{"version":4,"serial":9,"lineage":"theirs","outputs":{"a":{"value":1,"type":"number"}}}',
          },
          ...{
            '.terraform/environment': 'elsewhere',
            '.terraform/terraform.tfstate': '{"version":3,"backend":{"type":"s3"}}',
          },
        },
        { variables },
      ),
    );
    expect(brought.end).toMatchObject({ kind: 'planned', summary: { additions: 1, destructions: 0 } });
    expect(brought.log).toContain('The terraform.tfstate of the configuration is not read');

    const late = { 'main.tf': main, 'zzzzzzzzz_override.tf': backend('other.tfstate') };
    const refused = await finish(executor, await work(late));
    const reason = expect.stringMatching(/zzzzzzzz_forgeway_override.tf sets another backend/);
    expect(refused.end).toEqual({ kind: 'failed', reason, state: null });
    expect(refused.log).toContain('Take its backend or cloud block out.');
    expect(refused.log).not.toContain('will be created');
    const applied = await finish(
      executor,
      await work(late, {
        ...{ id: `${randomUUID()}-apply`, state: Buffer.from('{"version":4,"serial":1,"lineage":"ours"}') },
        do: { phase: 'apply', plan: Buffer.from('a plan'), lockFile: null },
      }),
    );
    expect(applied.end).toEqual({ kind: 'failed', reason, state: null });
  });

  withTerraform('gets providers from the mirror of the operator and from nowhere else', async () => {
    if (binary === undefined) throw new Error('unreachable');
    const main = 'terraform {\n  required_providers {\n    thing = { source = "acme/thing" }\n  }\n}\n';
    const mirrored = executorOf(binary, { mirror: 'https://mirror.example/providers/' });
    const { log } = await finish(mirrored, await work({ 'main.tf': main }));
    expect(log).toContain('https://mirror.example/providers/registry.terraform.io/acme/thing/');
    expect(log).not.toContain('.well-known');
  });

  it('takes the newest program that a workspace allows, and says what there is when none is', async () => {
    const fake = (version: string) =>
      fakeTerraform(join(directory, `fake-${randomUUID()}`), { version, plan: `echo planned by ${version}; exit 1` });
    const executor = executorOf([await fake('1.10.5'), await fake('1.9.8'), await fake('1.11.4')]);
    const plannedBy = async (version: string | null) =>
      (await finish(executor, await work({ 'main.tf': '' }, { version }))).log;
    expect(await plannedBy('~> 1.9.0')).toContain('planned by 1.9.8');
    expect(await plannedBy('>= 1.9')).toContain('planned by 1.11.4');
    expect(await plannedBy(null)).toContain('planned by 1.10.5');
    const wanting = await work({ 'main.tf': '' }, { version: '1.12.0' });
    await expect(executor.start(wanting, AbortSignal.timeout(60_000))).rejects.toThrow(
      'The workspace wants Terraform 1.12.0, and this machine has terraform 1.10.5, terraform 1.9.8, terraform 1.11.4.',
    );
    expect(await executor.look(wanting.id)).toBe('absent');
    expect(
      await executor.start(await work({ 'main.tf': '' }, { version: '1.9.8' }), AbortSignal.timeout(60_000)),
    ).toEqual({
      version: '1.9.8',
    });
  });

  it('has something to apply where only the state is to learn what has changed', async () => {
    const drifted = JSON.stringify({
      format_version: '1.2',
      resource_changes: [],
      resource_drift: [{ address: 'x.a' }],
    });
    const plans = async (code: number) => {
      const executor = await faking({
        plan: `echo p >"$out"; exit ${code}`,
        show: `if [ "$2" = -json ]; then echo '${drifted}'; else echo "Objects have changed outside of Terraform"; fi`,
      });
      return (await finish(executor, await work({ 'a.tf': '' }))).end;
    };
    expect(await plans(2)).toMatchObject({ kind: 'planned', summary: { hasChanges: true, changes: 0, resources: [] } });
    expect(await plans(0)).toMatchObject({ kind: 'planned', summary: { hasChanges: false } });
  });

  it('tells an apply that was killed from one that failed: what it had begun is in no state', async () => {
    const apply = { do: { phase: 'apply' as const, plan: Buffer.from('p'), lockFile: null } };
    const ended = async (what: string) =>
      (await finish(await faking({ apply: what }), await work({ 'main.tf': '' }, apply))).end;
    expect(await ended('kill -9 $$')).toMatchObject({ kind: 'vanished', reason: expect.stringContaining('137') });
    expect(await ended('exit 1')).toMatchObject({ kind: 'failed' });
  });

  it('gives strangers neither the environment nor a way to what is kept for others', async () => {
    const plugins = join(directory, 'plugins');
    const aws = 'registry.terraform.io/hashicorp/aws';
    const look = {
      plan: `echo "token=$TOKEN"; (cd "$HOME/plugins" && find . -type f)
        for version in 5.0.0 4.9.9; do
          mkdir -p "$HOME/plugins/${aws}/$version/linux_amd64"
          echo x >"$HOME/plugins/${aws}/$version/linux_amd64/left"
          ln -s /etc/passwd "$HOME/plugins/${aws}/$version/link" 2>/dev/null
        done
        printf 'provider "${aws}" {\\n  version     = "5.0.0"\\n}\\nprovider "../../../x/y" {\\n  version = "1"\\n}\\n' >.terraform.lock.hcl
        echo p >"$out"; exit 2`,
    };
    const executor = await faking(look, { plugins });
    const workspace = randomUUID();
    const variables = [{ key: 'TOKEN', value: 'for-friends', category: 'env', hcl: false }] as const;
    const one = (n: number, untrusted: boolean) =>
      work({ 'a.tf': '' }, { id: `${workspace}-${n}`, variables, untrusted });
    expect((await finish(executor, await one(1, true))).log).toBe('initialized\ntoken=');
    expect((await finish(executor, await one(2, false))).log).toBe('initialized\ntoken=for-friends');
    expect((await finish(executor, await one(3, true))).log).toBe('initialized\ntoken=');
    expect((await finish(executor, await one(4, false))).log).toBe(
      `initialized\ntoken=for-friends\n./${aws}/5.0.0/linux_amd64/left`,
    );
    expect((await finish(executor, await work({ 'a.tf': '' }, { variables }))).log).not.toContain('left');
  });

  withTerraform('takes providers that were kept, and none that was changed since', async () => {
    if (binary === undefined) throw new Error('unreachable');
    const plugins = join(directory, 'kept-providers');
    const place = 'registry.terraform.io/acme/fake/1.0.0/linux_amd64';
    const program = 'terraform-provider-fake_v1.0.0';
    const sha = (text: string) => createHash('sha256').update(text);
    const h1 = sha(`${sha('true provider').digest('hex')}  ${program}\n`).digest('base64');
    const files = {
      'main.tf': 'terraform {\n  required_providers {\n    fake = { source = "acme/fake" }\n  }\n}\n',
      '.terraform.lock.hcl': `provider "registry.terraform.io/acme/fake" {\n  version = "1.0.0"\n  hashes = ["h1:${h1}"]\n}\n`,
      [`terraform.d/plugins/${place}/${program}`]: 'true provider',
    };
    const executor = executorOf(binary, { plugins });
    const workspace = randomUUID();
    const planWith = async (kept: string) => {
      await mkdir(join(plugins, workspace, place), { recursive: true });
      await writeFile(join(plugins, workspace, place, program), kept);
      return (await finish(executor, await work(files, { id: `${workspace}-${randomUUID()}-plan` }))).log;
    };
    expect(await planWith('true provider')).toContain('Using acme/fake v1.0.0 from the shared cache directory');
    const poisoned = await planWith('evil provider');
    expect(poisoned).not.toContain('shared cache');
    expect(poisoned).toContain('Installed acme/fake v1.0.0');
  });

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
  });

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
    expect(await executor.end(given.id, { phase: 'plan', keepsProviders: false })).toMatchObject({ kind: 'planned' });
    const page = await executor.log(given.id, { inode: '1', offset: 5 }, true);
    expect(page.gap).toBe(true);
    expect(page.lines.join('\n').length).toBeLessThan(100_000);
  });

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
    const end = await executor.end(given.id, { phase: 'apply', keepsProviders: false });
    expect(end).toMatchObject({ kind: 'failed', reason: expect.stringContaining('code 1') });
    if (end.kind !== 'failed' || end.state === null) throw new Error('it left no state');
    expect(JSON.parse(Buffer.from(end.state).toString())).toEqual({ version: 4, serial: 9 });
    expect(await log()).toContain('stopping');
  });

  withTerraform('stops the real one in the midst of an apply, which keeps what it has done', async () => {
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
    const end = await executor.end(given.id, { phase: 'apply', keepsProviders: false });
    if (end.kind !== 'failed' || end.state === null) throw new Error(`it ended as ${end.kind}`);
    expect(Buffer.from(end.state).toString('utf8')).toContain('"name": "first"');
  });

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
    expect(await other.end(given.id, { phase: 'plan', keepsProviders: false })).toEqual({
      kind: 'vanished',
      state: null,
    });
    await other.remove(given.id);
    expect(await other.end(given.id, { phase: 'plan', keepsProviders: false })).toEqual({
      kind: 'vanished',
      state: null,
    });
  });

  it('reads nothing but files of its own from what strangers leave', async () => {
    const secret = join(directory, 'secret-of-this-machine');
    await writeFile(secret, 'hush');
    const linked = await faking({ plan: `ln -s ${secret} "$out"; exit 2` });
    await expect(finish(linked, await work({ 'a.tf': '' }))).rejects.toThrow(/that is no file/);
    const elsewhere = await faking({
      plan: 'mv "$HOME/out" "$HOME/was"; ln -s was "$HOME/out"; echo p >"$out"; exit 2',
    });
    await expect(finish(elsewhere, await work({ 'a.tf': '' }))).rejects.toThrow(/that is no file/);
  });

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
