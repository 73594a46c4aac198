import type { Command } from 'commander';
import { findOrphans, listOurNamespaces, type Orphan, removeOrphan } from '../../jobs/preview/kubernetes/collector.js';
import { clustersInUse } from '../../jobs/preview/kubernetes/open-clusters.js';
import { outboundOf } from '../outbound.js';
import { openPreviewClusters } from '../preview-clusters.js';
import { tagOf } from '../preview-jobs.js';
import { withDatabase } from '../session.js';
import { printRows } from '../table.js';

export function addGcCommand(program: Command): void {
  program
    .command('gc')
    .description('remove namespaces of previews that are gone; a running server does it by itself')
    .option('--dry-run', 'only say what would be removed')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      '\nOnly namespaces are touched that carry Forgeway’s label, the organization and the identity of a preview that this ' +
        'installation knows, under that preview’s name. What was made in the last ten minutes is left alone.',
    )
    .action(async ({ dryRun = false, json }: { dryRun?: boolean; json?: boolean }) => {
      const orphans = await withDatabase(async ({ config, keys, store, log }) => {
        const outbound = outboundOf(config);
        const clusters = openPreviewClusters({ config, outbound, keys, store, log });
        const found: Orphan[] = [];
        try {
          for (const { id, organizationId } of await clustersInUse(store)) {
            const home = await clusters.open(id, organizationId);
            const namespaces = await listOurNamespaces(home.cluster);
            for (const orphan of await findOrphans({ store, home, namespaces, now: new Date(), tagOf })) {
              if (!dryRun) await removeOrphan(home.cluster, orphan);
              found.push(orphan);
            }
          }
        } finally {
          await clusters.close();
          await outbound.close();
        }
        return found;
      });
      const rows = orphans.map((orphan) => ({ ...orphan, removed: !dryRun }));
      printRows(rows, ['cluster', 'namespace', 'because', 'removed'], { json, empty: 'Nothing is left over.' });
      if (dryRun && !json && rows.length > 0) console.log('\nNothing was removed: run it without --dry-run.');
    });
}
