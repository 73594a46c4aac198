/** Finds the programs: those that the operator says, else `terraform`, else `tofu`, from the system's directories. */
import { constants } from 'node:fs';
import { access, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { compare } from 'semver';
import { z } from 'zod';
import { ForgewayError, messageOf } from '../../lib/errors.js';
import { parseVersionConstraint } from '../../lib/version-constraint.js';
import { SYSTEM_PATH } from '../process/clean-environment.js';
import { runTool } from '../process/run-tool.js';

export interface TerraformBinary {
  path: string;
  /** `terraform` or `tofu`, as it calls itself. */
  product: string;
  version: string;
}

const versionOf = z.object({ terraform_version: z.string().regex(/^\d+\.\d+\.\d+/) });

async function isProgram(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

async function find(configured: string | undefined): Promise<string | undefined> {
  if (configured?.startsWith('/')) return configured;
  const names = configured === undefined ? ['terraform', 'tofu'] : [configured];
  for (const name of names)
    for (const directory of SYSTEM_PATH.split(':')) {
      const path = join(directory, name);
      if (await isProgram(path)) return path;
    }
  return undefined;
}

async function measure(found: string): Promise<TerraformBinary> {
  const path = await realpath(found).catch((cause: unknown) => {
    throw new ForgewayError('FORGEWAY_TERRAFORM_MISSING', `${found} is not there: ${messageOf(cause)}`, { cause });
  });
  const { code, output } = await runTool(path, ['version', '-json'], 20_000);
  try {
    const start = output.indexOf('{');
    const { terraform_version: version } = versionOf.parse(
      JSON.parse(output.slice(start, output.lastIndexOf('}') + 1)),
    );
    return { path, product: path.split('/').at(-1)?.startsWith('tofu') ? 'tofu' : 'terraform', version };
  } catch (cause) {
    const said = output.trim().slice(0, 200);
    throw new ForgewayError(
      'FORGEWAY_TERRAFORM_MISSING',
      `${path} does not tell its version (it ended with ${code}): ${said}`,
      { cause },
    );
  }
}

/**
 * @param configured paths, or names to look for; empty: whichever is there
 * @returns as they were asked for; none when none is there and none was asked for
 * @throws ForgewayError FORGEWAY_TERRAFORM_MISSING when one that was asked for does not run
 */
export async function findTerraforms(configured: readonly string[]): Promise<TerraformBinary[]> {
  const wanted = configured.length === 0 ? [undefined] : configured;
  const found: TerraformBinary[] = [];
  for (const name of wanted) {
    const path = await find(name);
    if (path !== undefined) found.push(await measure(path));
    else if (name !== undefined)
      throw new ForgewayError('FORGEWAY_TERRAFORM_MISSING', `There is no ${name} in ${SYSTEM_PATH}.`);
  }
  return found;
}

/**
 * The program for a workspace: the newest that it allows; without a wish the one that the operator names first.
 * @param wanted a constraint such as `1.11.4` or `~> 1.9`
 * @param of who has them, and the setting that names them
 * @throws ForgewayError FORGEWAY_TERRAFORM_MISSING when none is allowed
 */
export function chooseTerraform(
  binaries: readonly TerraformBinary[],
  wanted: string | null,
  of = { who: 'this machine', setting: 'RUN_BINARY' },
): TerraformBinary {
  const [first, ...others] = binaries;
  if (first === undefined)
    throw new ForgewayError('FORGEWAY_TERRAFORM_MISSING', `There is no Terraform: set ${of.setting}.`);
  if (wanted === null) return first;
  const allows = parseVersionConstraint(wanted) ?? (() => false);
  const allowed = [first, ...others].filter(({ version }) => allows(version));
  if (allowed.length > 0) return allowed.reduce((best, one) => (compare(one.version, best.version) > 0 ? one : best));
  const there = binaries.map(({ product, version }) => `${product} ${version}`).join(', ');
  throw new ForgewayError(
    'FORGEWAY_TERRAFORM_MISSING',
    `The workspace wants Terraform ${wanted}, and ${of.who} has ${there}. Change terraform-version of the workspace, or add that version to ${of.setting}.`,
  );
}
