/**
 * A webhook that concerns a workspace: its repository is looked at at once. What is run is what the forge shows then, so a
 * webhook that is lost, late or there twice changes nothing but when.
 *
 * An app of its own, since it has to be replayable alone and wants nothing of the mirror.
 */
import type { Probot } from 'probot';
import { z } from 'zod';
import { lookAgain } from '../jobs/run/watch-rows.js';
import { id, readShape } from '../store/mirror/shape.js';
import { type HandlerOptions, inDelivery } from './delivery-work.js';

const ofRepository = z.object({ repository: z.object({ id }) });

export function runHandler(o: HandlerOptions) {
  return (app: Probot): void => {
    app.on(
      [
        'push',
        'pull_request.opened',
        'pull_request.reopened',
        'pull_request.synchronize',
        'pull_request.closed',
        'pull_request.edited',
        'repository.renamed',
        'repository.transferred',
      ],
      ({ name, payload }) =>
        inDelivery(o, async (work) => {
          const { repository } = readShape(ofRepository, payload, name);
          const { forge, host } = work.origin;
          for (const wanted of await lookAgain(work.tx, { forge, host, remoteId: repository.id }))
            work.poke('watch', wanted);
        }),
    );
  };
}
