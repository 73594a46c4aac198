import type { Command } from 'commander';
import { keepSecretsOf } from '../../config/keep-secrets.js';
import type { ForgeDescriptor } from '../../forges/forge.js';
import { forges } from '../../forges/registry.js';
import { guardOutput } from '../../lib/guarded-output.js';
import { createLogger } from '../../lib/logger.js';
import { loadApp } from '../../translate/loaded-app.js';
import { type AddedApps, importApps, legacyOption, onlyOption } from '../added-apps.js';
import { type RouteRow, routeRows, scanOldCall, scanRoutes } from '../app-scan.js';
import { readAppSources } from '../app-source.js';
import { type EventRow, eventRows } from '../app-support.js';
import { formatJson, formatTable } from '../table.js';

interface Inspected {
  app: string;
  events: readonly EventRow[];
  /** With --scan. */
  routes?: readonly RouteRow[];
  /** With --scan: a call that only apps for an older Probot can make. */
  oldCall?: string;
}

type InspectOptions = Omit<AddedApps, 'apps'> & { scan?: boolean; json?: boolean };

async function inspect(added: AddedApps & { scan?: boolean }, shown: readonly ForgeDescriptor[]): Promise<Inspected[]> {
  const sources = readAppSources(added.apps, process.cwd());
  const log = createLogger({ level: 'warn', format: process.stderr.isTTY ? 'pretty' : 'json' });
  const inspected: Inspected[] = [];
  // An app that ends the process, or waits for what never comes until nothing is left to wait for, would end it without a word.
  let loading = added.apps.join(', ');
  const ended = (code: number) => {
    console.error(`FORGEWAY_APP_UNUSABLE: ${loading} ended the process while it was loaded (exit code ${code}).`);
    console.error(
      '  An app only registers its listeners when it is called: take out process.exit(), or what it waits for.',
    );
    process.exitCode = 1;
  };
  process.once('exit', ended);
  try {
    for (const app of await importApps(added)) {
      loading = app.name;
      const { subscriptions } = await loadApp(app, undefined, log);
      const file = added.scan ? sources.find(({ name }) => name === app.name)?.file : undefined;
      const oldCall = file !== undefined && added.legacy === undefined ? scanOldCall(file) : undefined;
      inspected.push({
        app: app.name,
        events: eventRows(subscriptions.list(), shown, forges.values()),
        ...(file !== undefined && { routes: routeRows(scanRoutes(file, added.legacy), shown) }),
        ...(oldCall !== undefined && { oldCall }),
      });
    }
  } finally {
    process.off('exit', ended);
  }
  return inspected;
}

/** One table, and below it why some forge gives less. */
function printSupport(
  column: 'event' | 'route',
  rows: readonly { name: string; forges: Readonly<Record<string, string>>; notes: readonly string[] }[],
  shown: readonly ForgeDescriptor[],
): void {
  const cells = rows.map(({ name, forges: given }) => ({ [column]: name, ...given }));
  console.log(formatTable(cells, [column, ...shown.map(({ label }) => label)]).replaceAll(/^/gm, '  '));
  for (const note of new Set(rows.flatMap(({ notes }) => notes))) console.log(`  ${note}`);
}

function print({ app, events, routes, oldCall }: Inspected, shown: readonly ForgeDescriptor[]): void {
  console.log(events.length === 0 ? `${app} listens to nothing.` : `${app} listens to:`);
  const eventCells = events.map(({ event, ...row }) => ({ name: event, ...row }));
  if (events.length > 0) printSupport('event', eventCells, shown);
  if (routes === undefined) return;
  console.log(routes.length === 0 ? 'Its source mentions no route.' : 'Its source mentions:');
  const routeCells = routes.map(({ route, ...row }) => ({ name: route, ...row }));
  if (routes.length > 0) printSupport('route', routeCells, shown);
  if (oldCall !== undefined)
    console.log(
      `It calls ${oldCall}() as before Probot 14: write octokit.rest, or give --legacy v13 here and to \`app run\`.`,
    );
}

export function addAppInspectCommand(app: Command): void {
  app
    .command('inspect')
    .description('load apps without running them: what they listen to, and which forge gives it')
    .argument('<apps...>', 'as for `app run`')
    .addOption(legacyOption())
    .addOption(onlyOption())
    .option('--scan', 'read the source for the routes that it mentions, too')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ forgeway app inspect ./app.js
  $ forgeway app inspect ./app.js --scan`,
    )
    .action(async (apps: string[], options: InspectOptions) => {
      keepSecretsOf();
      guardOutput();
      const only = new Set(options.only);
      const shown = [...forges.values()].filter(({ id }) => only.size === 0 || only.has(id));
      const inspected = await inspect({ ...options, apps }, shown);
      if (options.json) console.log(formatJson(inspected));
      else for (const one of inspected) print(one, shown);
      // An app may have started timers or servers of its own.
      process.exit(0);
    });
}
