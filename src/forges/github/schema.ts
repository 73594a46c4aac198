/** The fields that handlers and Probot's Context rely on, by event. GitHub sends far more; it is passed on untouched. */
import { z } from 'zod';
import { ForgewayError } from '../../lib/errors.js';
import type { JsonObject } from '../forge.js';

const id = z.union([z.number().int().nonnegative(), z.string().regex(/^\d{1,19}$/)]);
const text = z.string();
const account = z.looseObject({ id, login: text });
const repository = z.looseObject({ id, name: text, full_name: text, owner: z.looseObject({ login: text }) });
const side = z.looseObject({ ref: text, sha: text });
const numbered = z.looseObject({ number: z.number().int().positive() });
const pullRequest = numbered.extend({ head: side, base: side });
const comment = z.looseObject({ id, body: text });
const installation = z.looseObject({ id });
const shortRepositories = z.array(z.looseObject({ id, full_name: text }));

/** Whatever an event is about, these have the same shape wherever they stand. */
const common = { repository: repository.optional(), sender: account.nullish(), installation: installation.optional() };

const ofRepository = { ...common, repository };
const schemas: Readonly<Record<string, z.ZodType>> = {
  pull_request: z.looseObject({ ...ofRepository, action: text, pull_request: pullRequest.extend({ id, title: text }) }),
  pull_request_review: z.looseObject({
    ...ofRepository,
    action: text,
    pull_request: pullRequest,
    review: z.looseObject({ id, state: text }),
  }),
  pull_request_review_comment: z.looseObject({ ...ofRepository, action: text, pull_request: pullRequest, comment }),
  pull_request_review_thread: z.looseObject({
    ...ofRepository,
    action: text,
    pull_request: pullRequest,
    thread: z.looseObject({ comments: z.array(z.looseObject({ id })) }),
  }),
  issue_comment: z.looseObject({ ...ofRepository, action: text, issue: numbered, comment }),
  issues: z.looseObject({ ...ofRepository, action: text, issue: numbered.extend({ id, title: text }) }),
  commit_comment: z.looseObject({ ...ofRepository, comment }),
  push: z.looseObject({ ...ofRepository, ref: text, before: text, after: text }),
  create: z.looseObject({ ...ofRepository, ref: text, ref_type: text }),
  delete: z.looseObject({ ...ofRepository, ref: text, ref_type: text }),
  repository: z.looseObject({ ...ofRepository, action: text }),
  status: z.looseObject({ ...ofRepository, sha: text, state: text }),
  check_run: z.looseObject({ ...ofRepository, action: text, check_run: z.looseObject({ id, head_sha: text }) }),
  check_suite: z.looseObject({ ...ofRepository, action: text, check_suite: z.looseObject({ id, head_sha: text }) }),
  installation: z.looseObject({
    ...common,
    action: text,
    installation: installation.extend({ account: z.looseObject({ id }) }),
  }),
  installation_repositories: z.looseObject({
    ...common,
    action: text,
    installation,
    repositories_added: shortRepositories,
    repositories_removed: shortRepositories,
  }),
};
const other = z.looseObject(common);

/** @throws ForgewayError FORGEWAY_PAYLOAD_INVALID naming the first field that is missing or wrong. */
export function checkPayload(eventType: string, payload: JsonObject): void {
  const schema = Object.hasOwn(schemas, eventType) ? schemas[eventType] : undefined;
  const parsed = (schema ?? other).safeParse(payload);
  if (parsed.success) return;
  const field = parsed.error.issues[0]?.path.join('.') ?? '';
  throw new ForgewayError('FORGEWAY_PAYLOAD_INVALID', `${eventType}: ${field} is missing or of the wrong type`);
}
