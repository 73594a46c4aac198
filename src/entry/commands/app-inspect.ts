import type { Command } from 'commander';
import type { ForgeDescriptor } from '../../forges/forge.js';
import { forges } from '../../forges/registry.js';
import { createLogger } from '../../lib/logger.js';
import { loadApp } from '../../translate/loaded-app.js';
import { type AddedApps, importApps, legacyOption, onlyOption } from '../added-apps.js';
import { type EventRow, eventRows } from '../app-support.js';
import { formatJson, formatTable } from '../table.js';

interface Inspected {
  app: string;
  events: readonly EventRow[];
}

async function inspect(added: AddedApps, shown: readonly ForgeDescriptor[]): Promise<Inspected[]> {
  const log = createLogger({ level: 'warn', format: process.stderr.isTTY ? 'pretty' : 'json' });
  const inspected: Inspected[] = [];
  for (const app of await importApps(added)) {
    const { subscriptions } = await loadApp(app, undefined, log);
    inspected.push({ app: app.name, events: eventRows(subscriptions.list(), shown) });
  }
  return inspected;
}

function print({ app, events }: Inspected, shown: readonly ForgeDescriptor[]): void {
  if (events.length === 0) {
    console.log(`${app} listens to nothing.`);
    return;
  }
  console.log(`${app} listens to:`);
  const labels = shown.map(({ label }) => label);
  const rows = events.map((row) => ({ event: row.event, ...row.forges }));
  console.log(formatTable(rows, ['event', ...labels]).replaceAll(/^/gm, '  '));
  for (const note of new Set(events.flatMap(({ notes }) => notes))) console.log(`  ${note}`);
}

export function addAppInspectCommand(app: Command): void {
  app
    .command('inspect')
    .description('load apps without running them: what they listen to, and which forge gives it')
    .argument('<apps...>', 'as for `app run`')
    .addOption(legacyOption())
    .addOption(onlyOption())
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ forgeway app inspect ./app.js
  $ forgeway app inspect ./app.js --json`,
    )
    .action(async (apps: string[], options: Omit<AddedApps, 'apps'> & { json?: boolean }) => {
      const only = new Set(options.only);
      const shown = [...forges.values()].filter(({ id }) => only.size === 0 || only.has(id));
      const inspected = await inspect({ ...options, apps }, shown);
      if (options.json) console.log(formatJson(inspected));
      else for (const one of inspected) print(one, shown);
      // An app may have started timers or servers of its own.
      process.exit(0);
    });
}
