import { type Command, InvalidArgumentError, Option } from 'commander';
import { appSummaries, type RepositoryName, switchApp } from '../../accounts/app-repositories.js';
import { forges } from '../../forges/registry.js';
import { ownAppNames } from '../../handlers/apps.js';
import { withDatabase } from '../session.js';
import { formatJson, printRows } from '../table.js';

interface SwitchOptions {
  repo: string;
  forge?: string;
  host?: string;
  json?: boolean;
}

/** `owner/name`, as apps see it: nested groups are written `a~b/name`. */
function repositoryNamed({ repo, forge, host }: SwitchOptions): RepositoryName {
  const [, owner, name] = /^([^/\s]+)\/([^/\s]+)$/.exec(repo) ?? [];
  if (owner === undefined || name === undefined)
    throw new InvalidArgumentError(`"${repo}" is no repository: write owner/name.`);
  return { owner, name, ...(forge !== undefined && { forge }), ...(host !== undefined && { host }) };
}

async function turn(app: string, enabled: boolean, options: SwitchOptions): Promise<void> {
  if (ownAppNames.includes(app))
    throw new InvalidArgumentError(`${app} is part of Forgeway itself and runs for every repository.`);
  const { repository, ran } = await withDatabase(async ({ store, organizationId }) => ({
    repository: await switchApp(store, organizationId, app, repositoryNamed(options), enabled),
    ran: (await appSummaries(store, organizationId)).some(({ app: name, runs }) => name === app && runs > 0),
  }));
  if (!ran) console.error(`! No app named ${app} has run here yet: \`forgeway app list\` shows those that have.`);
  if (options.json) console.log(formatJson({ app, enabled, ...repository }));
  else
    console.log(
      `${app} is ${enabled ? 'on' : 'off'} for ${repository.owner}/${repository.name} on ${repository.host}.`,
    );
}

export function addAppRepositoryCommands(app: Command): void {
  for (const [verb, enabled] of [
    ['enable', true],
    ['disable', false],
  ] as const)
    app
      .command(verb)
      .description(`switch an app ${enabled ? 'on again' : 'off'} for one repository; apps are on unless switched off`)
      .argument('<app>', 'its name, see `forgeway app list`')
      .requiredOption('--repository, --repo <owner/name>', 'the repository')
      .addOption(
        new Option('--forge <forge>', 'where several forges have one of that name').choices([...forges.keys()]),
      )
      .option('--host <host>', 'where several servers have one of that name')
      .option('--json', 'as JSON')
      .addHelpText(
        'after',
        `
Examples:
  $ forgeway app ${verb} stale --repo acme/web
  $ forgeway app ${verb} stale --repo acme/web --host git.example.com`,
      )
      .action((name: string, options: SwitchOptions) => turn(name, enabled, options));

  app
    .command('list')
    .description('apps that ran here, and for how many repositories they are switched off')
    .option('--json', 'as JSON')
    .action(async (options: { json?: boolean }) => {
      const rows = await withDatabase(({ store, organizationId }) => appSummaries(store, organizationId));
      printRows(rows, ['app', 'runs', 'dead', 'lastRun', 'offIn'], {
        json: options.json,
        empty: 'No app has run yet. `forgeway app run ./app.js` starts one.',
      });
    });
}
