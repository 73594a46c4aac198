import { describe, expect, it } from '@jest/globals';
import { PULL, seeded } from '../../../test/support/github-rest/seed.js';
import { day, OWNER, REPO, sha } from '../../../test/support/github-rest/world.js';
import { ask, mutate, run } from '../../../test/support/graphql.js';
import { nodeId } from '../../forges/kit/shapes/node-id.js';

const where = `${OWNER}/${REPO}`;
const pullId = nodeId('PullRequest', 507, `${where}#${PULL}`);
const repositoryId = nodeId('Repository', 40, where);
const label = (id: number, name: string) => nodeId('Label', id, `${where}#${name}`);

describe('mutations of pull requests', () => {
  it('createPullRequest', async () => {
    const double = seeded();
    const input = {
      repositoryId,
      baseRefName: 'refs/heads/main',
      headRefName: 'topic',
      title: 'T',
      body: 'B',
      draft: true,
    };
    const payload = 'pullRequest { title isDraft baseRefName headRefName state }';
    expect(await mutate(double, 'createPullRequest', input, payload)).toEqual({
      pullRequest: { title: 'T', isDraft: true, baseRefName: 'main', headRefName: 'topic', state: 'OPEN' },
    });
    expect(double.sent.at(-1)?.parameters).toEqual({
      owner: OWNER,
      repo: REPO,
      title: 'T',
      body: 'B',
      base: 'main',
      head: 'topic',
      draft: true,
    });
  });

  it('updatePullRequest sends to pulls what is theirs, and to issues the rest', async () => {
    const double = seeded();
    const input = {
      pullRequestId: pullId,
      title: 'Renamed',
      baseRefName: 'next',
      assigneeIds: [nodeId('User', 7, 'anna')],
      projectIds: [],
    };
    const payload = 'pullRequest { title baseRefName assignees(first: 3) { nodes { login } } }';
    expect(await mutate(double, 'updatePullRequest', input, payload)).toEqual({
      pullRequest: { title: 'Renamed', baseRefName: 'next', assignees: { nodes: [{ login: 'anna' }] } },
    });
    expect(double.calls.filter((route) => route.startsWith('PATCH'))).toEqual([
      'PATCH /repos/{owner}/{repo}/pulls/{pull_number}',
      'PATCH /repos/{owner}/{repo}/issues/{issue_number}',
    ]);
  });

  it('closePullRequest and reopenPullRequest, also by an issue’s id', async () => {
    const double = seeded();
    const payload = 'pullRequest { state }';
    expect(await mutate(double, 'closePullRequest', { pullRequestId: pullId }, payload)).toEqual({
      pullRequest: { state: 'CLOSED' },
    });
    const asIssue = nodeId('Issue', 1, `${where}#${PULL}`);
    expect(await mutate(double, 'reopenPullRequest', { pullRequestId: asIssue }, payload)).toEqual({
      pullRequest: { state: 'OPEN' },
    });
    expect(double.pull(PULL).state).toBe('open');
  });

  it('convertPullRequestToDraft and markPullRequestReadyForReview', async () => {
    const double = seeded();
    const payload = 'pullRequest { id isDraft }';
    expect(await mutate(double, 'convertPullRequestToDraft', { pullRequestId: pullId }, payload)).toEqual({
      pullRequest: { id: pullId, isDraft: true },
    });
    expect(double.pull(PULL).draft).toBe(true);
    await mutate(double, 'markPullRequestReadyForReview', { pullRequestId: pullId });
    expect(double.pull(PULL).draft).toBe(false);
  });

  it('enablePullRequestAutoMerge and disablePullRequestAutoMerge', async () => {
    const double = seeded();
    const input = {
      pullRequestId: pullId,
      mergeMethod: 'SQUASH',
      commitHeadline: 'One',
      expectedHeadOid: sha('topic'),
    };
    const payload = 'pullRequest { number autoMergeRequest { mergeMethod commitHeadline enabledBy { login } } }';
    expect(await mutate(double, 'enablePullRequestAutoMerge', input, payload)).toEqual({
      pullRequest: {
        number: PULL,
        autoMergeRequest: { mergeMethod: 'SQUASH', commitHeadline: 'One', enabledBy: { login: 'robot' } },
      },
    });
    expect(double.world.autoMerge.get(PULL)).toMatchObject({ merge_method: 'squash', commit_title: 'One' });
    const off = await mutate(
      double,
      'disablePullRequestAutoMerge',
      { pullRequestId: pullId },
      'pullRequest { autoMergeRequest { mergeMethod } }',
    );
    expect(off).toEqual({ pullRequest: { autoMergeRequest: null } });
    const text =
      'mutation ($id: ID!) { enablePullRequestAutoMerge(input: { pullRequestId: $id, expectedHeadOid: "0" }) { clientMutationId } }';
    const stale = await ask(double, text, { id: pullId });
    expect(stale.errors).toMatchObject([{ type: 'UNPROCESSABLE', message: 'Head branch was modified.' }]);
  });

  it.each([
    ['enablePullRequestAutoMerge', 'PUT /repos/{owner}/{repo}/pulls/{pull_number}/auto-merge'],
    ['convertPullRequestToDraft', 'PUT /repos/{owner}/{repo}/pulls/{pull_number}/draft'],
  ])('%s says so where the forge has no row for it', async (name, route) => {
    const double = seeded();
    double.missing.add(route);
    const text = `mutation ($id: ID!) { ${name}(input: { pullRequestId: $id }) { pullRequest { id } } }`;
    const { data, errors, unsupported } = await ask(double, text, { id: pullId });
    expect(data).toEqual({ [name]: null });
    expect(errors).toMatchObject([
      { type: 'NOT_SUPPORTED', path: [name], message: `Example Forge does not support ${route}, which this needs.` },
    ]);
    expect(unsupported).toEqual([route]);
  });

  it('mergePullRequest merges once', async () => {
    const double = seeded();
    const input = {
      pullRequestId: pullId,
      mergeMethod: 'REBASE',
      commitHeadline: 'Merged',
      expectedHeadOid: sha('topic'),
    };
    const payload = 'pullRequest { state merged mergedBy { login } mergeCommit { messageHeadline } }';
    expect(await mutate(double, 'mergePullRequest', input, payload)).toEqual({
      pullRequest: {
        state: 'MERGED',
        merged: true,
        mergedBy: { login: 'robot' },
        mergeCommit: { messageHeadline: 'Merged' },
      },
    });
    const again = await ask(
      double,
      'mutation ($id: ID!) { mergePullRequest(input: { pullRequestId: $id }) { clientMutationId } }',
      { id: pullId },
    );
    expect(again.errors).toMatchObject([{ type: 'UNPROCESSABLE', message: 'Pull Request is not mergeable' }]);
  });

  it('updatePullRequestBranch', async () => {
    const double = seeded();
    const input = { pullRequestId: pullId, expectedHeadOid: sha('topic') };
    expect(await mutate(double, 'updatePullRequestBranch', input, 'pullRequest { headRefOid }')).toEqual({
      pullRequest: { headRefOid: sha('updated') },
    });
  });

  it('requestReviews adds to the reviewers, or replaces them', async () => {
    const double = seeded();
    const payload =
      'pullRequest { reviewRequests(first: 9) { nodes { requestedReviewer { ... on User { login } ... on Team { slug } } } } }';
    const reviewers = (...names: object[]) => ({
      pullRequest: { reviewRequests: { nodes: names.map((requestedReviewer) => ({ requestedReviewer })) } },
    });
    const ben = [nodeId('User', 8, 'ben')];
    expect(
      await mutate(double, 'requestReviews', { pullRequestId: pullId, userIds: ben, union: true }, payload),
    ).toEqual(reviewers({ login: 'anna' }, { login: 'ben' }, { slug: 'core' }));
    const team = [nodeId('Team', 5, `${OWNER}/core`)];
    expect(await mutate(double, 'requestReviews', { pullRequestId: pullId, userIds: ben }, payload)).toEqual(
      reviewers({ login: 'ben' }),
    );
    expect(await mutate(double, 'requestReviews', { pullRequestId: pullId, teamIds: team }, payload)).toEqual(
      reviewers({ slug: 'core' }),
    );
  });
});

it('runs several mutations in their order', async () => {
  const double = seeded();
  const text = `mutation ($id: ID!, $labels: [ID!]!) {
    first: addLabelsToLabelable(input: { labelableId: $id, labelIds: $labels }) { labelable { labels(first: 5) { totalCount } } }
    second: closePullRequest(input: { pullRequestId: $id }) { pullRequest { state updatedAt } }
    third: reopenPullRequest(input: { pullRequestId: $id }) { pullRequest { state } }
  }`;
  expect(await run(double, text, { id: pullId, labels: [label(2, 'good first issue')] })).toEqual({
    first: { labelable: { labels: { totalCount: 2 } } },
    second: { pullRequest: { state: 'CLOSED', updatedAt: day(PULL) } },
    third: { pullRequest: { state: 'OPEN' } },
  });
});
