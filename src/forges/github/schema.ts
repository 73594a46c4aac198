/**
 * The fields that handlers and Probot’s Context rely on, by event. GitHub sends far more, which is passed on untouched: what
 * zod answers is not used, and copying it would take three times as long as looking.
 */
import { z } from 'zod';
import { ForgewayError } from '../../lib/errors.js';
import type { JsonObject } from '../forge.js';

const id = z.union([z.number().int().nonnegative(), z.string().regex(/^\d{1,19}$/)]);
const text = z.string();
const account = z.object({ id, login: text });
const repository = z.object({ id, name: text, full_name: text, owner: z.object({ login: text }) });
const side = z.object({ ref: text, sha: text });
const numbered = z.object({ number: z.number().int().positive() });
const pullRequest = numbered.extend({ head: side, base: side });
const comment = z.object({ id, body: text });
const installation = z.object({ id });
const shortRepositories = z.array(z.object({ id, full_name: text }));

/** Whatever an event is about, these have the same shape wherever they stand. */
const common = { repository: repository.optional(), sender: account.nullish(), installation: installation.optional() };

const ofRepository = { ...common, repository };
const schemas: Readonly<Record<string, z.ZodType>> = {
  pull_request: z.object({ ...ofRepository, action: text, pull_request: pullRequest.extend({ id, title: text }) }),
  pull_request_review: z.object({
    ...ofRepository,
    action: text,
    pull_request: pullRequest,
    review: z.object({ id, state: text }),
  }),
  pull_request_review_comment: z.object({ ...ofRepository, action: text, pull_request: pullRequest, comment }),
  pull_request_review_thread: z.object({
    ...ofRepository,
    action: text,
    pull_request: pullRequest,
    thread: z.object({ comments: z.array(z.object({ id })) }),
  }),
  issue_comment: z.object({ ...ofRepository, action: text, issue: numbered, comment }),
  issues: z.object({ ...ofRepository, action: text, issue: numbered.extend({ id, title: text }) }),
  commit_comment: z.object({ ...ofRepository, comment }),
  push: z.object({ ...ofRepository, ref: text, before: text, after: text }),
  create: z.object({ ...ofRepository, ref: text, ref_type: text }),
  delete: z.object({ ...ofRepository, ref: text, ref_type: text }),
  repository: z.object({ ...ofRepository, action: text }),
  status: z.object({ ...ofRepository, sha: text, state: text }),
  check_run: z.object({ ...ofRepository, action: text, check_run: z.object({ id, head_sha: text }) }),
  check_suite: z.object({ ...ofRepository, action: text, check_suite: z.object({ id, head_sha: text }) }),
  installation: z.object({
    ...common,
    action: text,
    installation: installation.extend({ account: z.object({ id }) }),
  }),
  installation_repositories: z.object({
    ...common,
    action: text,
    installation,
    repositories_added: shortRepositories,
    repositories_removed: shortRepositories,
  }),
};
const other = z.object(common);

/** @throws ForgewayError FORGEWAY_PAYLOAD_INVALID naming the first field that is missing or wrong. */
export function checkPayload(eventType: string, payload: JsonObject): void {
  const schema = Object.hasOwn(schemas, eventType) ? schemas[eventType] : undefined;
  const parsed = (schema ?? other).safeParse(payload);
  if (parsed.success) return;
  const field = parsed.error.issues[0]?.path.join('.') ?? '';
  throw new ForgewayError('FORGEWAY_PAYLOAD_INVALID', `${eventType}: ${field} is missing or of the wrong type`);
}
