/**
 * The GraphQL operations of real Probot apps, sent with `context.octokit.graphql` to every forge that can be played; what
 * they did is read back by REST and from the forge itself.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { fakedForges } from '../support/connected-forge.js';
import { type GraphqlRig, type Loose, shop, startGraphqlForge, where } from './graphql-rig.js';

const forges = fakedForges.map((descriptor) => ({ descriptor, label: descriptor.label }));
const FILES = { 'prices.txt': 'apples 1\n', 'docs/how.md': '# How\n' };
const PULL = 'GET /repos/{owner}/{repo}/pulls/{pull_number}';
const base64 = (text: string) => Buffer.from(text).toString('base64');

describe.each(forges)('GraphQL on $label', ({ descriptor, label }) => {
  let rig: GraphqlRig;
  /** Of a pull request and an issue of alice's, as their webhooks told them. */
  const seen = {} as { pull: Loose; issue: Loose; repository: Loose };
  const state = () => rig.fake.state(shop);
  const pull = async () => (await state()).pullRequests.find(({ number }) => number === seen.pull.number) as Loose;
  const reread = () => rig.rest(PULL, { pull_number: seen.pull.number });
  const headOf = async (name: string) => (await state()).branches.find((one) => one.name === name)?.sha;

  beforeAll(async () => {
    rig = await startGraphqlForge(descriptor, FILES);
    const alice = rig.fake.as('alice', shop);
    await alice.push({ branch: 'pears', files: { 'pears.txt': 'one\ntwo\n' }, message: 'Add pears' });
    await alice.openPullRequest({ head: 'pears', title: 'Pears', body: 'Fruit.' });
    await alice.openIssue({ title: 'Plums are missing' });
    const opened = await rig.told('pull_request.opened');
    Object.assign(seen, { pull: opened.pull_request, repository: opened.repository });
    seen.issue = (await rig.told('issues.opened')).issue;
    for (const name of ['bug', 'fruit'])
      await rig.rest('POST /repos/{owner}/{repo}/labels', { name, color: '00ff00', description: '' });
  });
  afterAll(async () => {
    expect(rig.fake.violations()).toEqual([]);
    await rig.close();
  });

  it('knows whom the token speaks for, and every thing by the ids of payloads, of REST and of queries', async () => {
    const { viewer } = await rig.graphql('query { viewer { login id } }');
    expect(viewer.login).toBe(rig.fake.bot.login);
    const asked = await rig.graphql(
      `query ($owner: String!, $repo: String!, $number: Int!) {
        repository(owner: $owner, name: $repo) { id nameWithOwner pullRequest(number: $number) { id author { login } } }
      }`,
      { ...where, number: seen.pull.number },
    );
    expect(asked.repository).toEqual({
      id: seen.repository.node_id,
      nameWithOwner: 'acme/shop',
      pullRequest: { id: seen.pull.node_id, author: { login: 'alice' } },
    });
    expect((await reread()).node_id).toBe(seen.pull.node_id);
    const ids = [seen.pull.node_id, seen.issue.node_id, seen.repository.node_id, seen.pull.user.node_id];
    const { nodes } = await rig.graphql(
      `query ($ids: [ID!]!) { nodes(ids: $ids) {
        __typename ... on PullRequest { title } ... on Issue { title } ... on Repository { name } ... on User { login }
      } }`,
      { ids },
    );
    expect(nodes).toEqual([
      { __typename: 'PullRequest', title: 'Pears' },
      { __typename: 'Issue', title: 'Plums are missing' },
      { __typename: 'Repository', name: 'shop' },
      { __typename: 'User', login: 'alice' },
    ]);
  });

  it('comments on what a payload named', async () => {
    const made = await rig.mutate(
      'addComment',
      { subjectId: seen.pull.node_id, body: 'Ripe?' },
      'commentEdge { node { id body author { login } } }',
    );
    expect(made.commentEdge.node).toMatchObject({ body: 'Ripe?', author: { login: rig.fake.bot.login } });
    await rig.mutate('addComment', { subjectId: seen.issue.node_id, body: 'Soon.' });
    const mine = (body: string) => [{ author: rig.fake.bot.login, body }];
    expect((await pull()).comments).toEqual(mine('Ripe?'));
    expect((await state()).issues[0]?.comments).toEqual(mine('Soon.'));
    const changed = { id: made.commentEdge.node.id, body: 'Ripe!' };
    expect(await rig.mutate('updateIssueComment', changed, 'issueComment { body }')).toEqual({
      issueComment: { body: 'Ripe!' },
    });
    expect((await pull()).comments).toEqual(mine('Ripe!'));
    await rig.mutate('deleteIssueComment', { id: changed.id });
    expect((await pull()).comments).toEqual([]);
  });

  it('puts labels on and takes them off, named by a query and by REST', async () => {
    const { repository } = await rig.graphql(
      `query ($owner: String!, $repo: String!) { repository(owner: $owner, name: $repo) { label(name: "bug") { id } } }`,
      where,
    );
    const fruit = await rig.rest('GET /repos/{owner}/{repo}/labels/{name}', { name: 'fruit' });
    const input = { labelableId: seen.pull.node_id, labelIds: [repository.label.id, fruit.node_id] };
    const labels = 'labelable { ... on PullRequest { labels(first: 9) { nodes { name } } } }';
    const { labelable } = await rig.mutate('addLabelsToLabelable', input, labels);
    expect(labelable.labels.nodes.map((one: Loose) => one.name).sort()).toEqual(['bug', 'fruit']);
    expect((await pull()).labels).toEqual(['bug', 'fruit']);
    await rig.mutate('removeLabelsFromLabelable', { ...input, labelIds: [fruit.node_id] });
    expect((await pull()).labels).toEqual(['bug']);
    const assigned = { assignableId: seen.pull.node_id, assigneeIds: [seen.pull.user.node_id] };
    await rig.mutate('addAssigneesToAssignable', assigned);
    expect((await pull()).assignees).toEqual(['alice']);
    await rig.mutate('removeAssigneesFromAssignable', assigned);
    expect((await pull()).assignees).toEqual([]);
  });

  it('makes a draft and ends it, and changes title, text and state', async () => {
    const pullRequestId = seen.pull.node_id;
    const told = 'pullRequest { isDraft title state }';
    const draft = await rig.mutate('convertPullRequestToDraft', { pullRequestId }, told);
    expect([draft.pullRequest.isDraft, (await pull()).draft, (await reread()).draft]).toEqual([true, true, true]);
    const ready = await rig.mutate('markPullRequestReadyForReview', { pullRequestId }, told);
    expect(ready.pullRequest).toEqual({ isDraft: false, title: 'Pears', state: 'OPEN' });
    expect((await pull()).draft).toBe(false);
    await rig.mutate('updatePullRequest', { pullRequestId, title: 'Sweet pears', body: 'Much fruit.' });
    expect(await pull()).toMatchObject({ title: 'Sweet pears', body: 'Much fruit.' });
    const closed = await rig.mutate('closePullRequest', { pullRequestId }, told);
    expect([closed.pullRequest.state, (await pull()).state]).toEqual(['CLOSED', 'closed']);
    const reopened = await rig.mutate('reopenPullRequest', { pullRequestId }, told);
    expect([reopened.pullRequest.state, (await reread()).state]).toEqual(['OPEN', 'open']);
  });

  it('asks for reviews, and for no others where it says so', async () => {
    const idOf = async (login: string) => (await rig.graphql(`query { user(login: "${login}") { id } }`)).user.id;
    const [bob, carol] = [await idOf('bob'), await idOf('carol')];
    const pullRequestId = seen.pull.node_id;
    await rig.mutate('requestReviews', { pullRequestId, userIds: [bob], union: true });
    expect((await pull()).reviewers).toEqual(['bob']);
    const asked = 'pullRequest { reviewRequests(first: 5) { nodes { requestedReviewer { ... on User { login } } } } }';
    const others = await rig.mutate('requestReviews', { pullRequestId, userIds: [carol] }, asked);
    expect(others.pullRequest.reviewRequests.nodes).toEqual([{ requestedReviewer: { login: 'carol' } }]);
    expect((await pull()).reviewers).toEqual(['carol']);
  });

  it('resolves review threads, or says that the forge cannot', async () => {
    await rig.fake.as('bob', shop).review(seen.pull.number, {
      verdict: 'comment',
      body: 'A word.',
      lines: [{ path: 'pears.txt', line: 2, body: 'Why two?' }],
    });
    const threads = async () =>
      (
        await rig.graphql(
          `query ($id: ID!) { node(id: $id) { ... on PullRequest {
            reviewThreads(first: 10) { nodes { id isResolved path line comments(first: 5) { nodes { body } } } }
          } } }`,
          { id: seen.pull.node_id },
        )
      ).node.reviewThreads.nodes;
    const [thread, ...more] = await threads();
    expect([thread, more]).toEqual([
      {
        id: expect.any(String),
        isResolved: false,
        path: 'pears.txt',
        line: 2,
        comments: { nodes: [{ body: 'Why two?' }] },
      },
      [],
    ]);
    await rig.mutate('addPullRequestReviewThreadReply', { pullRequestReviewThreadId: thread.id, body: 'Because.' });
    expect((await pull()).lineComments.map((one: Loose) => [one.path, one.line, one.body])).toEqual([
      ['pears.txt', 2, 'Why two?'],
      ['pears.txt', 2, 'Because.'],
    ]);
    const resolve = rig.mutate(
      'resolveReviewThread',
      { threadId: thread.id },
      'thread { isResolved resolvedBy { login } }',
    );
    if (label === 'Forgejo') {
      expect(await rig.errorsOf(resolve)).toMatchObject([
        { type: 'NOT_SUPPORTED', message: expect.stringContaining('Forgejo does not support') },
      ]);
      return;
    }
    expect((await resolve).thread.isResolved).toBe(true);
    const rows = await rig.rest('GET /repos/{owner}/{repo}/pulls/{pull_number}/threads', {
      pull_number: seen.pull.number,
    });
    expect(rows).toMatchObject([{ resolved: true, resolved_by: { login: rig.fake.bot.login } }]);
    expect((await threads())[0].isResolved).toBe(true);
    await rig.mutate('unresolveReviewThread', { threadId: thread.id });
    expect((await threads())[0].isResolved).toBe(false);
  });

  it('reads what an auto-merger decides by', async () => {
    const sha = await headOf('pears');
    await rig.fake.as('bob', shop).setStatus(sha ?? '', { context: 'build', state: 'success' });
    const { repository } = await rig.graphql(
      `query ($owner: String!, $repo: String!, $number: Int!) { repository(owner: $owner, name: $repo) {
        pullRequest(number: $number) {
          id number state mergeable reviewDecision authorAssociation autoMergeRequest { mergeMethod }
          reviews(last: 100) { nodes { author { login } state } }
          labels(last: 100) { nodes { name } }
          baseRef { name repository { name owner { login } } }
          baseRefOid headRefOid
          headRef { name target { oid } }
          commits(last: 1) { nodes { commit { oid status { state contexts { context state } } statusCheckRollup { state } } } }
          repository { branchProtectionRules(last: 100) { nodes { pattern requiredStatusCheckContexts } } }
        }
      } }`,
      { ...where, number: seen.pull.number },
    );
    expect(repository.pullRequest).toMatchObject({
      id: seen.pull.node_id,
      number: seen.pull.number,
      state: 'OPEN',
      mergeable: 'MERGEABLE',
      autoMergeRequest: null,
      labels: { nodes: [{ name: 'bug' }] },
      baseRef: { name: 'main', repository: { name: 'shop', owner: { login: 'acme' } } },
      baseRefOid: await headOf('main'),
      headRefOid: sha,
      headRef: { name: 'pears', target: { oid: sha } },
      commits: {
        nodes: [
          {
            commit: {
              oid: sha,
              status: { state: 'SUCCESS', contexts: [{ context: 'build', state: 'SUCCESS' }] },
              statusCheckRollup: { state: 'SUCCESS' },
            },
          },
        ],
      },
      repository: { branchProtectionRules: { nodes: [] } },
    });
  });

  it('tells no sum of checks and statuses where there are none', async () => {
    const { repository } = await rig.graphql(
      `query ($owner: String!, $name: String!) { repository(owner: $owner, name: $name) {
        defaultBranchRef { target { ... on Commit { statusCheckRollup { state } } } }
      } }`,
      { owner: 'acme', name: 'shop' },
    );
    expect(repository).toEqual({ defaultBranchRef: { target: { statusCheckRollup: null } } });
  });

  it('merges, but no other head than the one that was seen', async () => {
    const pullRequestId = seen.pull.node_id;
    const stale = rig.mutate('mergePullRequest', { pullRequestId, expectedHeadOid: '0'.repeat(40) });
    expect(await rig.errorsOf(stale)).toMatchObject([
      { type: 'UNPROCESSABLE', message: expect.stringContaining('Head branch was modified') },
    ]);
    expect((await pull()).state).toBe('open');
    const input = { pullRequestId, expectedHeadOid: await headOf('pears'), mergeMethod: 'MERGE' };
    const merged = await rig.mutate('mergePullRequest', input, 'pullRequest { merged state mergedBy { login } }');
    expect(merged.pullRequest).toEqual({ merged: true, state: 'MERGED', mergedBy: { login: rig.fake.bot.login } });
    expect((await pull()).state).toBe('merged');
    expect(await rig.fake.readFile(shop, 'main', 'pears.txt')).toBe('one\ntwo\n');
  });

  it('drafts a release from the history of a branch and its pull requests', async () => {
    const query = `query ($owner: String!, $repo: String!, $branch: String!, $first: Int!, $after: String, $withBody: Boolean!) {
      repository(owner: $owner, name: $repo) { object(expression: $branch) { ... on Commit {
        history(first: $first, after: $after) {
          totalCount pageInfo { hasNextPage endCursor }
          nodes {
            id committedDate message author { name user { login } }
            associatedPullRequests(first: 5) { nodes {
              title number url body @include(if: $withBody) author { login } baseRepository { nameWithOwner }
              mergedAt merged isCrossRepository baseRefName headRefName labels(first: 100) { nodes { name } }
            } }
          }
        }
      } } }
    }`;
    const nodes: Loose[] = [];
    for (let after: string | null = null, more = true; more; ) {
      const variables = { ...where, branch: 'refs/heads/main', first: 2, after, withBody: true };
      const { history }: Loose = (await rig.graphql(query, variables)).repository.object;
      nodes.push(...history.nodes);
      after = history.pageInfo.endCursor;
      more = history.pageInfo.hasNextPage;
    }
    const titles = nodes.map(({ message }) => String(message).split('\n')[0]);
    expect(titles).toEqual([expect.stringMatching(/^Merge /), 'Add pears', expect.stringMatching(/Initial commit/)]);
    const found = new Map(
      nodes.flatMap((node) => node.associatedPullRequests.nodes.map((one: Loose) => [one.number, one] as const)),
    );
    expect([...found.values()]).toEqual([
      expect.objectContaining({
        title: 'Sweet pears',
        number: seen.pull.number,
        body: 'Much fruit.',
        author: { login: 'alice' },
        merged: true,
        mergedAt: expect.any(String),
        isCrossRepository: false,
        baseRefName: 'main',
        headRefName: 'pears',
        baseRepository: { nameWithOwner: 'acme/shop' },
        labels: { nodes: [{ name: 'bug' }] },
      }),
    ]);
  });

  it('makes a branch for an issue, commits to it in one step, opens its pull request and deletes it', async () => {
    const { repository } = await rig.graphql(
      `query ($owner: String!, $repo: String!) { repository(owner: $owner, name: $repo) {
        id defaultBranchRef { name target { oid } } ref(qualifiedName: "refs/heads/issue-1") { id }
      } }`,
      where,
    );
    const { oid } = repository.defaultBranchRef.target;
    expect([oid, repository.ref]).toEqual([await headOf('main'), null]);
    const made = await rig.mutate(
      'createRef',
      { repositoryId: seen.repository.node_id, name: 'refs/heads/issue-1', oid },
      'ref { id name target { oid } }',
    );
    expect(made.ref).toMatchObject({ name: 'issue-1', target: { oid } });
    expect(await headOf('issue-1')).toBe(oid);
    const commit = {
      branch: { repositoryNameWithOwner: 'acme/shop', branchName: 'issue-1' },
      message: { headline: 'Add plums', body: 'As asked.' },
      fileChanges: {
        additions: [
          { path: 'plums.txt', contents: base64('plums 2\n') },
          { path: 'prices.txt', contents: base64('apples 3\n') },
        ],
        deletions: [{ path: 'docs/how.md' }],
      },
      expectedHeadOid: oid,
    };
    const { commit: told } = await rig.mutate('createCommitOnBranch', commit, 'commit { oid message }');
    expect([told.oid, String(told.message).trim()]).toEqual([await headOf('issue-1'), 'Add plums\n\nAs asked.']);
    const read = (path: string) => rig.fake.readFile(shop, 'issue-1', path);
    expect([await read('plums.txt'), await read('prices.txt'), await read('docs/how.md')]).toEqual([
      'plums 2\n',
      'apples 3\n',
      undefined,
    ]);
    const empty = { ...commit, message: { headline: 'Begin' }, fileChanges: {}, expectedHeadOid: told.oid };
    const begun = await rig.mutate('createCommitOnBranch', empty, 'commit { oid }');
    const { parents } = await rig.rest('GET /repos/{owner}/{repo}/git/commits/{commit_sha}', {
      commit_sha: begun.commit.oid,
    });
    expect(parents.map((one: Loose) => one.sha)).toEqual([told.oid]);
    expect(await rig.errorsOf(rig.mutate('createCommitOnBranch', commit))).toMatchObject([{ type: 'STALE_DATA' }]);

    const wish = {
      repositoryId: repository.id,
      baseRefName: 'main',
      headRefName: 'issue-1',
      title: 'Plums',
      draft: true,
    };
    const opened = await rig.mutate('createPullRequest', wish, 'pullRequest { id number isDraft }');
    expect((await state()).pullRequests).toContainEqual(
      expect.objectContaining({ number: opened.pullRequest.number, title: 'Plums', draft: true, head: 'issue-1' }),
    );
    await rig.mutate('closePullRequest', { pullRequestId: opened.pullRequest.id });
    await rig.mutate('deleteRef', { refId: made.ref.id });
    expect(await headOf('issue-1')).toBeUndefined();
    await expect(rig.mutate('deleteRef', { refId: made.ref.id })).rejects.toThrow();
  });

  it('searches issues and pull requests', async () => {
    const query = `query ($q: String!) { search(query: $q, type: ISSUE, first: 10) {
      issueCount nodes { __typename ... on PullRequest { id title merged } ... on Issue { id title } }
    } }`;
    const { search } = await rig.graphql(query, { q: 'repo:acme/shop is:pr is:merged' });
    expect(search).toEqual({
      issueCount: 1,
      nodes: [{ __typename: 'PullRequest', id: seen.pull.node_id, title: 'Sweet pears', merged: true }],
    });
    const issues = await rig.graphql(query, { q: 'repo:acme/shop is:issue is:open plums' });
    expect(issues.search.nodes).toEqual([{ __typename: 'Issue', id: seen.issue.node_id, title: 'Plums are missing' }]);
  });

  it('merges by itself once the checks have succeeded, and changes its mind', async () => {
    const alice = rig.fake.as('alice', shop);
    const sha = await alice.push({ branch: 'later', files: { 'later.txt': 'x\n' }, message: 'Later' });
    await alice.openPullRequest({ head: 'later', title: 'Later' });
    const { node_id: pullRequestId, number } = (await rig.told('pull_request.opened')).pull_request;
    await rig.rest('PUT /repos/{owner}/{repo}/branches/{branch}/protection', {
      branch: 'main',
      required_status_checks: { strict: false, contexts: ['build'] },
      enforce_admins: null,
      required_pull_request_reviews: null,
      restrictions: null,
    });
    await rig.fake.as('bob', shop).setStatus(sha, { context: 'build', state: 'pending' });
    const input = { pullRequestId, mergeMethod: 'SQUASH', commitHeadline: 'All of it', expectedHeadOid: sha };
    const told = 'pullRequest { state autoMergeRequest { mergeMethod commitHeadline enabledBy { login } } }';
    const set = await rig.mutate('enablePullRequestAutoMerge', input, told);
    expect(set.pullRequest).toEqual({
      state: 'OPEN',
      autoMergeRequest: {
        mergeMethod: 'SQUASH',
        commitHeadline: 'All of it',
        enabledBy: { login: rig.fake.bot.login },
      },
    });
    expect((await rig.rest(PULL, { pull_number: number })).auto_merge).toMatchObject({ merge_method: 'squash' });
    const off = await rig.mutate('disablePullRequestAutoMerge', { pullRequestId }, told);
    expect(off.pullRequest.autoMergeRequest).toBeNull();
    expect((await rig.rest(PULL, { pull_number: number })).auto_merge).toBeNull();
    const stale = { ...input, expectedHeadOid: '0'.repeat(40) };
    expect(await rig.errorsOf(rig.mutate('enablePullRequestAutoMerge', stale))).toMatchObject([
      { type: 'UNPROCESSABLE', message: expect.stringContaining('Head branch was modified') },
    ]);
  });

  it('names the forge where it does not know a field, a mutation or a thing', async () => {
    const field = rig.graphql('query { viewer { login sponsorsListing { slug } } }');
    expect(await rig.errorsOf(field)).toMatchObject([
      { type: 'NOT_SUPPORTED', message: `Field 'sponsorsListing' on type 'User' is not supported on ${label}.` },
    ]);
    const before = await state();
    const mutation = rig.graphql(
      `mutation ($id: ID!) {
        addComment(input: { subjectId: $id, body: "Not this either" }) { clientMutationId }
        pinIssue(input: { issueId: $id }) { clientMutationId }
      }`,
      { id: seen.issue.node_id },
    );
    expect(await rig.errorsOf(mutation)).toMatchObject([
      { type: 'NOT_SUPPORTED', message: `Field 'pinIssue' on type 'Mutation' is not supported on ${label}.` },
    ]);
    expect(await state()).toEqual(before);
    const hidden = rig.mutate('minimizeComment', {
      subjectId: (
        await rig.mutate(
          'addComment',
          { subjectId: seen.issue.node_id, body: 'Hide me' },
          'commentEdge { node { id } }',
        )
      ).commentEdge.node.id,
      classifier: 'OUTDATED',
    });
    expect(await rig.errorsOf(hidden)).toMatchObject([
      { type: 'NOT_SUPPORTED', message: expect.stringContaining(`${label} does not support`) },
    ]);
    const gone = rig.graphql('query { repository(owner: "acme", name: "gone") { id } }');
    expect(await rig.errorsOf(gone)).toMatchObject([{ type: 'NOT_FOUND' }]);
  });
});
