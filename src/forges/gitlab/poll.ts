/**
 * What changed in a project: merge requests and issues in one GraphQL query, since REST has a list for each. Asked by GET,
 * which GitLab allows for queries: it may be repeated, and carries an ETag. Confidential issues are left out, as their
 * webhooks are, unless the connection asked for them.
 *
 * @see https://docs.gitlab.com/api/graphql/reference/#projectmergerequests and https://docs.gitlab.com/api/branches/
 */
import { z } from 'zod';
import type { JsonObject } from '../forge.js';
import { segment } from '../kit/native-client.js';
import { askIfChanged, clockOf, pollList, pollTime, readAs } from '../kit/poll-list.js';
import { RouteFailure } from '../kit/route.js';
import type { ChangedObject, ForgePoll, Listed, PolledPlace, Telling } from '../poll.js';
import { withoutConfidential } from './confidential.js';
import { issueNumber, projectPath } from './references.js';

/** Its address is beside that of the REST API. */
export const GRAPHQL = '/../graphql';
const PAGE = 100;
const MOST_PAGES = 100;

/** Newest first: what is changed meanwhile comes to the front, and is found the next time. */
const QUERY = `query changed($path: ID!, $since: Time!, $confidential: Boolean, $first: Int!, $pulls: String, $issues: String) {
  project(fullPath: $path) {
    mergeRequests(updatedAfter: $since, sort: UPDATED_DESC, first: $first, after: $pulls) {
      nodes { iid updatedAt } pageInfo { hasNextPage endCursor }
    }
    issues(updatedAfter: $since, confidential: $confidential, sort: UPDATED_DESC, first: $first, after: $issues) {
      nodes { iid updatedAt } pageInfo { hasNextPage endCursor }
    }
  }
}`;

const connection = z
  .object({
    nodes: z.array(z.object({ iid: z.union([z.string(), z.number()]).transform(Number), updatedAt: pollTime })),
    pageInfo: z.object({ hasNextPage: z.boolean(), endCursor: z.string().nullish() }),
  })
  // Null where the project has no issues, or the token may not see them.
  .nullish();
const answerShape = z.object({
  errors: z.array(z.object({ message: z.string() })).nullish(),
  data: z
    .object({ project: z.object({ mergeRequests: connection, issues: connection }).nullish() })
    .nullish()
    .transform((data) => data?.project),
});

const branch = z
  .object({ name: z.string(), commit: z.object({ id: z.string() }) })
  .transform(({ name, commit }) => ({ name, sha: commit.id }));

async function changed(
  native: Parameters<ForgePoll['changed']>[0],
  { owner, name }: PolledPlace,
  { since, etag, confidential }: Parameters<ForgePoll['changed']>[2],
): Promise<Listed<ChangedObject>> {
  const items: ChangedObject[] = [];
  const after: { pulls: string | null; issues: string | null } = { pulls: null, issues: null };
  // The argument reads "after", and an instance may take it at its word.
  const from = new Date(since.getTime() - 1_000).toISOString();
  let asOf: Date | null = null;
  let firstEtag: string | null = null;
  for (let page = 1; page <= MOST_PAGES; page += 1) {
    // Where it is not given, GitLab lists both kinds.
    const only = confidential ? {} : { confidential: false };
    const variables = { path: projectPath(owner, name), since: from, first: PAGE, ...only, ...after };
    const query = { query: QUERY, variables: JSON.stringify(variables) };
    const answer = await askIfChanged(native, GRAPHQL, query, page === 1 ? etag : null);
    if (answer === undefined) return { kind: 'unchanged' };
    const { data: project, errors } = readAs(answerShape, answer.data);
    if (errors && errors.length > 0) throw new RouteFailure(502, `GraphQL: ${errors[0]?.message.slice(0, 300)}`);
    if (project === undefined || project === null) throw new RouteFailure(404, 'Not Found');
    asOf ??= clockOf(answer);
    if (page === 1) firstEtag = answer.headers.get('etag');
    const { mergeRequests, issues } = project;
    items.push(
      ...(mergeRequests?.nodes ?? []).map(({ iid, updatedAt }) => ({ number: iid, updatedAt, isPull: true })),
      ...(issues?.nodes ?? []).map(({ iid, updatedAt }) => ({
        number: issueNumber(iid),
        updatedAt,
        isPull: false,
      })),
    );
    const more = [mergeRequests, issues].some((list) => list?.pageInfo.hasNextPage === true);
    if (!more) return { kind: 'list', items, etag: page === 1 ? firstEtag : null, asOf, whole: true };
    // A list that has ended goes on from its end, where there is nothing.
    after.pulls = mergeRequests?.pageInfo.endCursor ?? after.pulls;
    after.issues = issues?.pageInfo.endCursor ?? after.issues;
  }
  return { kind: 'list', items, etag: null, asOf, whole: false };
}

const text = (value: unknown): string | undefined =>
  typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
const inner = (value: unknown): JsonObject =>
  typeof value === 'object' && value !== null ? (value as JsonObject) : {};

function telling(_eventType: string, payload: JsonObject): Telling {
  const kind = payload.object_kind;
  const attributes = inner(payload.object_attributes);
  if (kind === 'push' || kind === 'tag_push') {
    const name = text(payload.ref);
    if (name === undefined) return {};
    const [before, after] = [text(payload.before), text(payload.after)];
    return { ref: { name, ...(before !== undefined && { before }), ...(after !== undefined && { after }) } };
  }
  if (kind === 'release') {
    const tag = text(payload.tag);
    return tag === undefined ? {} : { release: { tag } };
  }
  const version = (holder: JsonObject) => {
    const at = text(holder.updated_at);
    return at !== undefined && { version: at };
  };
  if (kind !== 'note') {
    const head = text(inner(attributes.last_commit).id);
    return { ...version(attributes), ...(head !== undefined && { head }) };
  }
  const id = text(attributes.id);
  const object = inner(payload.merge_request ?? payload.issue);
  return { ...version(object), ...(id !== undefined && { comment: { id, ...version(attributes) } }) };
}

export const poll: ForgePoll = {
  changed,
  branches: (native, { owner, name }, { etag }) =>
    pollList(native, {
      path: `/projects/${segment(projectPath(owner, name))}/repository/branches`,
      query: {},
      size: ['per_page', 100],
      etag,
      item: branch,
    }),
  withoutConfidential,
  telling,
};
