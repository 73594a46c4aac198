/** Notes what apps are told of releases, so that the poller tells the rest. */
import type { Probot } from 'probot';
import { readShape } from '../store/mirror/shape.js';
import { noteRelease } from '../store/told/releases.js';
import { type HandlerOptions, inDelivery } from './delivery-work.js';
import { releaseEvent } from './event-payloads.js';
import { mirrorRepository } from './mirror-event.js';

export function releaseHandler(o: HandlerOptions) {
  return (app: Probot): void => {
    app.on('release', ({ payload }) =>
      inDelivery(o, async (work) => {
        const event = readShape(releaseEvent, payload, 'release');
        const { action, release } = event;
        const repository = await mirrorRepository(work, event);
        const { id, tag_name: tag, name, draft, prerelease } = release;
        const told = { id, name: name ?? null, draft: draft ?? false, prerelease: prerelease ?? false };
        await noteRelease(work.tx, repository.id, tag, action === 'deleted' ? null : told);
      }),
    );
  };
}
