/** The issue or pull request that an agent is asked to work on, read from the forge and put into the mirror. */
import type { WorkItemText } from '../jobs/agent/session-record.js';
import { upsertIssues } from '../store/mirror/issue.js';
import { upsertPullRequest } from '../store/mirror/pull-request.js';
import { repositoryByRemoteId, type StoredRepository } from '../store/mirror/repository.js';
import { issue as issueShape, pullRequest as pullRequestShape, readShape } from '../store/mirror/shape.js';
import type { CommandOctokit, Conversation } from './commands/command.js';
import type { DeliveryWork } from './delivery-work.js';

export interface AssignedItem {
  open: boolean;
  /** Of a pull request. */
  headSha: string | null;
  text: WorkItemText;
  /** Writes it down, as what is said about it is attached to it. Answers its repository. */
  mirror(work: DeliveryWork): Promise<StoredRepository>;
}

async function repositoryOf(work: DeliveryWork, place: Conversation): Promise<StoredRepository> {
  const repository = await repositoryByRemoteId(work.tx, work.origin, place.remoteRepositoryId);
  if (repository === undefined) throw new Error('a command came from a repository that is not in the mirror');
  return repository;
}

export async function readAssigned(octokit: CommandOctokit, place: Conversation): Promise<AssignedItem> {
  const { owner, repo, number } = place;
  if (place.isPullRequest) {
    const { data } = await octokit.request('GET /repos/{owner}/{repo}/pulls/{pull_number}', {
      ...{ owner, repo, pull_number: number },
    });
    const pull = readShape(pullRequestShape, data, 'pull request');
    return {
      open: pull.state === 'open',
      headSha: pull.headSha,
      text: { title: pull.title, body: pull.body ?? '', author: pull.author },
      async mirror(work) {
        const repository = await repositoryOf(work, place);
        await upsertPullRequest(work.tx, work.origin, repository, pull, 'keeps-closed');
        return repository;
      },
    };
  }
  const { data } = await octokit.request('GET /repos/{owner}/{repo}/issues/{issue_number}', {
    ...{ owner, repo, issue_number: number },
  });
  const { isPullRequest: _, ...issue } = readShape(issueShape, data, 'issue');
  return {
    open: issue.state === 'open',
    headSha: null,
    text: { title: issue.title, body: issue.body ?? '', author: issue.author },
    async mirror(work) {
      const repository = await repositoryOf(work, place);
      await upsertIssues(work.tx, work.origin, repository, [issue], 'keeps-closed');
      return repository;
    },
  };
}
