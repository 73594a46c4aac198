/**
 * The real Terraform command line against the built program, which plans and applies with the same binary. Where there is none
 * this is skipped, and counted so: test/terraform/wire.test.ts always replays what such a command line asks.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { realTerraform } from '../support/terraform.js';
import { type CommandLine, configuration, openCommandLine } from '../terraform/command-line.js';
import { createInstallation, eventually, type Installation, type RunningProgram } from './program.js';

const binary = await realTerraform();
// OpenTofu has no login to a server by this name and other defaults: it plans here, and is not the client of these tests.
const isThere = binary?.product === 'terraform';
const { skip } = describe;
const withTerraform = isThere ? describe : skip;
if (!isThere) process.stderr.write('tests with the command line of Terraform are skipped: it is not on this machine\n');

withTerraform(`Terraform ${isThere ? binary.version : '(not on this machine)'} with a cloud block`, () => {
  let installation: Installation;
  let program: RunningProgram;
  let token: string;
  let cli: CommandLine;
  beforeAll(async () => {
    installation = await createInstallation({ RUN_NETWORK: 'none' });
    program = await installation.up();
    const made = await installation.run(['tokens', 'create', '--name', 'terraform']);
    if (made.code !== 0) throw new Error(made.stderr);
    token = made.stdout.trim();
    cli = await openCommandLine({ binary: binary?.path ?? '', url: program.url, token });
    await cli.write({ 'main.tf': configuration({ organization: 'default', workspace: 'from-cli' }) });
  });
  afterAll(async () => {
    await cli?.remove();
    await installation.remove();
  });

  const api = async (method: string, path: string, body?: unknown) => {
    const answer = await fetch(`${program.url}/api/v2${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/vnd.api+json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return { status: answer.status, document: (answer.status === 204 ? null : await answer.json()) as never };
  };
  const workspace = async () => {
    const { document } = await api('GET', '/organizations/default/workspaces/from-cli');
    return (document as { data: { id: string; attributes: { locked: boolean } } }).data;
  };
  const succeed = async (args: readonly string[], input?: string): Promise<string> => {
    const { code, output } = await cli.run(args, input);
    if (code !== 0)
      throw new Error(`terraform ${args.join(' ')} ended with ${code}: ${output}\n${program.stderr().slice(-3_000)}`);
    return output;
  };

  it('makes the workspace at its init', async () => {
    expect(await succeed(['init'])).toContain('successfully initialized');
    expect((await workspace()).id).toMatch(/^ws-/);
  });

  it('plans here, with the log on its screen, and changes nothing', async () => {
    const output = await succeed(['plan']);
    expect(output).toContain('# terraform_data.one will be created');
    expect(output).toContain('Plan: 1 to add, 0 to change, 0 to destroy.');
    expect((await cli.run(['state', 'list'])).code).not.toBe(0);
  });

  it('applies what it showed, once it is told yes, and leaves its state here', async () => {
    const output = await succeed(['apply'], 'yes\n');
    expect(output).toContain('Apply complete! Resources: 1 added, 0 changed, 0 destroyed.');
    expect(await succeed(['state', 'list'])).toContain('terraform_data.one');
    expect(await succeed(['output', '-raw', 'greeting'])).toContain('hello');
    expect(await succeed(['plan'])).toContain('No changes.');
    expect((await workspace()).attributes.locked).toBe(false);
  });

  it('shows a plan that was saved, without what is sensitive, and applies exactly it', async () => {
    const more =
      'resource "terraform_data" "two" {\n  input = { open = "to all", closed = sensitive("correct-horse") }\n}\n';
    await cli.write({
      'main.tf': `${configuration({ organization: 'default', workspace: 'from-cli' })}\n${more}`,
    });
    await succeed(['plan', '-out', 'saved']);
    const shown = await succeed(['show', 'saved']);
    expect(shown).toContain('# terraform_data.two will be created');
    expect(shown).toContain('"to all"');
    expect(shown).toContain('(sensitive value)');
    expect(shown).toContain('Plan: 1 to add, 0 to change, 0 to destroy.');
    expect(shown).toContain('Run status: planned and saved (confirmable)');
    const whole = await succeed(['show', '-json', 'saved']);
    expect(whole).toContain('correct-horse');
    const { document } = await api('GET', `/workspaces/${(await workspace()).id}/runs`);
    const [run] = (document as { data: { relationships: { plan: { data: { id: string } } } }[] }).data;
    const redacted = await api('GET', `/plans/${run?.relationships.plan.data.id}/json-output-redacted`);
    expect([redacted.status, JSON.stringify(redacted.document).includes('correct-horse')]).toEqual([200, false]);
    expect(await succeed(['apply', 'saved'])).toContain('Resources: 1 added, 0 changed, 0 destroyed.');
    await succeed(['apply', '-auto-approve', '-destroy', '-target=terraform_data.two']);
    await cli.write({ 'main.tf': configuration({ organization: 'default', workspace: 'from-cli' }) });
  });

  it('does not apply what somebody has locked, and says who', async () => {
    const { id } = await workspace();
    await api('POST', `/workspaces/${id}/actions/lock`, { reason: 'a freeze' });
    const moved = await cli.run(['state', 'rm', 'terraform_data.one']);
    expect([moved.code === 0, moved.output]).toEqual([false, expect.stringContaining('locked')]);
    await api('POST', `/workspaces/${id}/actions/unlock`);
    expect(await succeed(['state', 'list'])).toContain('terraform_data.one');
  });

  it('finds workspaces by tags with values, and makes those that are not there', async () => {
    const tagged = (env: string) =>
      configuration({ organization: 'default', workspace: 'x' }).replace('name = "x"', `tags = { env = "${env}" }`);
    const other = await openCommandLine({ binary: binary?.path ?? '', url: program.url, token });
    const here = async (args: readonly string[], input?: string) => {
      const { code, output } = await other.run(args, input);
      if (code !== 0) throw new Error(`terraform ${args.join(' ')} ended with ${code}: ${output}`);
      return output;
    };
    await other.write({ 'main.tf': tagged('eu') });
    await here(['init'], 'first\n');
    await here(['workspace', 'new', 'second']);
    expect(await here(['workspace', 'list'])).toMatch(/first\n\* second/);
    await other.write({ 'main.tf': tagged('us') });
    await here(['init'], 'third\n');
    expect(await here(['workspace', 'list'])).toMatch(/^\* third\s*$/);
    await other.remove();
  });

  it('fails where the configuration is wrong, with what is wrong', async () => {
    await cli.write({
      'main.tf': `${configuration({ organization: 'default', workspace: 'from-cli' })}\nresource "terraform_data" "two" { input = var.none }\n`,
    });
    const { code, output } = await cli.run(['plan']);
    expect([code, output]).toEqual([1, expect.stringContaining('undeclared input variable')]);
    await cli.write({ 'main.tf': configuration({ organization: 'default', workspace: 'from-cli' }) });
  });

  it('destroys', async () => {
    expect(await succeed(['destroy', '-auto-approve'])).toContain('Resources: 0 added, 0 changed, 1 destroyed.');
    const state = await eventually('the state', async () => {
      const { id } = await workspace();
      const { document } = await api('GET', `/workspaces/${id}/current-state-version`);
      return (document as { data: { attributes: { resources: unknown[] } } }).data;
    });
    expect(state.attributes.resources).toEqual([]);
  });
});
