/** Mirrors what happens to repositories themselves: renamed, transferred, archived, made private, deleted. */
import type { Probot } from 'probot';
import { forgetRights } from '../accounts/access/remembered.js';
import { removeRepository } from '../store/mirror/repository.js';
import { readShape } from '../store/mirror/shape.js';
import { type HandlerOptions, inDelivery } from './delivery-work.js';
import { repositoryEvent } from './event-payloads.js';
import { mirrorRepository } from './mirror-event.js';
import { endPreviewsOfRemoved } from './preview.js';
import { lookForWorkspaces } from './run.js';

export function repositoryHandler(o: HandlerOptions) {
  return (app: Probot): void => {
    app.on('repository', ({ payload }) =>
      inDelivery(o, async (work) => {
        const event = readShape(repositoryEvent, payload, 'repository');
        const repository = await mirrorRepository(work, event);
        // Another owner, or another reach, is other people.
        await forgetRights(work.tx, { ...work.origin, remoteRepositoryId: repository.remoteId }, new Date());
        if (event.action === 'deleted') {
          await removeRepository(work.tx, work.origin, repository.remoteId);
          await endPreviewsOfRemoved(work);
        }
        await lookForWorkspaces(work, repository.remoteId);
        work.log.info(
          { repository: `${repository.owner}/${repository.name}`, action: event.action },
          'repository changed',
        );
      }),
    );
  };
}
