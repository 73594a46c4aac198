/** Mirrors issues at every action. */
import type { Probot } from 'probot';
import { readShape } from '../store/mirror/shape.js';
import { noteTold } from '../store/told/rows.js';
import { type HandlerOptions, inDelivery } from './delivery-work.js';
import { issueEvent } from './event-payloads.js';
import { mirrorRepository, tieOf } from './mirror-event.js';
import { type IssueReader, mirrorIssue, settleIssue } from './mirror-issue.js';

/** After these the issue is no longer there; a transferred one is opened in its new repository, by an event of that one. */
const GONE: readonly string[] = ['deleted', 'transferred'];

export function issueHandler(o: HandlerOptions & IssueReader) {
  return (app: Probot): void => {
    app.on('issues', async ({ payload }) => {
      const doubt = await inDelivery(o, async (work) => {
        const { action, issue, ...about } = readShape(issueEvent, payload, 'issues');
        if (issue.isPullRequest) return undefined;
        const repository = await mirrorRepository(work, about);
        const deletedAt = GONE.includes(action) ? work.scope.receivedAt : null;
        const told = { issue: { ...issue, deletedAt }, tie: tieOf(action), installation: about.installation };
        const doubt = await mirrorIssue(work, repository, told);
        const { organizationId } = work.origin;
        const place = { organizationId, repositoryId: repository.id, number: issue.number };
        await noteTold(work.tx, place, 'issue', { action, payload: { ...payload }, object: { ...payload.issue } });
        return doubt;
      });
      await settleIssue(o, doubt);
    });
  };
}
