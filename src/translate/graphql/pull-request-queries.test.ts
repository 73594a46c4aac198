import { describe, expect, it } from '@jest/globals';
import { ISSUE, MERGED, PULL, seeded } from '../../../test/support/github-rest/seed.js';
import { day, OWNER, REPO, sha } from '../../../test/support/github-rest/world.js';
import { ask, run } from '../../../test/support/graphql.js';
import { nodeId } from '../../forges/kit/shapes/node-id.js';

const repo = { owner: OWNER, repo: REPO };
const where = `${OWNER}/${REPO}`;

describe('a release drafter', () => {
  const query = `
    query commitsOf($owner: String!, $repo: String!, $branch: String!, $since: GitTimestamp, $after: String,
      $first: Int, $withBody: Boolean!) {
      repository(owner: $owner, name: $repo) {
        object(expression: $branch) {
          ... on Commit {
            history(first: $first, since: $since, after: $after) {
              totalCount
              pageInfo { hasNextPage endCursor }
              nodes {
                id
                committedDate
                message
                author { name user { login } }
                associatedPullRequests(first: 5) {
                  nodes {
                    title number merged mergedAt isCrossRepository baseRefName headRefName
                    body @include(if: $withBody)
                    author { login }
                    baseRepository { nameWithOwner }
                    labels(first: 100) { nodes { name } }
                  }
                }
              }
            }
          }
        }
      }
    }`;
  interface Answer {
    repository: {
      object: {
        history: {
          totalCount: number;
          pageInfo: { hasNextPage: boolean; endCursor: string };
          nodes: { message: string; associatedPullRequests: { nodes: unknown[] } }[];
        };
      };
    };
  }
  const variables = { ...repo, branch: 'refs/heads/main', withBody: false };

  it('reads the history of a branch with the pull requests of its commits', async () => {
    const { repository } = await run<Answer>(seeded(), query, { ...variables, first: 100 });
    expect(repository.object.history).toEqual({
      totalCount: 3,
      pageInfo: { hasNextPage: false, endCursor: expect.any(String) },
      nodes: [
        {
          id: nodeId('Commit', sha('third'), where),
          committedDate: day(3),
          message: 'third\n\nWhy third.',
          author: { name: 'Anna', user: { login: 'anna' } },
          associatedPullRequests: {
            nodes: [
              {
                title: 'Change 5',
                number: MERGED,
                merged: true,
                mergedAt: day(6),
                isCrossRepository: true,
                baseRefName: 'main',
                headRefName: 'fix',
                author: { login: 'ben' },
                baseRepository: { nameWithOwner: where },
                labels: { nodes: [{ name: 'bug' }] },
              },
            ],
          },
        },
        expect.objectContaining({ message: 'second\n\nWhy second.' }),
        expect.objectContaining({ message: 'first\n\nWhy first.', associatedPullRequests: { nodes: [] } }),
      ],
    });
  });

  it('walks it page by page, and counts it once', async () => {
    const double = seeded();
    const seen: string[] = [];
    const page = async (after: string | null): Promise<void> => {
      const { repository } = await run<Answer>(double, query, { ...variables, first: 1, after });
      const { history } = repository.object;
      expect(history.totalCount).toBe(3);
      seen.push(...history.nodes.map((node) => node.message.split('\n')[0] ?? ''));
      if (history.pageInfo.hasNextPage) await page(history.pageInfo.endCursor);
    };
    await page(null);
    expect(seen).toEqual(['third', 'second', 'first']);
    const counting = double.sent.filter(({ parameters }) => parameters.per_page === 50 && 'sha' in parameters);
    expect(counting).toHaveLength(1);
  });

  it('passes since and path on', async () => {
    const double = seeded();
    const { repository } = await run<Answer>(double, query, { ...variables, first: 10, since: day(2) });
    expect(repository.object.history.nodes).toHaveLength(2);
    const paths = `query ($owner: String!, $repo: String!) {
      repository(owner: $owner, name: $repo) {
        ref(qualifiedName: "main") { target { ... on Commit {
          touched: history(path: "README.md", first: 9) { nodes { oid } }
          untouched: history(path: "none", first: 9) { nodes { oid } totalCount }
        } } }
      }
    }`;
    const found = await run(double, paths, repo);
    expect(found).toEqual({
      repository: {
        ref: {
          target: {
            touched: { nodes: ['third', 'second', 'first'].map((name) => ({ oid: sha(name) })) },
            untouched: { nodes: [], totalCount: 0 },
          },
        },
      },
    });
  });
});

describe('an auto-merger', () => {
  const query = `
    query ($owner: String!, $repo: String!, $number: Int!) {
      repository(owner: $owner, name: $repo) {
        pullRequest(number: $number) {
          id number state title mergeable mergeStateStatus authorAssociation reviewDecision isDraft
          potentialMergeCommit { oid }
          mergeCommit { oid }
          reviews(last: 100) { nodes { authorAssociation author { login } submittedAt state } }
          latestReviews(first: 10) { nodes { state author { login } } }
          labels(last: 100) { nodes { name } }
          baseRef { name target { oid } repository { name owner { login } } }
          baseRefOid
          headRef { name target { oid } repository { owner { login } name } }
          headRefOid
          commits(last: 1) {
            totalCount
            nodes {
              commit {
                oid
                checkSuites(last: 10) { nodes { app { slug } status conclusion checkRuns(last: 10) {
                  nodes { name status conclusion }
                } } }
                status { state contexts { context state } }
                statusCheckRollup { state contexts(first: 10) { nodes {
                  __typename
                  ... on CheckRun { name conclusion }
                  ... on StatusContext { context state }
                } } }
              }
            }
          }
          repository { branchProtectionRules(last: 100) { nodes {
            pattern restrictsPushes requiresStrictStatusChecks requiredStatusCheckContexts requiredApprovingReviewCount
          } } }
        }
      }
    }`;

  it('reads everything it decides by in one query', async () => {
    const double = seeded();
    expect(await run(double, query, { ...repo, number: PULL })).toEqual({
      repository: {
        pullRequest: {
          id: nodeId('PullRequest', 507, `${where}#7`),
          number: PULL,
          state: 'OPEN',
          title: 'Change 7',
          mergeable: 'MERGEABLE',
          mergeStateStatus: 'BLOCKED',
          authorAssociation: 'MEMBER',
          reviewDecision: 'REVIEW_REQUIRED',
          isDraft: false,
          potentialMergeCommit: null,
          mergeCommit: null,
          reviews: {
            nodes: [
              ['anna', 'CHANGES_REQUESTED'],
              ['anna', 'APPROVED'],
              ['ben', 'COMMENTED'],
            ].map(([login, state]) => ({ authorAssociation: 'MEMBER', author: { login }, submittedAt: day(4), state })),
          },
          latestReviews: {
            nodes: [
              { state: 'APPROVED', author: { login: 'anna' } },
              { state: 'COMMENTED', author: { login: 'ben' } },
            ],
          },
          labels: { nodes: [{ name: 'bug' }] },
          baseRef: { name: 'main', target: { oid: sha('third') }, repository: { name: REPO, owner: { login: OWNER } } },
          baseRefOid: sha('third'),
          headRef: {
            name: 'topic',
            target: { oid: sha('topic') },
            repository: { owner: { login: OWNER }, name: REPO },
          },
          headRefOid: sha('topic'),
          commits: {
            totalCount: 1,
            nodes: [
              {
                commit: {
                  oid: sha('topic'),
                  checkSuites: {
                    nodes: [
                      {
                        app: { slug: 'ci' },
                        status: 'COMPLETED',
                        conclusion: 'FAILURE',
                        checkRuns: {
                          nodes: [
                            { name: 'test', status: 'COMPLETED', conclusion: 'FAILURE' },
                            { name: 'build', status: 'IN_PROGRESS', conclusion: null },
                          ],
                        },
                      },
                    ],
                  },
                  status: { state: 'SUCCESS', contexts: [{ context: 'lint', state: 'SUCCESS' }] },
                  statusCheckRollup: {
                    state: 'FAILURE',
                    contexts: {
                      nodes: [
                        { __typename: 'CheckRun', name: 'test', conclusion: 'FAILURE' },
                        { __typename: 'CheckRun', name: 'build', conclusion: null },
                        { __typename: 'StatusContext', context: 'lint', state: 'SUCCESS' },
                      ],
                    },
                  },
                },
              },
            ],
          },
          repository: {
            branchProtectionRules: {
              nodes: [
                {
                  pattern: 'main',
                  restrictsPushes: false,
                  requiresStrictStatusChecks: true,
                  requiredStatusCheckContexts: ['ci'],
                  requiredApprovingReviewCount: 2,
                },
              ],
            },
          },
        },
      },
    });
    const asked = double.sent.map(({ route, parameters }) => `${route} ${JSON.stringify(parameters)}`);
    expect(new Set(asked).size).toBe(asked.length);
  });

  it('decides on reviews as far as the branch’s rule is known', async () => {
    const decision = async (change: (double: ReturnType<typeof seeded>) => void) => {
      const double = seeded();
      change(double);
      const text = `query ($owner: String!, $repo: String!) {
        repository(owner: $owner, name: $repo) { pullRequest(number: ${PULL}) { reviewDecision } }
      }`;
      const found = await run<{ repository: { pullRequest: { reviewDecision: string } } }>(double, text, repo);
      return found.repository.pullRequest.reviewDecision;
    };
    expect(await decision((double) => double.world.protection.clear())).toBe('APPROVED');
    expect(await decision((double) => double.world.reviews.get(PULL)?.splice(1, 1))).toBe('CHANGES_REQUESTED');
    expect(
      await decision((double) => double.missing.add('GET /repos/{owner}/{repo}/branches/{branch}/protection')),
    ).toBe('APPROVED');
    const nothing = (double: ReturnType<typeof seeded>) => {
      double.world.reviews.clear();
      double.world.protection.clear();
    };
    expect(await decision(nothing)).toBeNull();
  });

  it('sees a merged pull request of a fork that is gone', async () => {
    const double = seeded();
    double.world.pulls.set(MERGED, {
      ...double.pull(MERGED),
      head: { ref: 'fix', sha: sha('second'), repository: null },
    });
    const text = `query ($owner: String!, $repo: String!) {
      repository(owner: $owner, name: $repo) {
        pullRequest(number: ${MERGED}) {
          state merged closed mergedBy { login __typename } mergeCommit { oid messageHeadline } headRef { name }
          headRepository { name } isCrossRepository headRefName
        }
      }
    }`;
    expect(await run(double, text, repo)).toEqual({
      repository: {
        pullRequest: {
          state: 'MERGED',
          merged: true,
          closed: true,
          mergedBy: { login: 'anna', __typename: 'User' },
          mergeCommit: { oid: sha('third'), messageHeadline: 'third' },
          headRef: null,
          headRepository: null,
          isCrossRepository: true,
          headRefName: 'fix',
        },
      },
    });
  });
});

describe('a pull request', () => {
  it('tells its files, threads, review requests, closing issues and comments', async () => {
    const text = `query ($owner: String!, $repo: String!) {
      repository(owner: $owner, name: $repo) {
        pullRequest(number: ${PULL}) {
          url additions deletions changedFiles databaseId
          files(first: 10) { totalCount nodes { path changeType additions } }
          reviewRequests(first: 5) { nodes { requestedReviewer { ... on User { login } ... on Team { slug combinedSlug } } } }
          reviewThreads(first: 10) { nodes { id isResolved isOutdated path line resolvedBy { login }
            comments(first: 5) { totalCount nodes { databaseId body replyTo { databaseId } pullRequestReview { state } } } } }
          closingIssuesReferences(first: 5) { nodes { number title state } }
          comments(first: 5) { totalCount nodes { body author { login __typename } isMinimized } }
          projectCards { nodes { project { id } } }
        }
      }
    }`;
    const double = seeded();
    const { repository } = await run<{ repository: { pullRequest: unknown } }>(double, text, repo);
    expect(repository.pullRequest).toEqual({
      url: 'https://forge.example.com/acme/tools/web/-/p/7',
      additions: 10,
      deletions: 4,
      changedFiles: 2,
      databaseId: 507,
      files: {
        totalCount: 2,
        nodes: [
          { path: 'README.md', changeType: 'MODIFIED', additions: 1 },
          { path: 'old.md', changeType: 'DELETED', additions: 0 },
        ],
      },
      reviewRequests: {
        nodes: [
          { requestedReviewer: { login: 'anna' } },
          { requestedReviewer: { slug: 'core', combinedSlug: `${OWNER}/core` } },
        ],
      },
      reviewThreads: {
        nodes: [
          {
            id: nodeId('PullRequestReviewThread', 91, `${where}#7`),
            isResolved: false,
            isOutdated: false,
            path: 'README.md',
            line: 1,
            resolvedBy: null,
            comments: {
              totalCount: 2,
              nodes: [
                { databaseId: 91, body: 'Comment 91', replyTo: null, pullRequestReview: { state: 'APPROVED' } },
                {
                  databaseId: 92,
                  body: 'Comment 92',
                  replyTo: { databaseId: 91 },
                  pullRequestReview: { state: 'APPROVED' },
                },
              ],
            },
          },
          {
            id: nodeId('PullRequestReviewThread', 93, `${where}#7`),
            isResolved: true,
            isOutdated: true,
            path: 'README.md',
            line: null,
            resolvedBy: { login: 'ben' },
            comments: { totalCount: 1, nodes: [expect.objectContaining({ databaseId: 93 })] },
          },
        ],
      },
      closingIssuesReferences: { nodes: [{ number: ISSUE, title: `Issue ${ISSUE}`, state: 'OPEN' }] },
      comments: {
        totalCount: 1,
        nodes: [{ body: 'Comment 71', author: { login: 'robot', __typename: 'Bot' }, isMinimized: false }],
      },
      projectCards: { nodes: [] },
    });
  });

  it('has threads made of comments where the forge does not tell them, but not whether they are resolved', async () => {
    const double = seeded();
    double.missing.add('GET /repos/{owner}/{repo}/pulls/{pull_number}/threads');
    const text = (fields: string) => `query ($owner: String!, $repo: String!) {
      repository(owner: $owner, name: $repo) { pullRequest(number: ${PULL}) { reviewThreads(first: 9) { nodes { ${fields} } } } }
    }`;
    const found = await ask(double, text('path comments(first: 9) { totalCount }'), repo);
    expect(found).toEqual({
      data: {
        repository: {
          pullRequest: {
            reviewThreads: {
              nodes: [
                { path: 'README.md', comments: { totalCount: 2 } },
                { path: 'README.md', comments: { totalCount: 1 } },
              ],
            },
          },
        },
      },
      unsupported: [],
    });
    const { errors, unsupported } = await ask(double, text('isResolved'), repo);
    expect(errors?.[0]).toMatchObject({
      type: 'NOT_SUPPORTED',
      message: 'Example Forge does not tell whether a review thread is resolved.',
    });
    expect(unsupported).toEqual(['GET /repos/{owner}/{repo}/pulls/{pull_number}/threads']);
  });
});
