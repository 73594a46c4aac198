/** Whether a delivery holds what its event cannot be told without. One that does not is ignored, and says which field it is. */
import { z } from 'zod';
import type { JsonObject } from '../../forge.js';
import {
  nativeActionRun,
  nativeComment,
  nativeIssue,
  nativePullRequest,
  nativeRelease,
  nativeRepository,
  nativeStatus,
  nativeUser,
  nativeWorkflowJob,
  nativeWorkflowRun,
} from '../schema.js';
import { field } from './fields.js';
import type { Kind } from './kind.js';

/** The fields of an object that may not be absent: its translation reads the others too, and does without them. */
function needed(schema: z.ZodObject): z.ZodObject {
  const required = Object.entries(schema.shape).filter(([, type]) => !(type as z.ZodType).safeParse(undefined).success);
  return z.object(Object.fromEntries(required));
}

const repository = needed(nativeRepository).extend({ owner: needed(nativeUser) });
const text = z.string().min(1);
const ref = z.object({ ref: text });

/** What stands where, by the kind of delivery; '' is the payload itself. */
const parts: Readonly<Record<Kind, Readonly<Record<string, z.ZodType>>>> = {
  push: { repository },
  create: { repository, '': ref },
  delete: { repository, '': ref },
  fork: { forkee: repository, repository },
  issues: { repository, issue: needed(nativeIssue) },
  comment: { repository, issue: needed(nativeIssue), comment: needed(nativeComment) },
  pull_request: { repository, pull_request: needed(nativePullRequest) },
  review: { repository, pull_request: needed(nativePullRequest) },
  repository: { repository },
  release: { repository, release: needed(nativeRelease) },
  wiki: { repository, '': z.object({ page: text }) },
  package: { repository, package: z.object({ id: nativeRelease.shape.id }) },
  status: { repository, '': needed(nativeStatus).extend({ sha: text }) },
  workflow_run: { repository, workflow_run: needed(nativeWorkflowRun) },
  workflow_job: { repository, workflow_job: needed(nativeWorkflowJob) },
  action_run: { 'run.repository': repository, run: needed(nativeActionRun) },
};

/** `issue.id is missing or of the wrong type`; undefined when everything is there. Never throws. */
export function unreadable(kind: Kind, payload: JsonObject): string | undefined {
  for (const [path, schema] of Object.entries(parts[kind])) {
    const parsed = schema.safeParse(path === '' ? payload : field(payload, path));
    if (parsed.success) continue;
    const at = [...(path === '' ? [] : [path]), ...(parsed.error.issues[0]?.path ?? [])].join('.');
    return `${at} is missing or of the wrong type`;
  }
  return undefined;
}
