import type { Command } from 'commander';
import { withDatabase } from '../session.js';
import { printRows } from '../table.js';

export function addPullsCommand(program: Command): void {
  program
    .command('pulls')
    .description('pull requests as Forgeway has them')
    .command('list')
    .description('pull requests, last changed first')
    .option('--json', 'as JSON')
    .action(async (options: { json?: boolean }) => {
      const rows = await withDatabase(({ store, organizationId }) =>
        store.tenantPrisma(organizationId, (tx) =>
          tx.pullRequest.findMany({
            orderBy: { remoteUpdatedAt: 'desc' },
            take: 100,
            include: { _count: { select: { gitCommits: true } }, pullRequestSync: true },
          }),
        ),
      );
      printRows(
        rows.map((pull) => ({
          forge: pull.forge,
          host: pull.host,
          repository: `${pull.remoteOwner}/${pull.remoteName}`,
          number: pull.number,
          title: pull.title,
          state: pull.state,
          draft: pull.draft,
          author: pull.authorLogin,
          headBranch: pull.headBranch,
          headSha: pull.headSha,
          commits: pull._count.gitCommits,
          synced: pull.pullRequestSync?.observedVersion === pull.pullRequestSync?.desiredVersion,
          updatedAt: pull.remoteUpdatedAt,
        })),
        ['forge', 'host', 'repository', 'number', 'state', 'title', 'author', 'headBranch', 'updatedAt'],
        { json: options.json, empty: 'No pull requests yet. They appear with their first event.' },
      );
    });
}
