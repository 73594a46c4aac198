import { type Command, InvalidArgumentError } from 'commander';
import { createPokes } from '../../jobs/poke.js';
import { endPreview } from '../../jobs/preview/desired.js';
import { listPreviews } from '../../jobs/preview/list.js';
import { createMetrics } from '../../lib/metrics.js';
import { withDatabase } from '../session.js';
import { printRows } from '../table.js';
import { addPreviewSecretsCommand } from './preview-secrets.js';

export function addPreviewsCommand(program: Command): void {
  const previews = program.command('previews').description('previews of pull requests');
  addPreviewSecretsCommand(previews);

  previews
    .command('list')
    .description('previews with their state and address')
    .option('--all', 'those that were removed, too')
    .option('--json', 'as JSON')
    .action(async ({ all, json }: { all?: boolean; json?: boolean }) => {
      const rows = await withDatabase(({ store, organizationId }) => listPreviews(store, organizationId, { all }));
      printRows(rows, ['of', 'name', 'phase', 'sha', 'url', 'message', 'updatedAt'], {
        json,
        empty: all
          ? 'There never was a preview. They need PREVIEW_DRIVER to say where they run, and a .forgeway.yml on the default branch.'
          : 'No previews now; --all shows those that were removed. They need PREVIEW_DRIVER to say where they run, and a .forgeway.yml on the default branch.',
      });
    });

  previews
    .command('delete')
    .description('remove a preview and everything it left; a new push to the pull request makes it again')
    .argument('<name>', 'its name, or what it is of (acme/web#12), as `forgeway previews list` shows them')
    .action(async (name: string) => {
      await withDatabase(async ({ config, database, store, organizationId, log }) => {
        const found = (await listPreviews(store, organizationId)).find((one) => one.name === name || one.of === name);
        if (found === undefined)
          throw new InvalidArgumentError(`There is no preview ${name}. \`forgeway previews list\` shows all.`);
        const reason = 'Removed from the command line';
        const wanted = await store.tenant(organizationId, (tx) => endPreview(tx, { previewId: found.id, reason }));
        // Not at the top: it takes as long to load as all of a list takes to be printed.
        const { createQueueBackend } = await import('../../jobs/queue/create-queue-backend.js');
        const backend = createQueueBackend({ database, redisUrl: config.redisUrl, log, metrics: createMetrics() });
        if (wanted !== null)
          await createPokes(backend).preview.poke({ organizationId, id: wanted.id }, { version: wanted.version });
        await backend.close();
      });
      console.log(`${name} is being removed.`);
    });
}
