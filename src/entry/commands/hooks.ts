import type { Command } from 'commander';
import { watchReports } from '../../inbox/recovery/report.js';
import { openNativeAccess } from '../../translate/native-access.js';
import { openConnectionDirectory } from '../connection-directory.js';
import { appFindings, withWatch } from '../doctor-hooks.js';
import { examineHooks } from '../hooks-doctor.js';
import { outboundOf } from '../outbound.js';
import { withDatabase } from '../session.js';
import { printRows } from '../table.js';

export function addHooksCommand(program: Command): void {
  const hooks = program.command('hooks').description('webhooks that connections created at forges');

  hooks
    .command('doctor')
    .description('look at every webhook at its forge: is it there, switched on, and pointing here')
    .option('--test', 'have the forge send a test delivery through each, and see that it arrives')
    .option('--repair', 'write what is wrong anew, with a new secret, and test it')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ forgeway hooks doctor                  what the forges show of every webhook
  $ forgeway hooks doctor --test --repair  try each of them, and mend those that do not deliver

Exit code 1 when a webhook does not deliver.`,
    )
    .action(async (options: { repair?: boolean; test?: boolean; json?: boolean }) => {
      const findings = await withDatabase(async ({ store, keys, organizationId, config, log }) => {
        const outbound = outboundOf(config);
        const found = await examineHooks(
          {
            store,
            keys,
            organizationId,
            publicUrl: config.publicUrl,
            directory: openConnectionDirectory({ store, keys, outbound, log }),
            nativeOf: openNativeAccess({ log, fetch: outbound.fetch }),
          },
          { repair: options.repair ?? false, test: options.test ?? false },
        );
        const reports = await watchReports(store, organizationId);
        return withWatch([...appFindings(reports), ...found], reports);
      });
      printRows(findings, ['forge', 'target', 'state', 'finding', 'fix', 'watch'], {
        json: options.json,
        empty: 'No webhooks. `forgeway connections add` creates them.',
        whole: ['finding', 'fix', 'watch'],
      });
      if (findings.some(({ state }) => state === 'problem')) process.exitCode = 1;
    });
}
