/** Finds the program: what the operator says, else `terraform`, else `tofu`, from the system's directories. */
import { constants } from 'node:fs';
import { access, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { ForgewayError, messageOf } from '../../lib/errors.js';
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

/**
 * @param configured a path, or a name to look for
 * @returns undefined when none is there and none was asked for by name
 * @throws ForgewayError FORGEWAY_TERRAFORM_MISSING when the one that was asked for does not run
 */
export async function findTerraform(configured?: string): Promise<TerraformBinary | undefined> {
  const found = await find(configured);
  if (found === undefined) {
    if (configured === undefined) return undefined;
    throw new ForgewayError('FORGEWAY_TERRAFORM_MISSING', `There is no ${configured} in ${SYSTEM_PATH}.`);
  }
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
