/** Commit statuses, and the runs and jobs of Actions. */
import type { JsonObject } from '../../forge.js';
import { PULLS_OF_COMMIT, pullsAt } from '../../kit/pulls-at.js';
import type { CommitInput } from '../../kit/shapes/inputs.js';
import { statusEvent } from '../../kit/shapes/status.js';
import { workflow, workflowJob, workflowRun } from '../../kit/shapes/workflow.js';
import { pushCommitInput } from '../convert/commit.js';
import { statusInput } from '../convert/status.js';
import {
  actionRunInput,
  type RunInput,
  workflowJobInput,
  workflowNumber,
  workflowRunInput,
} from '../convert/workflow.js';
import { nativePushCommit } from '../schema.js';
import { isObject, textAt } from './fields.js';
import { ask, part, type Translation } from './translation.js';

/** The server names no branches; those that are at the commit are asked for when the app reads them. */
async function branchesAt(t: Translation, sha: string): Promise<string[]> {
  if (!t.ports.wanted.has('branches')) return [];
  const told = await ask(t, 'GET /repos/{owner}/{repo}/commits/{commit_sha}/branches-where-head', { commit_sha: sha });
  const names = Array.isArray(told) ? told.map((one) => textAt(one, 'name')) : [];
  return names.filter((name) => name !== undefined);
}

export async function statuses(t: Translation): Promise<JsonObject> {
  const { creator: _, ...native } = t.payload;
  const input = statusInput({ ...native, creator: t.payload.sender });
  const told = nativePushCommit.safeParse(t.payload.commit).success ? pushCommitInput(t.payload.commit) : undefined;
  const nobody = { name: '', email: '', date: t.received };
  const unknown: CommitInput = {
    sha: input.sha,
    message: '',
    htmlUrl: `${t.repository.htmlUrl}/commit/${input.sha}`,
    author: nobody,
  };
  const createdAt = input.createdAt ?? t.received;
  const commit = told?.sha === input.sha ? told : unknown;
  const branches = await branchesAt(t, input.sha);
  return { ...statusEvent(t.base, t.owner, t.name, { ...input, createdAt }, { commit, branches }), ...t.common };
}

async function runEvent(t: Translation, run: RunInput): Promise<JsonObject> {
  const native = isObject(t.payload.workflow) ? t.payload.workflow : {};
  const path = textAt(native, 'path') ?? run.path ?? '';
  const id = workflowNumber(t.repository.id, path);
  const name = textAt(native, 'name') ?? run.name;
  const asks = t.ports.wanted.has('workflow_run.pull_requests') && run.headSha !== '';
  const told = asks ? await ask(t, PULLS_OF_COMMIT, { commit_sha: run.headSha }) : [];
  return {
    workflow: workflow(t.base, t.owner, t.name, { id, name, path, htmlUrl: textAt(native, 'html_url') }),
    workflow_run: workflowRun(t.base, t.repository, {
      ...run,
      name,
      path,
      workflowId: id,
      pullRequests: pullsAt(told, run.headSha, t.repository.id),
      createdAt: run.createdAt ?? t.received,
      htmlUrl: run.htmlUrl || `${t.repository.htmlUrl}/actions/runs/${run.runNumber}`,
    }),
    ...t.common,
  };
}

export const workflowRuns = (t: Translation): Promise<JsonObject> =>
  runEvent(t, workflowRunInput(part(t.payload, 'workflow_run')));

/** Forgejo's own event for a run that has ended. */
export const actionRuns = (t: Translation): Promise<JsonObject> => runEvent(t, actionRunInput(part(t.payload, 'run')));

export function workflowJobs(t: Translation): JsonObject {
  const input = workflowJobInput(part(t.payload, 'workflow_job'));
  const htmlUrl = input.htmlUrl || `${t.repository.htmlUrl}/actions`;
  return {
    workflow_job: workflowJob(t.base, t.owner, t.name, { ...input, htmlUrl, createdAt: input.createdAt ?? t.received }),
    ...t.common,
  };
}
