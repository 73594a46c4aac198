/** Logs pushes (FR-WH-004), mirrors their commits, and notes what apps are told of branches and tags. */
import type { Probot } from 'probot';
import { upsertCommits } from '../store/mirror/commit.js';
import { readShape } from '../store/mirror/shape.js';
import { noteBeginning, notePush } from '../store/told/rows.js';
import { type HandlerOptions, inDelivery } from './delivery-work.js';
import { createEvent, pushEvent } from './event-payloads.js';
import { mirrorRepository } from './mirror-event.js';
import { lookForWorkspaces } from './run.js';

const HEADS = 'refs/heads/';
const TAGS = 'refs/tags/';
const withoutPrefix = (ref: string, prefix: string) => (ref.startsWith(prefix) ? ref.slice(prefix.length) : undefined);

export function pushHandler(o: HandlerOptions) {
  return (app: Probot): void => {
    app.on('create', ({ payload }) =>
      inDelivery(o, async (work) => {
        const event = readShape(createEvent, payload, 'create');
        const { ref: name, ref_type: kind } = event;
        if (kind !== 'branch' && kind !== 'tag') return;
        const repository = await mirrorRepository(work, event);
        await noteBeginning(work.tx, repository.id, { kind, name });
      }),
    );
    app.on('push', ({ payload }) =>
      inDelivery(o, async (work) => {
        const event = readShape(pushEvent, payload, 'push');
        const commits = event.commits ?? [];
        const branch = withoutPrefix(event.ref, HEADS);
        const repository = await mirrorRepository(work, event);
        await upsertCommits(work.tx, work.origin, repository, commits, { branch });
        if (event.before && event.after)
          await notePush(work.tx, repository.id, { ref: event.ref, before: event.before, after: event.after });
        await lookForWorkspaces(work, repository.remoteId);
        work.log.info(
          {
            repository: `${repository.owner}/${repository.name}`,
            branch,
            tag: withoutPrefix(event.ref, TAGS),
            commits: commits.length,
            pusher: event.pusher?.name ?? event.sender?.login,
            created: event.created ?? false,
            deleted: event.deleted ?? false,
            forced: event.forced ?? false,
          },
          'push',
        );
      }),
    );
  };
}
