import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { ProbotOctokit } from 'probot';
import { ISSUE, PULL, seeded } from '../../../test/support/github-rest/seed.js';
import { day, OWNER, REPO, sha } from '../../../test/support/github-rest/world.js';
import { ask, run } from '../../../test/support/graphql.js';
import { RouteFailure } from '../../forges/kit/route.js';
import { nodeId } from '../../forges/kit/shapes/node-id.js';
import { ForgewayError } from '../../lib/errors.js';
import { createGraphql } from './graphql.js';

const here = { owner: OWNER, repo: REPO };
const inRepository = (fields: string) =>
  `query ($owner: String!, $repo: String!) { repository(owner: $owner, name: $repo) { ${fields} } }`;

describe('what is not supported', () => {
  it.each([
    ['a field', inRepository('id discussions(first: 3) { nodes { id } }'), 'Repository.discussions'],
    ['a mutation', 'mutation { addDiscussionComment(input: {}) { comment { url } } }', 'Mutation.addDiscussionComment'],
    ['a type', 'query ($id: ID!) { node(id: $id) { ... on ProjectV2 { title } } }', 'ProjectV2'],
    ['an argument', inRepository('issues(first: 1, secret: 3) { totalCount }'), 'Repository.issues(secret)'],
    [
      'a value',
      inRepository(
        'refs(refPrefix: "refs/tags/", first: 1, orderBy: { field: TAG_COMMIT_DATE, direction: DESC }) { totalCount }',
      ),
      'RefOrderField.TAG_COMMIT_DATE',
    ],
    [
      'an input',
      `mutation { createIssue(input: { repositoryId: "x", title: "t", issueTemplate: "z" }) { issue { id } } }`,
      'CreateIssueInput.issueTemplate',
    ],
  ])('%s is an error that names it and the forge, and nothing is done', async (_what, query, name) => {
    const double = seeded();
    const { data, errors, unsupported } = await ask(double, query, { ...here, id: 'x' });
    expect(data).toBeUndefined();
    expect(errors).toEqual([
      {
        type: 'NOT_SUPPORTED',
        message: expect.stringContaining('is not supported on Example Forge.'),
        locations: [expect.any(Object)],
      },
    ]);
    const last = name.split(/[.()]/).filter(Boolean).at(-1) ?? '';
    expect(errors?.[0]?.message).toContain(`'${last}'`);
    expect(unsupported).toEqual([name]);
    expect(double.calls).toEqual([]);
  });

  it('is found inside variables too', async () => {
    const query = 'mutation ($input: UpdateIssueInput!) { updateIssue(input: $input) { issue { id } } }';
    const input = { id: 'x', title: 't', issueTypeId: 'y', state: 'DONE' };
    const { errors, unsupported } = await ask(seeded(), query, { input });
    expect(errors).toHaveLength(2);
    expect(unsupported).toEqual(['UpdateIssueInput.issueTypeId', 'IssueState.DONE']);
  });

  it('is counted once in a query, however often it is used', async () => {
    const query = inRepository(
      'a: pullRequest(number: 1) { timelineItems { id } } b: pullRequest(number: 2) { timelineItems { id } }',
    );
    const { errors, unsupported } = await ask(seeded(), query, here);
    expect(errors).toHaveLength(2);
    expect(unsupported).toEqual(['PullRequest.timelineItems']);
  });

  it('leaves the rest of the answer when only a route is absent', async () => {
    const double = seeded();
    double.missing.add('GET /repos/{owner}/{repo}/releases');
    const { data, errors, unsupported } = await ask(
      double,
      inRepository('name releases(first: 1) { nodes { name } } label(name: "bug") { name }'),
      here,
    );
    expect(data).toMatchObject({ repository: { name: REPO, releases: { nodes: null }, label: { name: 'bug' } } });
    expect(errors).toMatchObject([{ type: 'NOT_SUPPORTED', path: ['repository', 'releases', 'nodes'] }]);
    expect(unsupported).toEqual(['GET /repos/{owner}/{repo}/releases']);
  });
});

describe('bad input', () => {
  it.each([
    ['no query', undefined],
    ['an empty query', '  '],
    ['a query that is no text', { query: '{ viewer { login } }' }],
    ['a syntax error', '{ viewer { login '],
    ['a missing variable', inRepository('name')],
    ['a missing selection', '{ viewer }'],
    ['a subscription', 'subscription { viewer { login } }'],
  ])('%s is an error', async (_what, query) => {
    const double = seeded();
    const { data, errors } = await ask(double, query);
    expect(data).toBeUndefined();
    expect(errors?.[0]?.message.length).toBeGreaterThan(10);
    expect(double.calls).toEqual([]);
  });

  it('a body that is no object is an error', async () => {
    const graphql = createGraphql({ request: seeded().request, forgeLabel: 'Example Forge' });
    const message = 'A query attribute must be specified and must be a string.';
    for (const body of [null, [], 'x'])
      expect(await graphql.execute(body as never)).toEqual({ status: 200, data: { errors: [{ message }] } });
  });

  it('variables that are no object are an error', async () => {
    expect((await ask(seeded(), '{ viewer { login } }', [1])).errors).toEqual([
      { message: 'Variables must be an object.' },
    ]);
  });

  it('an operation that is not there is an error, and the right one of two is run', async () => {
    const query = 'query A { viewer { login } } query B { viewer { id } }';
    expect(await ask(seeded(), query, {}, 'A')).toMatchObject({ data: { viewer: { login: 'robot' } } });
    expect((await ask(seeded(), query, {}, 'C')).errors).toHaveLength(1);
  });

  const deep = `{ viewer { ${'repository(name: "web") { owner { ... on User { '.repeat(20)} login ${'} } }'.repeat(20)} } }`;
  const wide = inRepository(Array.from({ length: 5_001 }, () => 'name').join(' '));
  const fragments = Array.from(
    { length: 15 },
    (_, at) => `fragment F${at} on Repository { a: parent { ...F${at + 1} } b: parent { ...F${at + 1} } }`,
  );
  it.each([
    ['too deep', deep],
    ['too wide', wide],
    ['too long', `{ viewer { login } } # ${'x'.repeat(1_000_000)}`],
    ['endless', `${inRepository('...Loop')} fragment Loop on Repository { ...Loop ...Loop }`],
    ['too wide by fragments', `${inRepository('...F0')} ${fragments.join(' ')} fragment F15 on Repository { name }`],
    [
      'too many nodes',
      inRepository(
        'issues(first: 100) { nodes { repository { issues(first: 100) { nodes { repository { issues(last: 100) { totalCount } } } } } } }',
      ),
    ],
  ])('a query that is %s is refused before anything is asked', async (_what, query) => {
    const double = seeded();
    const { data, errors } = await ask(double, query, here);
    expect(data).toBeUndefined();
    expect(errors).toMatchObject([{ type: 'RESOURCE_LIMITS_EXCEEDED' }]);
    expect(double.calls).toEqual([]);
  });

  it('too many tokens are a syntax error', async () => {
    const { errors } = await ask(seeded(), `{ viewer { ${'login '.repeat(20_001)} } }`);
    expect(errors).toHaveLength(1);
  });

  it('a query that needs too many requests ends', async () => {
    const double = seeded();
    for (let at = 0; at < 600; at += 1) double.world.history.push(double.addCommit(`old ${at}`));
    const commits = 'nodes { associatedPullRequests(first: 1) { totalCount } }';
    const page = (at: number) =>
      `p${at}: history(first: 100, after: "${Buffer.from(`forgeway:f:50:${at * 2 + 1}:0`).toString('base64')}") { ${commits} }`;
    const query = inRepository(
      `object(expression: "main") { ... on Commit { ${[0, 1, 2, 3, 4, 5].map(page).join(' ')} } }`,
    );
    const { errors } = await ask(double, query, here);
    expect(errors?.[0]).toMatchObject({ type: 'RESOURCE_LIMITS_EXCEEDED' });
    expect(double.calls.length).toBeLessThanOrEqual(500);
  });

  it.each([
    ['first: 101', 'EXCESSIVE_PAGINATION'],
    ['first: -1', 'BAD_USER_INPUT'],
    ['first: 1, last: 1', 'BAD_USER_INPUT'],
    ['first: 1, after: "abc"', 'INVALID_CURSOR_ARGUMENTS'],
    [`first: 1, after: "${Buffer.from('forgeway:f:99:1:0').toString('base64')}"`, 'INVALID_CURSOR_ARGUMENTS'],
  ])('labels(%s) is refused', async (bounds, type) => {
    const { errors } = await ask(seeded(), inRepository(`labels(${bounds}) { totalCount }`), here);
    expect(errors).toMatchObject([{ type, path: ['repository', 'labels'] }]);
  });

  it.each([
    ['no id of ours', 'MDU6SXNzdWUx'],
    ['an id that does not say where', nodeId('PullRequest', 507)],
    ['an id of something else', nodeId('Label', 1, `${OWNER}/${REPO}#bug`)],
    ['an id with a place that is none', nodeId('PullRequest', 507, 'nowhere')],
    ['an id of what is not there', nodeId('PullRequest', 1, `${OWNER}/${REPO}#404`)],
    ['an id in another repository', nodeId('PullRequest', 507, `else/where#7`)],
  ])('a mutation on %s finds nothing', async (_what, id) => {
    const double = seeded();
    const query = 'mutation ($id: ID!) { closePullRequest(input: { pullRequestId: $id }) { pullRequest { state } } }';
    const { data, errors } = await ask(double, query, { id });
    expect(data).toEqual({ closePullRequest: null });
    expect(errors).toMatchObject([{ type: 'NOT_FOUND', path: ['closePullRequest'] }]);
    expect(double.pull(PULL).state).toBe('open');
  });
});

describe('errors of the forge', () => {
  it('are told in GitHub’s words where something is not there', async () => {
    const query = `{
      repository(owner: "no", name: "where") { name }
      node(id: "${nodeId('Issue', 1, `${OWNER}/${REPO}#999`)}") { id }
      user(login: "nobody") { id }
    }`;
    const { data, errors } = await ask(seeded(), query);
    expect(data).toEqual({ repository: null, node: null, user: null });
    expect(errors).toMatchObject([
      {
        type: 'NOT_FOUND',
        path: ['repository'],
        message: "Could not resolve to a Repository with the name 'no/where'.",
      },
      {
        type: 'NOT_FOUND',
        path: ['node'],
        message: expect.stringContaining('Could not resolve to a node with the global id of'),
      },
      { type: 'NOT_FOUND', path: ['user'], message: "Could not resolve to a User with the login of 'nobody'." },
    ]);
    const numbers = await ask(
      seeded(),
      inRepository(`pullRequest(number: 999) { id } issue(number: ${PULL}) { id }`),
      here,
    );
    expect(numbers.errors).toMatchObject([
      { message: 'Could not resolve to a PullRequest with the number of 999.' },
      { message: 'Could not resolve to an Issue with the number of 7.' },
    ]);
  });

  it('of one field leave the others', async () => {
    const double = seeded();
    double.failures.set('GET /repos/{owner}/{repo}/labels', () => new RouteFailure(403, 'Not for you'));
    const { data, errors } = await ask(double, inRepository('name labels(first: 1) { nodes { name } }'), here);
    expect(data).toMatchObject({ repository: { name: REPO, labels: { nodes: null } } });
    expect(errors).toMatchObject([{ type: 'FORBIDDEN', message: 'Not for you' }]);
  });

  it.each([
    ['a token that is refused', new RouteFailure(401, 'Bad credentials')],
    ['a rate limit', new RouteFailure(429, 'Slow down', { headers: { 'retry-after': '60' } })],
    [
      'a rate limit in its older form',
      new RouteFailure(403, 'Slow down', { headers: { 'x-ratelimit-remaining': '0' } }),
    ],
    ['a forge that is down', new RouteFailure(502, 'Bad gateway')],
    ['a forge that is not reached', new ForgewayError('FORGEWAY_FORGE_UNREACHABLE', 'no answer')],
    ['anything else', new TypeError('surprise')],
  ])('%s fails the whole request', async (_what, failure) => {
    const double = seeded();
    double.failures.set('GET /repos/{owner}/{repo}/labels/{name}', () => failure);
    const graphql = createGraphql({ request: double.request, forgeLabel: 'Example Forge' });
    const query = inRepository('name label(name: "bug") { name }');
    await expect(graphql.execute({ query, variables: here })).rejects.toBe(failure);
  });
});

describe('connections', () => {
  const numbers = async (double: ReturnType<typeof seeded>, list: string) => {
    const found = await run<{
      repository: { list: { nodes: { number: number }[]; pageInfo: Record<string, unknown>; totalCount: number } };
    }>(
      double,
      inRepository(
        `list: ${list} { totalCount nodes { number } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }`,
      ),
      here,
    );
    const { nodes, pageInfo, totalCount } = found.repository.list;
    return { numbers: nodes.map(({ number }) => number), pageInfo, totalCount };
  };
  /** Pull requests 101 to 100 + count, oldest first. */
  const many = (count: number) => {
    const double = seeded();
    const like = double.pull(PULL);
    double.world.pulls.clear();
    const time = Date.parse(day(1));
    for (let at = 1; at <= count; at += 1)
      double.world.pulls.set(100 + at, {
        ...like,
        id: at,
        number: 100 + at,
        createdAt: new Date(time + at * 1_000).toISOString(),
      });
    return double;
  };
  const range = (from: number, to: number) =>
    Array.from({ length: Math.abs(to - from) + 1 }, (_, at) => (from < to ? from + at : from - at));

  it('are walked forward over the pages of the forge', async () => {
    const double = many(123);
    const first = await numbers(double, 'pullRequests(first: 70)');
    expect(first.numbers).toEqual(range(101, 170));
    expect(first).toMatchObject({ totalCount: 123, pageInfo: { hasNextPage: true, hasPreviousPage: false } });
    const second = await numbers(double, `pullRequests(first: 50, after: "${first.pageInfo.endCursor}")`);
    expect(second.numbers).toEqual(range(171, 220));
    expect(second).toMatchObject({ totalCount: 123, pageInfo: { hasNextPage: true, hasPreviousPage: true } });
    const third = await numbers(double, `pullRequests(first: 50, after: "${second.pageInfo.endCursor}")`);
    expect(third.numbers).toEqual(range(221, 223));
    expect(third.pageInfo).toMatchObject({ hasNextPage: false });
    const past = await numbers(double, `pullRequests(first: 5, after: "${third.pageInfo.endCursor}")`);
    expect(past).toMatchObject({ numbers: [], pageInfo: { hasNextPage: false, startCursor: null, endCursor: null } });
  });

  it('know that a list ends exactly where a page does', async () => {
    expect((await numbers(many(50), 'pullRequests(first: 50)')).pageInfo).toMatchObject({ hasNextPage: false });
    expect((await numbers(many(51), 'pullRequests(first: 50)')).pageInfo).toMatchObject({ hasNextPage: true });
    expect((await numbers(many(0), 'pullRequests(first: 50)')).numbers).toEqual([]);
  });

  it('are walked backward from the end, in the order of the list', async () => {
    const double = many(60);
    const last = await numbers(double, 'pullRequests(last: 25)');
    expect(last.numbers).toEqual(range(136, 160));
    expect(last.pageInfo).toMatchObject({ hasPreviousPage: true, hasNextPage: false });
    const before = await numbers(double, `pullRequests(last: 40, before: "${last.pageInfo.startCursor}")`);
    expect(before.numbers).toEqual(range(101, 135));
    expect(before.pageInfo).toMatchObject({ hasPreviousPage: false, hasNextPage: true });
    const forward = await numbers(double, 'pullRequests(first: 10)');
    const within = await numbers(double, `pullRequests(last: 3, before: "${forward.pageInfo.endCursor}")`);
    expect(within.numbers).toEqual([107, 108, 109]);
  });

  it('find the last of a list that the forge cannot turn round', async () => {
    const double = seeded();
    for (let at = 1; at <= 130; at += 1)
      double.world.comments.set(2_000 + at, {
        number: ISSUE,
        input: { id: 2_000 + at, number: ISSUE, htmlUrl: 'https://forge.example.com', body: `${at}` },
      });
    const query = inRepository(
      `issue(number: ${ISSUE}) { comments(last: 2) { totalCount nodes { body } pageInfo { hasPreviousPage } } }`,
    );
    expect(await run(double, query, here)).toEqual({
      repository: {
        issue: {
          comments: { totalCount: 131, nodes: [{ body: '129' }, { body: '130' }], pageInfo: { hasPreviousPage: true } },
        },
      },
    });
    const pages = double.sent
      .filter(({ route }) => route.endsWith('/comments'))
      .map(({ parameters }) => parameters.page);
    expect(pages).toEqual([3]);
  });

  it('ask only for what is selected', async () => {
    const double = seeded();
    await run(
      double,
      inRepository(`issue(number: ${ISSUE}) { comments(first: 5) { totalCount } labels(first: 5) { totalCount } }`),
      here,
    );
    expect(double.calls).toEqual(['GET /repos/{owner}/{repo}', 'GET /repos/{owner}/{repo}/issues/{issue_number}']);
  });

  it('give a cursor to every edge', async () => {
    const query = inRepository('labels(first: 2) { edges { cursor node { name } } }');
    const { repository } = await run<{ repository: { labels: { edges: { cursor: string }[] } } }>(
      seeded(),
      query,
      here,
    );
    const [first] = repository.labels.edges;
    const next = inRepository(`labels(first: 5, after: "${first?.cursor}") { nodes { name } }`);
    expect(await run(seeded(), next, here)).toEqual({
      repository: { labels: { nodes: [{ name: 'good first issue' }] } },
    });
  });
});

describe('the engine', () => {
  it('answers introspection with its part of the schema', async () => {
    const query =
      '{ __schema { queryType { name } } __type(name: "Issue") { kind fields { name } } viewer { __typename } }';
    expect(await run(seeded(), query)).toMatchObject({
      __schema: { queryType: { name: 'Query' } },
      __type: { kind: 'OBJECT' },
    });
  });

  it('reads fragments and directives', async () => {
    const query = `query ($owner: String!, $repo: String!, $no: Boolean!) {
      repository(owner: $owner, name: $repo) { ...About url @skip(if: $no) }
    } fragment About on Repository { name defaultBranchRef { ...At } } fragment At on Ref { target { oid } }`;
    expect(await run(seeded(), query, { ...here, no: true })).toEqual({
      repository: { name: REPO, defaultBranchRef: { target: { oid: sha('third') } } },
    });
  });

  it('asks routes that GitHub has, and the few rows of our own that are documented', () => {
    const { rest } = new ProbotOctokit();
    const known = new Set<string>();
    for (const methods of Object.values(
      rest as unknown as Record<string, Record<string, { endpoint?: { DEFAULTS: { method: string; url: string } } }>>,
    ))
      for (const { endpoint } of Object.values(methods))
        if (endpoint) known.add(`${endpoint.DEFAULTS.method} ${endpoint.DEFAULTS.url}`);
    const folder = 'src/translate/graphql';
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
      (name) => name.endsWith('.ts') && !name.endsWith('.test.ts'),
    );
    const asked = files.flatMap((name) => {
      const text = readFileSync(join(folder, name), 'utf8');
      return [...text.matchAll(/['`]((?:GET|POST|PUT|PATCH|DELETE) \/[^'`$]*)['`]/g)].map((found) => found[1] ?? '');
    });
    expect(asked.length).toBeGreaterThan(80);
    expect([...new Set(asked)].filter((route) => !known.has(route) && route !== 'POST /graphql').sort()).toEqual([
      'DELETE /repos/{owner}/{repo}/pulls/{pull_number}/auto-merge',
      'GET /repos/{owner}/{repo}/pulls/{pull_number}/threads',
      // GitHub answers it, and does not document it.
      'GET /repositories/{repository_id}',
      'PUT /repos/{owner}/{repo}/issues/comments/{comment_id}/minimized',
      'PUT /repos/{owner}/{repo}/pulls/comments/{comment_id}/minimized',
      'PUT /repos/{owner}/{repo}/pulls/{pull_number}/auto-merge',
      'PUT /repos/{owner}/{repo}/pulls/{pull_number}/draft',
      'PUT /repos/{owner}/{repo}/pulls/{pull_number}/threads/{comment_id}/resolution',
    ]);
  });

  it('runs few reads at a time', async () => {
    const double = seeded();
    for (let at = 0; at < 40; at += 1) double.world.history.push(double.addCommit(`old ${at}`));
    const state = { running: 0, most: 0 };
    const graphql = createGraphql({
      forgeLabel: 'Example Forge',
      request: async (route, parameters) => {
        state.running += 1;
        state.most = Math.max(state.most, state.running);
        await new Promise((resolve) => setImmediate(resolve));
        state.running -= 1;
        return double.request(route, parameters);
      },
    });
    const query = inRepository(
      'object(expression: "main") { ... on Commit { history(first: 43) { nodes { associatedPullRequests(first: 1) { totalCount } } } } }',
    );
    const { data } = await graphql.execute({ query, variables: here });
    expect(data).not.toHaveProperty('errors');
    expect(state.most).toBe(8);
  });
});
