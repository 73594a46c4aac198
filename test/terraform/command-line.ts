/** The real Terraform command line in a directory of its own, pointed at one server and at nothing else. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What people would name the server. Nothing listens there: the `host` block says where it is. */
export const HOST = 'forgeway.test';

export interface Ran {
  code: number;
  output: string;
}

export interface CommandLine {
  folder: string;
  run(args: readonly string[], input?: string): Promise<Ran>;
  write(files: Readonly<Record<string, string>>): Promise<void>;
  remove(): Promise<void>;
}

export const configuration = (o: { organization: string; workspace: string }) => `
terraform {
  cloud {
    hostname     = "${HOST}"
    organization = "${o.organization}"
    workspaces {
      name = "${o.workspace}"
    }
  }
}

resource "terraform_data" "one" {}

output "greeting" {
  value = "hello"
}
`;

export async function openCommandLine(o: { binary: string; url: string; token: string }): Promise<CommandLine> {
  const folder = await mkdtemp(join(tmpdir(), 'forgeway-terraform-'));
  const services = ['tfe.v2', 'tfe.v2.1', 'tfe.v2.2', 'state.v2'].map((name) => `    "${name}" = "${o.url}/api/v2/"`);
  const settings = join(folder, 'terraformrc');
  await writeFile(
    settings,
    `host "${HOST}" {\n  services = {\n${services.join('\n')}\n  }\n}\ncredentials "${HOST}" {\n  token = "${o.token}"\n}\n`,
  );
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    TF_CLI_CONFIG_FILE: settings,
    TF_IN_AUTOMATION: '1',
    CHECKPOINT_DISABLE: '1',
    ...(process.env.TF_LOG && { TF_LOG: process.env.TF_LOG }),
  };
  return {
    folder,
    run: (args, input) =>
      new Promise((resolve) => {
        const child = execFile(
          o.binary,
          [...args, '-no-color'],
          { cwd: folder, env, timeout: 60_000 },
          (error, stdout, stderr) =>
            resolve({
              code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1,
              output: `${stdout}\n${stderr}`,
            }),
        );
        child.stdin?.end(input ?? '');
      }),
    async write(files) {
      for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
