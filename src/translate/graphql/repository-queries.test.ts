import { describe, expect, it } from '@jest/globals';
import { ISSUE, MERGED, PULL, seeded } from '../../../test/support/github-rest/seed.js';
import { day, OWNER, REPO, sha } from '../../../test/support/github-rest/world.js';
import { run } from '../../../test/support/graphql.js';
import { nodeId } from '../../forges/kit/shapes/node-id.js';

const repo = { owner: OWNER, repo: REPO };
const where = `${OWNER}/${REPO}`;

describe('lists of a repository', () => {
  const list = async (fields: string) => {
    const double = seeded();
    const text = `query ($owner: String!, $repo: String!) { repository(owner: $owner, name: $repo) { ${fields} } }`;
    const { repository } = await run<{ repository: unknown }>(double, text, repo);
    return repository;
  };

  it('filters pull requests by state, head, base and label', async () => {
    expect(
      await list(`
        open: pullRequests(states: OPEN, first: 5) { totalCount nodes { number } }
        merged: pullRequests(states: [MERGED], last: 5) { totalCount nodes { number } }
        closed: pullRequests(states: [CLOSED], first: 5) { nodes { number } }
        all: pullRequests(first: 5, orderBy: { field: UPDATED_AT, direction: DESC }) { nodes { number } }
        last: pullRequests(last: 1) { nodes { number } pageInfo { hasPreviousPage hasNextPage } }
        head: pullRequests(headRefName: "topic", baseRefName: "main", first: 5) { nodes { number } }
        labelled: pullRequests(labels: ["bug", "none"], first: 5) { nodes { number } }
        unlabelled: pullRequests(labels: ["none"], first: 5) { nodes { number } }`),
    ).toEqual({
      open: { totalCount: 1, nodes: [{ number: PULL }] },
      merged: { totalCount: 1, nodes: [{ number: MERGED }] },
      closed: { nodes: [] },
      all: { nodes: [{ number: PULL }, { number: MERGED }] },
      last: { nodes: [{ number: PULL }], pageInfo: { hasPreviousPage: true, hasNextPage: false } },
      head: { nodes: [{ number: PULL }] },
      labelled: { nodes: [{ number: MERGED }, { number: PULL }] },
      unlabelled: { nodes: [] },
    });
  });

  it('keeps pull requests out of issues', async () => {
    expect(
      await list(`
        issues(first: 10) { totalCount nodes { number state stateReason } }
        open: issues(states: [OPEN], labels: ["bug"], first: 10) { nodes { number assignees(first: 3) { nodes { login } } } }
        by: issues(filterBy: { labels: ["bug"], states: [OPEN] }, last: 1) { nodes { number } }
        issue(number: ${ISSUE}) { title author { login } comments(first: 2) { nodes { body } } }
        issueOrPullRequest(number: ${PULL}) { __typename ... on PullRequest { title isDraft } }`),
    ).toEqual({
      issues: {
        totalCount: 2,
        nodes: [
          { number: ISSUE, state: 'OPEN', stateReason: null },
          { number: 1_000_000_013, state: 'CLOSED', stateReason: 'COMPLETED' },
        ],
      },
      open: { nodes: [{ number: ISSUE, assignees: { nodes: [{ login: 'ben' }] } }] },
      by: { nodes: [{ number: ISSUE }] },
      issue: { title: `Issue ${ISSUE}`, author: { login: 'anna' }, comments: { nodes: [{ body: 'Comment 72' }] } },
      issueOrPullRequest: { __typename: 'PullRequest', title: 'Change 7', isDraft: false },
    });
  });

  it('gives labels, milestones, refs, releases and what the repository is', async () => {
    expect(
      await list(`
        id nameWithOwner isPrivate visibility viewerPermission url description
        defaultBranchRef { name prefix target { oid ... on Commit { message } } }
        labels(first: 10, query: "first") { nodes { id name color } }
        label(name: "bug") { name issues(states: OPEN, first: 5) { nodes { number } } }
        none: label(name: "none") { name }
        milestone(number: 2) { title progressPercentage }
        heads: refs(refPrefix: "refs/heads/", first: 5, orderBy: { field: ALPHABETICAL, direction: DESC }) { nodes { name } }
        tags: refs(refPrefix: "refs/tags/", first: 5) { nodes { name target { oid } } }
        gone: ref(qualifiedName: "refs/heads/gone") { name }
        releases(first: 5) { nodes { tagName isDraft publishedAt tagCommit { oid } } }
        latestRelease { tagName name author { login } }
        owner { login __typename ... on Organization { description team(slug: "core") { members(first: 5) { nodes { login } } } } }`),
    ).toEqual({
      id: nodeId('Repository', 40, where),
      nameWithOwner: where,
      isPrivate: true,
      visibility: 'PRIVATE',
      viewerPermission: 'WRITE',
      url: 'https://forge.example.com/acme/tools/web',
      description: 'The web',
      defaultBranchRef: {
        name: 'main',
        prefix: 'refs/heads/',
        target: { oid: sha('third'), message: 'third\n\nWhy third.' },
      },
      labels: {
        nodes: [{ id: nodeId('Label', 2, `${where}#good first issue`), name: 'good first issue', color: '00ff00' }],
      },
      label: { name: 'bug', issues: { nodes: [{ number: ISSUE }] } },
      none: null,
      milestone: { title: 'v2', progressPercentage: 75 },
      heads: { nodes: [{ name: 'topic' }, { name: 'main' }] },
      tags: { nodes: [{ name: 'v1', target: { oid: sha('first') } }] },
      gone: null,
      releases: {
        nodes: [
          { tagName: 'v2', isDraft: true, publishedAt: null, tagCommit: null },
          { tagName: 'v1', isDraft: false, publishedAt: day(2), tagCommit: { oid: sha('first') } },
        ],
      },
      latestRelease: { tagName: 'v1', name: 'One', author: { login: 'anna' } },
      owner: {
        login: OWNER,
        __typename: 'Organization',
        description: 'Tools',
        team: { members: { nodes: [{ login: 'anna' }, { login: 'ben' }] } },
      },
    });
  });

  it('reads files and folders by Git expressions', async () => {
    expect(
      await list(`
        text: object(expression: "main:README.md") { ... on Blob { text byteSize isBinary isTruncated oid } }
        binary: object(expression: "HEAD:docs/logo.png") { ... on Blob { text isBinary } }
        folder: object(expression: "topic:docs") { __typename oid ... on Tree { entries { name path type object { ... on Blob { byteSize } } } } }
        root: object(expression: "main:") { ... on Tree { entries { path } } }
        missing: object(expression: "main:none") { oid }
        commit: object(oid: "${sha('second')}") { __typename oid abbreviatedOid ... on Commit { author { date email } parents(first: 1) { totalCount } } }
        unknown: object(expression: "nothing") { oid }`),
    ).toEqual({
      text: { text: '# Web\n', byteSize: 6, isBinary: false, isTruncated: false, oid: expect.any(String) },
      binary: { text: null, isBinary: true },
      folder: {
        __typename: 'Tree',
        oid: sha('tree docs'),
        entries: [{ name: 'logo.png', path: 'docs/logo.png', type: 'blob', object: { byteSize: 4 } }],
      },
      root: { entries: [{ path: 'README.md' }, { path: 'bin' }, { path: 'docs' }] },
      missing: null,
      commit: {
        __typename: 'Commit',
        oid: sha('second'),
        abbreviatedOid: sha('second').slice(0, 7),
        author: { date: day(2), email: 'anna@example.com' },
        parents: { totalCount: 0 },
      },
      unknown: null,
    });
  });
});

describe('the root', () => {
  it('finds nodes by the ids of payloads and of queries', async () => {
    const double = seeded();
    const ids = [
      double.shapePull(double.pull(PULL)).node_id,
      double.asIssue(ISSUE).node_id,
      double.asIssue(PULL).node_id,
      nodeId('Repository', 40),
      nodeId('Repository', 40, where),
      nodeId('User', 7),
      nodeId('Bot', 9, 'robot'),
      nodeId('Label', 2, `${where}#good first issue`),
      nodeId('IssueComment', 72, `${where}#${ISSUE}`),
      nodeId('Commit', sha('first'), where),
      nodeId('Ref', 'refs/heads/topic', where),
      nodeId('PullRequestReview', 82, `${where}#7`),
      nodeId('PullRequestReviewThread', 91, `${where}#7`),
      nodeId('Team', 5, `${OWNER}/core`),
      nodeId('Milestone', 6, `${where}#2`),
    ];
    const text = `query ($ids: [ID!]!) { nodes(ids: $ids) {
      __typename
      ... on PullRequest { number }
      ... on Issue { number repository { name owner { login } } }
      ... on Repository { nameWithOwner }
      ... on User { login }
      ... on Bot { login }
      ... on Label { name }
      ... on IssueComment { body issue { number } }
      ... on Commit { oid }
      ... on Ref { prefix }
      ... on PullRequestReview { state }
      ... on PullRequestReviewThread { path }
      ... on Team { slug }
      ... on Milestone { title }
    } }`;
    expect(await run(double, text, { ids })).toEqual({
      nodes: [
        { __typename: 'PullRequest', number: PULL },
        { __typename: 'Issue', number: ISSUE, repository: { name: REPO, owner: { login: OWNER } } },
        { __typename: 'PullRequest', number: PULL },
        { __typename: 'Repository', nameWithOwner: where },
        { __typename: 'Repository', nameWithOwner: where },
        { __typename: 'User', login: 'anna' },
        { __typename: 'Bot', login: 'robot' },
        { __typename: 'Label', name: 'good first issue' },
        { __typename: 'IssueComment', body: 'Comment 72', issue: { number: ISSUE } },
        { __typename: 'Commit', oid: sha('first') },
        { __typename: 'Ref', prefix: 'refs/heads/' },
        { __typename: 'PullRequestReview', state: 'APPROVED' },
        { __typename: 'PullRequestReviewThread', path: 'README.md' },
        { __typename: 'Team', slug: 'core' },
        { __typename: 'Milestone', title: 'v2' },
      ],
    });
  });

  it('gives every node the id by which it is found again', async () => {
    const double = seeded();
    const text = `query ($owner: String!, $repo: String!) {
      repository(owner: $owner, name: $repo) {
        id
        defaultBranchRef { id target { id } }
        labels(first: 1) { nodes { id } }
        pullRequest(number: ${PULL}) {
          id author { ... on User { id } } comments(first: 1) { nodes { id } } reviews(first: 1) { nodes { id } }
          reviewThreads(first: 1) { nodes { id comments(first: 1) { nodes { id } } } }
        }
        issue(number: ${ISSUE}) { id }
      }
    }`;
    const ids: string[] = [];
    const collect = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return;
      for (const [key, inner] of Object.entries(value)) {
        if (key === 'id' && typeof inner === 'string') ids.push(inner);
        collect(inner);
      }
    };
    collect(await run(double, text, repo));
    expect(ids).toHaveLength(11);
    const again = await run<{ nodes: { id: string }[] }>(double, 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', {
      ids,
    });
    expect(again.nodes.map((node) => node.id)).toEqual(ids);
  });

  it('searches issues and pull requests', async () => {
    const text = `query ($q: String!) { search(type: ISSUE, query: $q, first: 2) {
      issueCount pageInfo { hasNextPage endCursor }
      edges { cursor node { __typename ... on Issue { number } ... on PullRequest { number id headRefName state labels(first: 3) { nodes { name } } } } }
    } }`;
    const q = `repo:${where} is:open`;
    const double = seeded();
    expect(await run(double, text, { q })).toEqual({
      search: {
        issueCount: 2,
        pageInfo: { hasNextPage: false, endCursor: expect.any(String) },
        edges: [
          { cursor: expect.any(String), node: { __typename: 'Issue', number: ISSUE } },
          {
            cursor: expect.any(String),
            node: {
              __typename: 'PullRequest',
              number: PULL,
              id: nodeId('PullRequest', 507, `${where}#7`),
              headRefName: 'topic',
              state: 'OPEN',
              labels: { nodes: [{ name: 'bug' }] },
            },
          },
        ],
      },
    });
    const merged = await run(double, text, { q: `repo:${where} is:closed` });
    expect(merged).toMatchObject({ search: { edges: [{}, { node: { number: MERGED, state: 'MERGED' } }] } });
  });

  it('knows the viewer, accounts and the rate limit', async () => {
    const text = `{
      viewer { __typename login id }
      user(login: "anna") { name email databaseId }
      organization(login: "${OWNER}") { login url }
      repositoryOwner(login: "ben") { login __typename }
      rateLimit { limit cost remaining used resetAt }
    }`;
    expect(await run(seeded(), text)).toEqual({
      viewer: { __typename: 'User', login: 'robot', id: nodeId('Bot', 9, 'robot') },
      user: { name: 'Anna', email: 'anna@example.com', databaseId: 7 },
      organization: { login: OWNER, url: 'https://forge.example.com/acme/tools' },
      repositoryOwner: { login: 'ben', __typename: 'User' },
      rateLimit: { limit: 5_000, cost: 1, remaining: 4_000, used: 1_000, resetAt: '2026-01-01T00:00:00Z' },
    });
  });
});
