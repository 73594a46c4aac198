import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { z } from 'zod';
import { ForgewayError, messageOf } from '../lib/errors.js';
import { pinSecret } from '../lib/known-secrets.js';
import { redactText } from '../lib/redact.js';
import { sharesCookies } from '../lib/sites.js';
import { keepSecretsOf } from './keep-secrets.js';
import { refusal } from './refusals.js';
import { type UnknownName, unknownNames } from './unknown-names.js';
import { type Variable, type VariableKey, variables } from './variables.js';

type Table = typeof variables;
type Value<K extends VariableKey> = z.output<Table[K]['schema']>;
type WithDefault = {
  [K in VariableKey]: Table[K] extends { default: string } | { defaultNote: string } ? K : never;
}[VariableKey];

/** The whole configuration, checked and frozen. Optional fields are absent features, not defaults. */
export type Config = Readonly<
  { [K in Exclude<VariableKey, 'privateKeyPath' | WithDefault>]?: Value<K> } & { [K in WithDefault]: Value<K> }
>;

export interface ConfigProblem {
  variable: string;
  problem: string;
  fix: string;
}

/**
 * Lists the problems as an aligned table, one line each, and after them what is only odd. Nothing in it is a secret; it
 * must not be redacted again, since a fix may show what an address with a password looks like.
 */
export function formatProblems(problems: readonly ConfigProblem[], warnings: readonly UnknownName[] = []): string {
  const rows = [...problems, ...warnings.map((w) => ({ ...w, problem: `(warning) ${w.problem}` }))];
  const width = Math.max(...rows.map((row) => row.variable.length));
  return rows.map((row) => `  ${row.variable.padEnd(width)}  ${redactText(row.problem)}. ${row.fix}`).join('\n');
}

export class ConfigError extends ForgewayError {
  readonly problems: readonly ConfigProblem[];
  /** No reason to refuse, but perhaps the cause of a problem. */
  readonly warnings: readonly UnknownName[];
  constructor(problems: readonly ConfigProblem[], warnings: readonly UnknownName[] = []) {
    super(
      'FORGEWAY_CONFIG_INVALID',
      `${problems.length} problem(s) in the configuration:\n${formatProblems(problems, warnings)}`,
    );
    this.problems = problems;
    this.warnings = warnings;
  }
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** What this process was started with. */
export const ownEnvironment = (): Environment => process.env;

/** Defaults that depend on the machine. */
const machineDefaults = (): Record<string, unknown> => ({
  dataDir: process.getuid?.() === 0 ? '/var/lib/forgeway' : join(homedir(), '.local/share/forgeway'),
  logFormat: process.stderr.isTTY ? 'pretty' : 'json',
});

function read(environment: Environment, variable: Variable): { name: string; text: string } | undefined {
  for (const name of [variable.name, ...(variable.aliases ?? [])]) {
    const text = environment[name];
    if (text !== undefined && text !== '') return { name, text };
  }
  return variable.default === undefined ? undefined : { name: variable.name, text: variable.default };
}

/** Rules that no single variable can check. */
function crossChecks(values: Record<string, unknown>): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const add = (key: VariableKey, problem: string) =>
    problems.push({ variable: variables[key].name, problem, fix: variables[key].fix });
  if (values.appId !== undefined && values.privateKey === undefined) add('privateKey', 'is missing, but APP_ID is set');
  if (values.appId === undefined && values.privateKey !== undefined)
    add('appId', 'is missing, but a private key is set');
  if (values.appId !== undefined && values.webhookSecret === undefined)
    add('webhookSecret', 'is missing, but APP_ID is set');
  if (values.databaseUrl !== undefined && values.encryptionKey === undefined)
    add('encryptionKey', 'is missing, and it is never made up for an external database');
  if (values.runExecutor === 'kubernetes' && values.runImage === undefined)
    add('runImage', 'is missing, and runs on a cluster need one');
  if (values.port !== 0 && values.port === values.previewPort) add('previewPort', 'is the same as PORT');
  const publicHost = typeof values.publicUrl === 'string' ? new URL(values.publicUrl).hostname : undefined;
  const previewDomain = String(values.previewDomain);
  // Browsers take `localhost` for a public suffix, whose sub-domains share nothing.
  if (publicHost !== undefined && publicHost !== 'localhost' && sharesCookies(publicHost, previewDomain))
    add('previewDomain', 'shares cookies with the server’s own host');
  return problems;
}

/**
 * Reads and checks the whole environment.
 * @throws ConfigError with every problem at once, each with what to do.
 */
export function loadConfig(environment: Environment = process.env): Config {
  keepSecretsOf(environment);
  const values = machineDefaults();
  const problems: ConfigProblem[] = [];
  for (const [key, variable] of Object.entries(variables) as [VariableKey, Variable][]) {
    const found = read(environment, variable);
    if (found === undefined) continue;
    const parsed = variable.schema.safeParse(found.text, { error: refusal });
    if (parsed.success) values[key] = parsed.data;
    else
      problems.push({
        variable: found.name,
        problem: parsed.error.issues[0]?.message ?? 'is invalid',
        fix: variable.fix,
      });
  }
  if (values.privateKeyPath !== undefined && values.privateKey === undefined) {
    try {
      const text = readFileSync(String(values.privateKeyPath), 'utf8');
      pinSecret(text);
      const parsed = variables.privateKey.schema.safeParse(text);
      if (parsed.success) values.privateKey = parsed.data;
      else
        problems.push({
          variable: 'PRIVATE_KEY_PATH',
          problem: 'is not a PEM private key',
          fix: variables.privateKeyPath.fix,
        });
    } catch (error) {
      problems.push({
        variable: 'PRIVATE_KEY_PATH',
        problem: `cannot be read: ${messageOf(error)}`,
        fix: variables.privateKeyPath.fix,
      });
    }
  }
  delete values.privateKeyPath;
  const named = new Set(problems.map((p) => p.variable));
  problems.push(
    ...crossChecks(values).filter(
      (p) => !named.has(p.variable) && !(p.variable === 'PRIVATE_KEY' && named.has('PRIVATE_KEY_PATH')),
    ),
  );
  if (problems.length > 0) throw new ConfigError(problems, unknownNames(environment));
  return Object.freeze(values) as unknown as Config;
}

/** Base URLs of the default GitHub: `api` for requests, `web` for people and git, `host` as identity. */
export function githubOrigin(config: Pick<Config, 'gheHost' | 'gheProtocol'>): {
  api: string;
  web: string;
  host: string;
} {
  if (config.gheHost === undefined)
    return { api: 'https://api.github.com', web: 'https://github.com', host: 'github.com' };
  const web = `${config.gheProtocol}://${config.gheHost}`;
  return { api: `${web}/api/v3`, web, host: config.gheHost.toLowerCase() };
}
