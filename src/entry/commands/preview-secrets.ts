import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { deletePreviewSecret, listPreviewSecrets, setPreviewSecret } from '../../accounts/preview-secrets.js';
import { createVault } from '../../accounts/vault.js';
import { type CommandSession, withDatabase } from '../session.js';
import { formatJson, printRows } from '../table.js';

const BY = 'command line';
const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
const LONGEST = 32_768;

interface Options {
  repo?: string;
  file?: string;
  json?: boolean;
}

/** Null: for every repository. */
async function repositoryOf(
  { store, organizationId }: CommandSession,
  repo: string | undefined,
): Promise<string | null> {
  if (repo === undefined) return null;
  const slash = repo.lastIndexOf('/');
  const { rows } = await store.tenant(organizationId, (tx) =>
    tx.query<{ id: string }>(
      `SELECT id FROM repository WHERE lower(remote_owner) = lower($1) AND lower(remote_name) = lower($2)
         AND status <> 'removed'`,
      [repo.slice(0, slash).replaceAll('/', '~'), repo.slice(slash + 1)],
    ),
  );
  if (rows.length > 1)
    throw new InvalidArgumentError(`Several servers have a repository ${repo}; use the API, with its id.`);
  const [found] = rows;
  if (found === undefined) throw new InvalidArgumentError(`There is no repository ${repo} here. Write owner/name.`);
  return found.id;
}

async function valueFrom({ file }: Options): Promise<string> {
  const given = file === undefined ? await text(process.stdin) : await readFile(file, 'utf8');
  // Of a file that an editor wrote the last line break is not meant.
  const value = given.replace(/\r?\n$/, '');
  if (value === '' || value.length > LONGEST)
    throw new InvalidArgumentError(`A value has 1 to ${LONGEST} characters. Pipe it in, or use --file.`);
  return value;
}

/** `forgeway previews secrets`: below the command `previews`. */
export function addPreviewSecretsCommand(previews: Command): void {
  const secrets = previews
    .command('secrets')
    .description('what previews are given by name; written, and never shown again');
  const repo = () => new Option('--repository, --repo <owner/name>', 'of this repository alone, where it wins');

  secrets
    .command('set')
    .description('set a secret, or another value of it, from standard input')
    .argument('<name>', 'the variable, as `secrets:` in .forgeway.yml names it')
    .addOption(repo())
    .option('--file <path>', 'read the value from a file')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
Previews of strangers’ code never get one. A preview that runs gets a new value when it is built again (\`/preview rebuild\`).

Examples:
  $ pass show stripe-test | forgeway previews secrets set STRIPE_KEY
  $ forgeway previews secrets set TLS_KEY --repo acme/web --file key.pem`,
    )
    .action(async (name: string, options: Options) => {
      if (!NAME.test(name)) throw new InvalidArgumentError(`${name} is not the name of a variable.`);
      const value = await valueFrom(options);
      const secret = await withDatabase(async (session) => {
        const repositoryId = await repositoryOf(session, options.repo);
        const vault = createVault(session.keys.versions);
        return setPreviewSecret(session.store, vault, session.organizationId, { name, value, repositoryId, by: BY });
      });
      console.log(options.json ? formatJson(secret) : `${name} is set${options.repo ? ` for ${options.repo}` : ''}.`);
    });

  secrets
    .command('list')
    .description('their names, and never their values')
    .addOption(repo())
    .option('--json', 'as JSON')
    .action(async (options: Options) => {
      const rows = await withDatabase(async (session) => {
        const repositoryId = await repositoryOf(session, options.repo);
        return listPreviewSecrets(session.store, session.organizationId, repositoryId ?? undefined);
      });
      printRows(rows, ['name', 'repositoryId', 'setBy', 'updatedAt'], {
        json: options.json,
        empty: 'No secrets. `forgeway previews secrets set NAME` sets one.',
      });
    });

  secrets
    .command('delete')
    .description('delete a secret; previews that run keep what they were started with')
    .argument('<name>', 'its name')
    .addOption(repo())
    .option('--json', 'as JSON')
    .action(async (name: string, options: Options) => {
      await withDatabase(async (session) => {
        const { store, organizationId } = session;
        const repositoryId = await repositoryOf(session, options.repo);
        const found = (await listPreviewSecrets(store, organizationId)).find(
          (one) => one.name === name && one.repositoryId === repositoryId,
        );
        if (found === undefined || !(await deletePreviewSecret(store, organizationId, found.id, BY)))
          throw new InvalidArgumentError(
            `There is no secret ${name} there. \`forgeway previews secrets list\` shows all.`,
          );
      });
      console.log(options.json ? formatJson({ name, deleted: true }) : `${name} is deleted.`);
    });
}
