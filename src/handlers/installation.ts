/** Installations of the App and the repositories they cover (FR-WH-002, FR-WH-003). */
import type { Probot } from 'probot';
import { type InstallationFacts, readInstallation } from '../accounts/installation-facts.js';
import {
  type InstallationChange,
  installationActive,
  installationDeleted,
  installationRepositoriesChanged,
  installationResumed,
  installationSuspended,
} from '../accounts/installations.js';
import type { MirrorOrigin } from '../store/mirror/origin.js';
import { type RepositoryData, raiseWatermarkOfRemoved, upsertRepositories } from '../store/mirror/repository.js';
import { readShape } from '../store/mirror/shape.js';
import { type DeliveryWork, type HandlerOptions, inDelivery } from './delivery-work.js';
import { installationEvent, installationRepositoriesEvent, type ListedRepository } from './event-payloads.js';
import { watermark } from './mirror-event.js';
import { endPreviewsOfRemoved } from './preview.js';

/**
 * These lists say little: the default branch, and whether it is archived, come with the repository's first event, since
 * data without a version gives way to any other.
 */
function listedData(origin: MirrorOrigin, listed: ListedRepository): RepositoryData {
  const slash = listed.full_name.indexOf('/');
  return {
    remoteId: listed.id,
    owner: listed.full_name.slice(0, slash),
    name: listed.full_name.slice(slash + 1),
    url: listed.html_url ?? `${origin.instanceUrl ?? `https://${origin.host}`}/${listed.full_name}`,
    defaultBranch: listed.default_branch ?? null,
    private: listed.private ?? true,
    archived: false,
    updatedAt: null,
  };
}

/**
 * Writes repositories that an installation now covers. `apply` links those that are mirrored already; it runs between,
 * so that the new ones find the installation's row.
 */
async function cover(
  work: DeliveryWork,
  facts: InstallationFacts,
  listed: readonly ListedRepository[],
  since: Date | null,
  apply: () => Promise<InstallationChange>,
): Promise<InstallationChange> {
  const { tx, origin, scope } = work;
  const watermarkAt = watermark(scope.receivedAt, since);
  const ids = listed.map((repository) => repository.id);
  await raiseWatermarkOfRemoved(tx, origin, ids, watermarkAt);
  const change = await apply();
  if (change === 'applied')
    await upsertRepositories(
      tx,
      origin,
      listed.map((repository) => listedData(origin, repository)),
      { watermarkAt, virtualInstallationId: facts.id },
    );
  return change;
}

const SENTENCES: Readonly<Record<string, string>> = {
  created: 'the App was installed',
  new_permissions_accepted: 'new permissions were accepted',
  suspend: 'the installation was suspended; its repositories are paused',
  unsuspend: 'the installation was reactivated',
  deleted: 'the App was uninstalled',
  added: 'repositories became accessible',
  removed: 'repositories are no longer accessible',
};

export function installationHandler(o: HandlerOptions) {
  return (app: Probot): void => {
    app.on('installation', ({ payload }) =>
      inDelivery(o, async (work) => {
        const event = readShape(installationEvent, payload, 'installation');
        const { action } = event;
        const facts = readInstallation(payload.installation);
        const listed = event.repositories ?? [];
        const source = { ...work.scope };
        const ids = listed.map((repository) => repository.id);
        let change: InstallationChange | 'ignored' = 'ignored';
        if (action === 'created' || action === 'new_permissions_accepted')
          change = await cover(work, facts, listed, facts.createdAt, () =>
            installationActive(work.tx, source, action, facts, ids),
          );
        else if (action === 'suspend') change = await installationSuspended(work.tx, source, facts);
        else if (action === 'unsuspend') change = await installationResumed(work.tx, source, facts);
        else if (action === 'deleted') change = await installationDeleted(work.tx, source, facts);
        if (action === 'deleted') await endPreviewsOfRemoved(work);
        work.log.info(
          {
            installation: facts.id.toString(),
            account: facts.accountLogin,
            action,
            change,
            repositories: listed.length,
          },
          SENTENCES[action] ?? 'installation event',
        );
      }),
    );
    app.on('installation_repositories', ({ payload }) =>
      inDelivery(o, async (work) => {
        const event = readShape(installationRepositoriesEvent, payload, 'installation_repositories');
        const facts = readInstallation(payload.installation);
        const action = event.action === 'removed' ? 'removed' : 'added';
        const listed = (action === 'removed' ? event.repositories_removed : event.repositories_added) ?? [];
        const named = listed.map((repository) => ({ id: repository.id, fullName: repository.full_name }));
        const apply = () => installationRepositoriesChanged(work.tx, { ...work.scope }, facts, action, named);
        const change = action === 'added' ? await cover(work, facts, listed, null, apply) : await apply();
        if (action === 'removed') await endPreviewsOfRemoved(work);
        work.log.info(
          {
            installation: facts.id.toString(),
            account: facts.accountLogin,
            action,
            change,
            repositories: named.map((repository) => repository.fullName),
          },
          SENTENCES[action],
        );
      }),
    );
  };
}
