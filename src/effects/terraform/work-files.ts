/** The files that Terraform finds beside a configuration: where its state is, its variables, and the two programs we run. */
import { posix } from 'node:path';
import { isAllowedVariable } from '../process/clean-environment.js';
import type { PlanOptions, TerraformVariable } from './executor.js';

/** Read last of all override files, so that a configuration's own backend or `cloud` block does not count here. */
export const OVERRIDE = 'zzzzzzzz_forgeway_override.tf';
/** Read by Terraform by itself, after the configuration's own. */
export const VARIABLES = 'zzzzzzzz_forgeway.auto.tfvars';
/** In the home directory. */
export const STATE = 'state/terraform.tfstate';
export const OUT = 'out';
export const SECRETS = 'environment';

/** From a directory in `source/` to the home directory beside it: the same wherever the two lie, as a plan remembers it. */
export const homeFrom = (workingDirectory: string): string =>
  posix.relative(posix.join('source', workingDirectory), 'home');

/** A text as HCL writes it: what starts an expression in it is doubled. */
function hclText(value: string): string {
  const inner = value
    .toWellFormed()
    .replace(/["\\]/g, (sign) => `\\${sign}`)
    .replace(/[\p{Cc}\u2028\u2029]/gu, (sign) => `\\u${(sign.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`)
    .replace(/[$%](?=\{)/g, (sign) => sign + sign);
  return `"${inner}"`;
}

export const overrideFile = (workingDirectory: string): string =>
  `terraform {\n  backend "local" {\n    path = ${hclText(`${homeFrom(workingDirectory)}/${STATE}`)}\n  }\n}\n`;

const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_-]*$/;

/** Values of Terraform's variables; an expression is written as it is, since that is what its owner asked for. */
export function variablesFile(variables: readonly TerraformVariable[]): string {
  return variables
    .filter(({ category, key }) => category === 'terraform' && IDENTIFIER.test(key))
    .map(({ key, value, hcl }) => `${key} = ${hcl ? value : hclText(value)}\n`)
    .join('');
}

const quoted = (value: string): string => `'${value.replaceAll("'", `'\\''`)}'`;

/**
 * The environment of a workspace, for a shell to read: on a command line everybody on this machine could see it. Names that
 * change what our own programs do are left out.
 */
export function secretsFile(variables: readonly TerraformVariable[]): string {
  return variables
    .filter(({ category, key, value }) => category === 'env' && isAllowedVariable(key) && !value.includes('\0'))
    .map(({ key, value }) => `export ${key}=${quoted(value)}\n`)
    .join('');
}

/** Only these options, each with one value: what a run asks for is data and never a command line. */
export function planArguments(options: PlanOptions): string[] {
  return [
    ...(options.destroy ? ['-destroy'] : []),
    ...(options.refreshOnly ? ['-refresh-only'] : []),
    ...(options.refresh ? [] : ['-refresh=false']),
    ...options.targets.map((target) => `-target=${target}`),
    ...options.replace.map((address) => `-replace=${address}`),
  ];
}

/**
 * Constant programs for `sh`; everything that varies is an argument or a file. Arguments: the binary, the home directory, then
 * those of the plan.
 */
const BEGIN = `
set -u
umask 077
terraform=$1 home=$2
shift 2
out=$home/${OUT}
. "$home/${SECRETS}" || exit 70
stage() { echo "$1" >"$out/stage"; }
`;

export const PLAN = `${BEGIN}
stage init
"$terraform" init -input=false -no-color || exit
stage plan
"$terraform" plan -input=false -no-color -detailed-exitcode -out="$out/plan" "$@"
code=$?
[ "$code" -eq 0 ] || [ "$code" -eq 2 ] || exit "$code"
stage show
"$terraform" show -no-color "$out/plan" >"$out/plan.txt" || exit
"$terraform" show -json "$out/plan" >"$out/plan.json" || exit
[ ! -f .terraform.lock.hcl ] || cat .terraform.lock.hcl >"$out/lock"
stage done
`;

export const APPLY = `${BEGIN}
stage init
if [ -f .terraform.lock.hcl ]; then set -- -lockfile=readonly; else set --; fi
"$terraform" init -input=false -no-color "$@" || exit
stage apply
"$terraform" apply -input=false -no-color "$out/plan" || exit
stage done
`;
