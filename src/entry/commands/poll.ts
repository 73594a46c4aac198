import type { Command } from 'commander';
import { MIRROR } from '../../handlers/apps.js';
import type { FoundEvent } from '../../inbox/poll/cycle.js';
import { pollNow } from '../../inbox/poll/poller.js';
import { createMetrics } from '../../lib/metrics.js';
import { defaultAppCredentials } from '../default-app.js';
import { outboundOf } from '../outbound.js';
import { withDatabase } from '../session.js';
import { formatJson, printRows } from '../table.js';

const plural = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`;

export function addPollCommand(program: Command): void {
  program
    .command('poll')
    .description('ask every forge now what changed, and hand what no webhook told to the apps')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
The server does this by itself, see POLL_INTERVAL_SECONDS. What is found is in \`forgeway deliveries list\`, and is handled
as soon as a worker runs. Exit code 1 when a repository could not be asked.`,
    )
    .action(async (options: { json?: boolean }) => {
      const summary = await withDatabase(async ({ store, config, keys, log }) => {
        const metrics = createMetrics();
        const { createBridge } = await import('../../translate/bridge.js');
        const bridge = await createBridge({
          github: defaultAppCredentials(config),
          apps: [],
          store,
          keys,
          fetch: outboundOf(config).fetch,
          log,
          metrics,
        });
        const ports = { store, access: bridge.askAs, recorder: MIRROR, log, metrics };
        return pollNow(ports, { intervalMs: config.pollIntervalSeconds * 1_000 });
      });
      if (options.json) console.log(formatJson(summary));
      else {
        const { repositories, changed, unchanged, notModified, failed, imported, pending, events } = summary;
        if (events.length > 0)
          printRows(events satisfies FoundEvent[], ['forge', 'repository', 'number', 'event', 'action'], { empty: '' });
        console.log(
          `${plural(repositories, 'repository', 'repositories')} in ${summary.seconds.toFixed(1)} s: ${changed} changed, ` +
            `${unchanged + notModified} unchanged, ${failed} failed. ${plural(events.length, 'event', 'events')} found.`,
        );
        if (imported > 0)
          console.log(`${imported} open ones were taken in silently, in repositories seen for the first time.`);
        if (pending > 0) console.log(`${pending} are looked at again in the next cycle.`);
      }
      if (summary.failed > 0) process.exitCode = 1;
    });
}
