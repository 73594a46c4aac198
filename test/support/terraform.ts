/** The real program where there is one, and programs that misbehave in its place. */
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findTerraforms, type TerraformBinary } from '../../src/effects/terraform/binary.js';

/** Undefined where this machine has none: such tests are counted as skipped. */
export const realTerraform = async (): Promise<TerraformBinary | undefined> => (await findTerraforms([]))[0];

const PLAN_JSON = JSON.stringify({
  format_version: '1.2',
  resource_changes: [
    { address: 'x.a', mode: 'managed', type: 'x', name: 'a', change: { actions: ['create'] } },
    { address: 'x.b', mode: 'managed', type: 'x', name: 'b', change: { actions: ['delete', 'create'] } },
  ],
});

/** What a program in Terraform's place does in each of its commands, as lines of sh. */
export interface FakeTerraform {
  /** What it says that it is; without it `1.11.4`. */
  version?: string;
  init?: string;
  plan?: string;
  show?: string;
  apply?: string;
}

/**
 * A program that is called as Terraform is. Without anything said it plans two changes, and its apply leaves a state that tells
 * how often it was applied.
 */
export async function fakeTerraform(directory: string, o: FakeTerraform = {}): Promise<TerraformBinary> {
  await mkdir(directory, { recursive: true, mode: 0o755 });
  const { version = '1.11.4' } = o;
  const path = join(directory, 'terraform');
  const script = `#!/bin/sh
case $1 in
version) echo '{"terraform_version":"${version}"}' ;;
init)
  ${o.init ?? 'echo initialized'}
  mkdir -p .terraform
  path=$(sed -n 's/.*path = "\\(.*\\)".*/\\1/p' zzzzzzzz_forgeway_override.tf)
  echo "{\\"backend\\": {\\"type\\": \\"local\\", \\"config\\": {\\"path\\": \\"$path\\", \\"workspace_dir\\": null}}}" >.terraform/terraform.tfstate ;;
plan)
  for argument; do case $argument in -out=*) out=\${argument#-out=} ;; esac; done
  ${o.plan ?? 'echo planning; echo "a plan of $(cat "$HOME/state/terraform.tfstate" 2>/dev/null | wc -c)" >"$out"; exit 2'} ;;
show)
  ${o.show ?? `if [ "$2" = -json ]; then echo '${PLAN_JSON}'; else echo "Plan: 2 to add, 0 to change, 1 to destroy."; fi`} ;;
apply)
  ${
    o.apply ??
    `echo applying; serial=$(sed -n 's/.*"serial":\\([0-9]*\\).*/\\1/p' "$HOME/state/terraform.tfstate" 2>/dev/null)
  echo "{\\"version\\":4,\\"terraform_version\\":\\"1.11.4\\",\\"serial\\":$((\${serial:-0} + 1)),\\"lineage\\":\\"fake\\",\\"outputs\\":{},\\"resources\\":[]}" >"$HOME/state/terraform.tfstate"`
  } ;;
esac
`;
  await writeFile(path, script);
  await chmod(path, 0o755);
  return { path, product: 'terraform', version };
}
