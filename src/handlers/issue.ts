/** Mirrors issues at every action. */
import type { Probot } from 'probot';
import { upsertIssues } from '../store/mirror/issue.js';
import { readShape } from '../store/mirror/shape.js';
import { noteTold } from '../store/told/rows.js';
import { type HandlerOptions, inDelivery } from './delivery-work.js';
import { issueEvent } from './event-payloads.js';
import { mirrorRepository, tieOf } from './mirror-event.js';

/** After these the issue is no longer there; a transferred one is opened in its new repository, by an event of that one. */
const GONE: readonly string[] = ['deleted', 'transferred'];

export function issueHandler(o: HandlerOptions) {
  return (app: Probot): void => {
    app.on('issues', ({ payload }) =>
      inDelivery(o, async (work) => {
        const { action, issue, ...about } = readShape(issueEvent, payload, 'issues');
        if (issue.isPullRequest) return;
        const repository = await mirrorRepository(work, about);
        const deletedAt = GONE.includes(action) ? work.scope.receivedAt : null;
        await upsertIssues(work.tx, work.origin, repository, [{ ...issue, deletedAt }], tieOf(action));
        const { organizationId } = work.origin;
        const place = { organizationId, repositoryId: repository.id, number: issue.number };
        await noteTold(work.tx, place, 'issue', { action, payload: { ...payload }, object: { ...payload.issue } });
      }),
    );
  };
}
