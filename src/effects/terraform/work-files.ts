/** The files that Terraform finds beside a configuration: where its state is, its variables, and the two programs we run. */
import { posix } from 'node:path';
import { isAllowedVariable } from '../process/clean-environment.js';
import type { PlanOptions, TerraformVariable, TerraformWork } from './executor.js';

/**
 * Read after other override files, so that a configuration's own backend or `cloud` block does not count here. Some names would
 * come later still, and OpenTofu prefers a `.tofu` of the same name: which backend is in force is looked at after `init`.
 */
export const OVERRIDE = 'zzzzzzzz_forgeway_override.tf';
/** Read by Terraform by itself, after the configuration's own. */
export const VARIABLES = 'zzzzzzzz_forgeway.auto.tfvars';
/** In the home directory. */
export const STATE = 'state/terraform.tfstate';
export const OUT = 'out';
export const SECRETS = 'environment';
/** What Terraform reads of its user, and OpenTofu where there is no `.tofurc`. */
export const SETTINGS = '.terraformrc';

/** From a directory in `source/` to the home directory beside it: the same wherever the two lie, as a plan remembers it. */
export const homeFrom = (workingDirectory: string): string =>
  posix.relative(posix.join('source', workingDirectory), 'home');

/** Where the state lies, as the backend says it. Only letters, dots and slashes, whatever the directory is called. */
export const stateFrom = (workingDirectory: string): string => `${homeFrom(workingDirectory)}/${STATE}`;

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
  `terraform {\n  backend "local" {\n    path = ${hclText(stateFrom(workingDirectory))}\n  }\n}\n`;

/** Providers from the operator's mirror alone; nothing where there is none. */
export const settingsFile = (mirror: string | undefined): string =>
  mirror === undefined ? '' : `provider_installation {\n  network_mirror {\n    url = ${hclText(mirror)}\n  }\n}\n`;

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

/** What comes before the options of a plan. */
export const schemasArgument = (wanted: TerraformWork['do']): string =>
  wanted.phase === 'plan' && wanted.withSchemas === true ? 'schemas' : '';

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
 * Constant programs for `sh`; everything that varies is an argument or a file. Arguments: the binary, the home directory, the
 * state as the backend says it ({@link stateFrom}), `schemas` or nothing, then those of the plan.
 *
 * What a repository brings of an `init` or a state of its own is not this workspace's: Terraform would want to move it here. And
 * nothing is planned or applied on any backend but ours, or the state that is kept would not be the one that was made.
 */
const BEGIN = `
set -u
umask 077
terraform=$1 home=$2 state=$3 schemas=$4
shift 4
out=$home/${OUT}
. "$home/${SECRETS}" || exit 70
unset TF_DATA_DIR
export TF_WORKSPACE=default
stage() { echo "$1" >"$out/stage"; }
# The backend is ours. That it is a file here says nothing to anybody, and frightens whoever looks for the state.
without_backend() {
  begun=
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in
    'Initializing the backend...' | 'Successfully configured the backend "local"!'* | 'use this backend unless'*) continue ;;
    '') [ -n "$begun" ] || continue ;;
    esac
    begun=1
    printf '%s\\n' "$line"
  done
}
initialize() {
  stage init
  rm -rf .terraform/terraform.tfstate .terraform/environment
  if [ -e terraform.tfstate ]; then
    rm -rf terraform.tfstate
    echo 'The terraform.tfstate of the configuration is not read: the state is the one of the workspace.'
  fi
  {
    "$terraform" init -input=false -no-color "$@" 2>&1
    echo "$?" >"$home/init-code"
  } | without_backend
  read -r code <"$home/init-code" || exit 70
  [ "$code" -eq 0 ] || exit "$code"
  stage backend
  case $(tr -d '[:space:]' <.terraform/terraform.tfstate) in
  *'"backend":{"type":"local","config":{"path":"'"$state"'","workspace_dir":null}'*) ;;
  *)
    echo 'A file that is read after ${OVERRIDE} sets another backend. Take its backend or cloud block out.'
    exit 71
    ;;
  esac
}
`;

export const PLAN = `${BEGIN}
initialize
stage plan
"$terraform" plan -input=false -no-color -detailed-exitcode -out="$out/plan" "$@"
code=$?
[ "$code" -eq 0 ] || [ "$code" -eq 2 ] || exit "$code"
[ "$code" -eq 0 ] || : >"$out/changes"
stage show
"$terraform" show -no-color "$out/plan" >"$out/plan.txt" || exit
"$terraform" show -json "$out/plan" >"$out/plan.json" || exit
[ -z "$schemas" ] || "$terraform" providers schema -json >"$out/schemas.json" || exit
[ ! -f .terraform.lock.hcl ] || cat .terraform.lock.hcl >"$out/lock"
stage done
`;

export const APPLY = `${BEGIN}
if [ -f .terraform.lock.hcl ]; then set -- -lockfile=readonly; else set --; fi
initialize "$@"
stage apply
"$terraform" apply -input=false -no-color "$out/plan" || exit
stage done
`;
