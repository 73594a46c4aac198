/** Mutations of pull requests. */
import type { JsonObject } from '../../../forges/forge.js';
import type { Ask } from '../ask.js';
import { type Place, repositoryPlace, team } from '../node-ids.js';
import { given, objects, text } from '../rest.js';
import { account, type Numbered, placed, pullRequest } from '../sources.js';
import { at, logins } from './conversations.js';
import { ATTRIBUTES, type Attributes, attributes, patchIssue } from './issues.js';
import type { Mutations } from './mutation.js';

const PAYLOAD = 'pullRequest: PullRequest';

/** Rows of ours: REST has no route for what GitHub does by GraphQL alone. A forge's table offers them or not. */
export const AUTO_MERGE_ON = 'PUT /repos/{owner}/{repo}/pulls/{pull_number}/auto-merge';
export const AUTO_MERGE_OFF = 'DELETE /repos/{owner}/{repo}/pulls/{pull_number}/auto-merge';
export const DRAFT = 'PUT /repos/{owner}/{repo}/pulls/{pull_number}/draft';

/** Path parameters, and the pull request as it is once it is asked for. */
function found(ask: Ask, id: string): { where: JsonObject; place: Place; now: Numbered } {
  const { number, ...place } = at(id);
  return { where: { ...placed(place), pull_number: number }, place, now: pullRequest(ask, place, number) };
}

async function patchPull(ask: Ask, id: string, changes: JsonObject) {
  const { where, now } = found(ask, id);
  await ask.write('PATCH /repos/{owner}/{repo}/pulls/{pull_number}', { ...where, ...changes });
  return { pullRequest: now };
}

async function setDraft(ask: Ask, id: string, draft: boolean) {
  const { where, now } = found(ask, id);
  await ask.write(DRAFT, { ...where, draft });
  return { pullRequest: now };
}

interface MergeInput {
  pullRequestId: string;
  mergeMethod?: string | null;
  commitHeadline?: string | null;
  commitBody?: string | null;
  expectedHeadOid?: string | null;
}

/** GraphQL's default is a merge commit, whatever REST's or the forge's may be. */
const mergeOptions = (input: MergeInput): JsonObject =>
  given({
    merge_method: (input.mergeMethod ?? 'MERGE').toLowerCase(),
    commit_title: input.commitHeadline ?? undefined,
    commit_message: input.commitBody ?? undefined,
    sha: input.expectedHeadOid ?? undefined,
  });

const MERGE = `pullRequestId: ID! mergeMethod: PullRequestMergeMethod commitHeadline: String commitBody: String
  expectedHeadOid: GitObjectID`;

interface UpdateInput extends Attributes {
  pullRequestId: string;
  baseRefName?: string | null;
  maintainerCanModify?: boolean | null;
}

interface CreateInput {
  repositoryId: string;
  baseRefName: string;
  headRefName: string;
  headRepositoryId?: string | null;
  title: string;
  body?: string | null;
  draft?: boolean | null;
  maintainerCanModify?: boolean | null;
}

interface ReviewersInput {
  pullRequestId: string;
  userIds?: readonly string[] | null;
  teamIds?: readonly string[] | null;
  union?: boolean | null;
}

/** `refs/heads/x` and `x` name the same branch. */
const branch = (name: string): string => name.replace(/^refs\/heads\//, '');

interface PullRequestId {
  pullRequestId: string;
}

export const pullRequestMutations: Mutations = {
  createPullRequest: {
    input: `repositoryId: ID! baseRefName: String! headRefName: String! headRepositoryId: ID title: String! body: String
      draft: Boolean maintainerCanModify: Boolean`,
    payload: PAYLOAD,
    async run(input: CreateInput, ask) {
      const place = await repositoryPlace(ask, input.repositoryId);
      const fork = input.headRepositoryId ? await repositoryPlace(ask, input.headRepositoryId) : place;
      const head = branch(input.headRefName);
      const rest = await ask.write(
        'POST /repos/{owner}/{repo}/pulls',
        given({
          ...place,
          title: input.title,
          body: input.body ?? undefined,
          base: branch(input.baseRefName),
          head: fork.owner === place.owner ? head : `${fork.owner}:${head}`,
          draft: input.draft ?? undefined,
          maintainer_can_modify: input.maintainerCanModify ?? undefined,
        }),
      );
      return { pullRequest: pullRequest(ask, place, Number(rest.number), rest) };
    },
  },
  updatePullRequest: {
    input: `pullRequestId: ID! baseRefName: String state: PullRequestUpdateState maintainerCanModify: Boolean ${ATTRIBUTES}`,
    payload: PAYLOAD,
    async run({ pullRequestId, baseRefName, maintainerCanModify, ...input }: UpdateInput, ask) {
      const { place, now } = found(ask, pullRequestId);
      const { title, body, state, ...onIssue } = await attributes(ask, place, input);
      const own = given({
        title,
        body,
        state,
        base: baseRefName ? branch(baseRefName) : undefined,
        maintainer_can_modify: maintainerCanModify ?? undefined,
      });
      if (Object.keys(own).length > 0) await patchPull(ask, pullRequestId, own);
      await patchIssue(ask, pullRequestId, onIssue);
      return { pullRequest: now };
    },
  },
  closePullRequest: {
    input: 'pullRequestId: ID!',
    payload: PAYLOAD,
    run: ({ pullRequestId }: PullRequestId, ask) => patchPull(ask, pullRequestId, { state: 'closed' }),
  },
  reopenPullRequest: {
    input: 'pullRequestId: ID!',
    payload: PAYLOAD,
    run: ({ pullRequestId }: PullRequestId, ask) => patchPull(ask, pullRequestId, { state: 'open' }),
  },
  convertPullRequestToDraft: {
    input: 'pullRequestId: ID!',
    payload: PAYLOAD,
    run: ({ pullRequestId }: PullRequestId, ask) => setDraft(ask, pullRequestId, true),
  },
  markPullRequestReadyForReview: {
    input: 'pullRequestId: ID!',
    payload: PAYLOAD,
    run: ({ pullRequestId }: PullRequestId, ask) => setDraft(ask, pullRequestId, false),
  },
  mergePullRequest: {
    input: MERGE,
    payload: PAYLOAD,
    async run(input: MergeInput, ask) {
      const { where, now } = found(ask, input.pullRequestId);
      await ask.write('PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge', { ...where, ...mergeOptions(input) });
      return { pullRequest: now };
    },
  },
  enablePullRequestAutoMerge: {
    input: MERGE,
    payload: PAYLOAD,
    async run(input: MergeInput, ask) {
      const { where, now } = found(ask, input.pullRequestId);
      await ask.write(AUTO_MERGE_ON, { ...where, ...mergeOptions(input) });
      return { pullRequest: now };
    },
  },
  disablePullRequestAutoMerge: {
    input: 'pullRequestId: ID!',
    payload: PAYLOAD,
    async run({ pullRequestId }: PullRequestId, ask) {
      const { where, now } = found(ask, pullRequestId);
      await ask.write(AUTO_MERGE_OFF, where);
      return { pullRequest: now };
    },
  },
  updatePullRequestBranch: {
    input: 'pullRequestId: ID! expectedHeadOid: GitObjectID',
    payload: PAYLOAD,
    async run({ pullRequestId, expectedHeadOid }: PullRequestId & { expectedHeadOid?: string | null }, ask) {
      const { where, now } = found(ask, pullRequestId);
      const expected = expectedHeadOid ? { expected_head_sha: expectedHeadOid } : {};
      await ask.write('PUT /repos/{owner}/{repo}/pulls/{pull_number}/update-branch', { ...where, ...expected });
      return { pullRequest: now };
    },
  },
  requestReviews: {
    input: 'pullRequestId: ID! userIds: [ID!] teamIds: [ID!] union: Boolean',
    payload: `${PAYLOAD} actor: Actor`,
    async run({ pullRequestId, userIds, teamIds, union }: ReviewersInput, ask) {
      const { where, now } = found(ask, pullRequestId);
      const reviewers = await logins(ask, userIds ?? []);
      const team_reviewers = (teamIds ?? []).map((id) => team(id).team_slug);
      const route = '/repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers';
      // Without `union` these are all that is left.
      if (union !== true) await withdrawOthers(ask, where, `DELETE ${route}`, reviewers, team_reviewers);
      if (reviewers.length > 0 || team_reviewers.length > 0)
        await ask.write(`POST ${route}`, { ...where, reviewers, team_reviewers });
      return { pullRequest: now, actor: async () => account(ask, await ask.get('GET /user', {})) };
    },
  },
};

async function withdrawOthers(
  ask: Ask,
  where: JsonObject,
  route: string,
  people: readonly string[],
  teams: readonly string[],
): Promise<void> {
  const current = await ask.get('GET /repos/{owner}/{repo}/pulls/{pull_number}', where);
  const others = (list: unknown, name: string, wanted: readonly string[]) =>
    objects(list)
      .flatMap((one) => text(one[name]) ?? [])
      .filter((one) => !wanted.includes(one));
  const reviewers = others(current.requested_reviewers, 'login', people);
  const team_reviewers = others(current.requested_teams, 'slug', teams);
  if (reviewers.length > 0 || team_reviewers.length > 0)
    await ask.write(route, { ...where, reviewers, team_reviewers });
}
