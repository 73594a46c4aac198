import type { Command } from 'commander';
import type { Orphan } from '../../jobs/preview/kubernetes/collector.js';
import { messageOf } from '../../lib/errors.js';
import { outboundOf } from '../outbound.js';
import { withDatabase } from '../session.js';
import { printRows } from '../table.js';

export function addGcCommand(program: Command): void {
  program
    .command('gc')
    .description('remove namespaces of previews and jobs that are gone; a running server does it by itself')
    .option('--dry-run', 'only say what would be removed')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      '\nOnly namespaces are touched that carry Forgeway’s label, the organization and the identity of a preview or job ' +
        'that this installation knows, under its name. What was made in the last ten minutes is left alone.',
    )
    .action(async ({ dryRun = false, json }: { dryRun?: boolean; json?: boolean }) => {
      const { orphans, failures } = await withDatabase(async ({ config, keys, store, log }) => {
        const outbound = outboundOf(config);
        // Clients of Kubernetes take longer to load than everything else of a command.
        const { findOrphans, listOurNamespaces, removeOrphan } = await import(
          '../../jobs/preview/kubernetes/collector.js'
        );
        const { findJobOrphans } = await import('../../jobs/cluster-job/orphans.js');
        const { clustersInUse } = await import('../../jobs/preview/kubernetes/open-clusters.js');
        const { openPreviewClusters } = await import('../preview-clusters.js');
        const { tagOf } = await import('../preview-jobs.js');
        const clusters = openPreviewClusters({ config, outbound, keys, store, log });
        const found: (Orphan & { removed: boolean })[] = [];
        const failures: string[] = [];
        const clean = async (id: string, organizationId: string) => {
          const home = await clusters.open(id, organizationId);
          const namespaces = await listOurNamespaces(home.cluster);
          const now = new Date();
          const orphans = [
            ...(await findOrphans({ store, home, namespaces, now, tagOf })),
            ...(await findJobOrphans({ store, home, namespaces, now })),
          ];
          for (const orphan of orphans) {
            if (!dryRun) await removeOrphan(home.cluster, orphan);
            found.push({ ...orphan, removed: !dryRun });
          }
        };
        try {
          // A cluster that does not answer, or one whose kubeconfig an organization got wrong, keeps nobody else's from being looked at.
          for (const { id, organizationId } of await clustersInUse(store, config.previewDriver === 'kubernetes'))
            await clean(id, organizationId).catch((error: unknown) => failures.push(messageOf(error)));
        } finally {
          await clusters.close();
          await outbound.close();
        }
        return { orphans: found, failures };
      });
      const empty = failures.length === 0 ? 'Nothing is left over.' : 'Nothing is left over where it could be looked.';
      printRows(orphans, ['cluster', 'namespace', 'because', 'removed'], { json, empty });
      if (dryRun && !json && orphans.length > 0) console.log('\nNothing was removed: run it without --dry-run.');
      for (const failure of failures) console.error(`Not looked at: ${failure}`);
      if (failures.length > 0) process.exitCode = 1;
    });
}
