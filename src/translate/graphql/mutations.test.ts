import { describe, expect, it } from '@jest/globals';
import { ISSUE, PULL, seeded } from '../../../test/support/github-rest/seed.js';
import { OWNER, person, REPO, sha } from '../../../test/support/github-rest/world.js';
import { ask, mutate, run } from '../../../test/support/graphql.js';
import { nodeId } from '../../forges/kit/shapes/node-id.js';

const where = `${OWNER}/${REPO}`;
const pullId = nodeId('PullRequest', 507, `${where}#${PULL}`);
const issueId = nodeId('Issue', 612, `${where}#${ISSUE}`);
const repositoryId = nodeId('Repository', 40, where);
const commentId = nodeId('IssueComment', 72, `${where}#${ISSUE}`);
const label = (id: number, name: string) => nodeId('Label', id, `${where}#${name}`);

describe('mutations of conversations', () => {
  it('addComment comments by the node id of a payload', async () => {
    const double = seeded();
    const subjectId = double.asIssue(ISSUE).node_id;
    const payload =
      'clientMutationId subject { id ... on Issue { comments(first: 9) { totalCount } } } commentEdge { node { id body author { login } } }';
    expect(
      await mutate(double, 'addComment', { subjectId, body: 'Thanks!', clientMutationId: 'once' }, payload),
    ).toEqual({
      clientMutationId: 'once',
      subject: { id: issueId, comments: { totalCount: 2 } },
      commentEdge: {
        node: { id: nodeId('IssueComment', 1_001, `${where}#${ISSUE}`), body: 'Thanks!', author: { login: 'robot' } },
      },
    });
    expect(double.world.comments.get(1_001)).toMatchObject({ number: ISSUE, input: { body: 'Thanks!' } });
  });

  it('addComment takes a literal input, on a pull request too', async () => {
    const double = seeded();
    await run(double, `mutation { addComment(input: { subjectId: "${pullId}", body: "Hi" }) { clientMutationId } }`);
    expect([...double.world.comments.values()].at(-1)).toMatchObject({ number: PULL, input: { body: 'Hi' } });
  });

  it('updateIssueComment and deleteIssueComment', async () => {
    const double = seeded();
    const updated = await mutate(
      double,
      'updateIssueComment',
      { id: commentId, body: 'New' },
      'issueComment { body id }',
    );
    expect(updated).toEqual({ issueComment: { body: 'New', id: commentId } });
    expect(double.world.comments.get(72)?.input.body).toBe('New');
    await mutate(double, 'deleteIssueComment', { id: commentId });
    expect(double.world.comments.has(72)).toBe(false);
  });

  it('addLabelsToLabelable by ids that say the name and by ids that do not', async () => {
    const double = seeded();
    const labelIds = [label(2, 'good first issue'), nodeId('Label', 1)];
    const payload = 'labelable { labels(first: 9) { nodes { name } } }';
    double.world.issues.set(ISSUE, { ...double.world.issues.get(ISSUE), labels: [] } as never);
    expect(await mutate(double, 'addLabelsToLabelable', { labelableId: issueId, labelIds }, payload)).toEqual({
      labelable: { labels: { nodes: [{ name: 'good first issue' }, { name: 'bug' }] } },
    });
    const { errors } = await ask(
      double,
      'mutation ($id: ID!, $ids: [ID!]!) { addLabelsToLabelable(input: { labelableId: $id, labelIds: $ids }) { clientMutationId } }',
      { id: issueId, ids: [nodeId('Label', 77)] },
    );
    expect(errors).toMatchObject([{ type: 'NOT_FOUND', path: ['addLabelsToLabelable'] }]);
  });

  it('removeLabelsFromLabelable, also one that is not there, and clearLabelsFromLabelable', async () => {
    const double = seeded();
    const labelIds = [label(1, 'bug'), label(2, 'good first issue')];
    await mutate(double, 'removeLabelsFromLabelable', { labelableId: pullId, labelIds });
    expect(double.pull(PULL).labels).toEqual([]);
    await mutate(double, 'clearLabelsFromLabelable', { labelableId: issueId });
    expect(double.world.issues.get(ISSUE)?.labels).toEqual([]);
  });

  it('addAssigneesToAssignable and removeAssigneesFromAssignable', async () => {
    const double = seeded();
    const payload = 'assignable { assignees(first: 9) { nodes { login } } }';
    const assigneeIds = [nodeId('User', 7), nodeId('Bot', 9, 'robot')];
    expect(await mutate(double, 'addAssigneesToAssignable', { assignableId: issueId, assigneeIds }, payload)).toEqual({
      assignable: { assignees: { nodes: [{ login: 'ben' }, { login: 'anna' }, { login: 'robot' }] } },
    });
    await mutate(double, 'removeAssigneesFromAssignable', { assignableId: issueId, assigneeIds });
    expect(double.world.issues.get(ISSUE)?.assignees).toEqual([person('ben')]);
  });

  it('lockLockable and unlockLockable', async () => {
    const double = seeded();
    const payload = 'lockedRecord { locked }';
    expect(await mutate(double, 'lockLockable', { lockableId: issueId, lockReason: 'TOO_HEATED' }, payload)).toEqual({
      lockedRecord: { locked: true },
    });
    expect(double.world.locks.get(ISSUE)).toBe('too heated');
    await mutate(double, 'unlockLockable', { lockableId: issueId });
    expect(double.world.locks.size).toBe(0);
  });
});

describe('mutations of issues', () => {
  it('createIssue', async () => {
    const double = seeded();
    const input = {
      repositoryId: nodeId('Repository', 40),
      title: 'New',
      body: 'Text',
      labelIds: [label(1, 'bug')],
      assigneeIds: [nodeId('User', 8, 'ben')],
      milestoneId: nodeId('Milestone', 6, `${where}#2`),
    };
    const made = await mutate(double, 'createIssue', input, 'issue { title body milestone { title } number }');
    expect(made).toEqual({
      issue: { title: 'New', body: 'Text', milestone: { title: 'v2' }, number: expect.any(Number) },
    });
    expect([...double.world.issues.values()].at(-1)).toMatchObject({
      title: 'New',
      labels: [{ name: 'bug' }],
      assignees: [{ login: 'ben' }],
    });
  });

  it('updateIssue changes what is said and leaves the rest', async () => {
    const double = seeded();
    const input = { id: issueId, title: 'Renamed', labelIds: [], milestoneId: null, body: null, projectIds: [] };
    expect(await mutate(double, 'updateIssue', input, 'issue { title body labels(first: 1) { totalCount } }')).toEqual({
      issue: { title: 'Renamed', body: 'It broke.', labels: { totalCount: 0 } },
    });
    const patched = double.sent.find(({ route }) => route.startsWith('PATCH'));
    expect(patched?.parameters).toEqual({
      owner: OWNER,
      repo: REPO,
      issue_number: ISSUE,
      title: 'Renamed',
      labels: [],
      milestone: null,
    });
  });

  it('closeIssue and reopenIssue', async () => {
    const double = seeded();
    const closed = await mutate(
      double,
      'closeIssue',
      { issueId, stateReason: 'NOT_PLANNED' },
      'issue { state stateReason closed }',
    );
    expect(closed).toEqual({ issue: { state: 'CLOSED', stateReason: 'NOT_PLANNED', closed: true } });
    expect(double.world.issues.get(ISSUE)).toMatchObject({ state: 'closed', stateReason: 'not_planned' });
    await mutate(double, 'reopenIssue', { issueId });
    expect(double.world.issues.get(ISSUE)?.state).toBe('open');
  });

  it('puts nothing on a project that no forge has', async () => {
    const double = seeded();
    const text =
      'mutation ($id: ID!) { updateIssue(input: { id: $id, title: "x", projectIds: ["p"] }) { issue { id } } }';
    const { errors, unsupported } = await ask(double, text, { id: issueId });
    expect(errors).toMatchObject([{ type: 'NOT_SUPPORTED' }]);
    expect(unsupported).toEqual(['projectIds']);
    expect(double.world.issues.get(ISSUE)?.title).toBe(`Issue ${ISSUE}`);
  });
});

describe('mutations of reviews and reactions', () => {
  it('addPullRequestReview and dismissPullRequestReview', async () => {
    const double = seeded();
    const input = {
      pullRequestId: pullId,
      event: 'APPROVE',
      body: 'Good',
      threads: [{ path: 'README.md', line: 1, body: 'here' }],
    };
    const payload = 'pullRequestReview { id state body author { login } }';
    const made = (await mutate(double, 'addPullRequestReview', input, payload)) as {
      pullRequestReview: { id: string };
    };
    expect(made).toEqual({
      pullRequestReview: { id: expect.any(String), state: 'APPROVED', body: 'Good', author: { login: 'robot' } },
    });
    expect(double.sent.at(-1)?.parameters).toMatchObject({
      comments: [{ path: 'README.md', line: 1, side: 'RIGHT', body: 'here' }],
    });
    const pullRequestReviewId = made.pullRequestReview.id;
    expect(
      await mutate(
        double,
        'dismissPullRequestReview',
        { pullRequestReviewId, message: 'Old' },
        'pullRequestReview { state }',
      ),
    ).toEqual({
      pullRequestReview: { state: 'DISMISSED' },
    });
    expect(double.world.reviews.get(PULL)?.at(-1)?.state).toBe('dismissed');
  });

  it('resolveReviewThread, unresolveReviewThread and a reply', async () => {
    const double = seeded();
    const threadId = nodeId('PullRequestReviewThread', 91, `${where}#${PULL}`);
    const payload = 'thread { id isResolved resolvedBy { login } }';
    expect(await mutate(double, 'resolveReviewThread', { threadId }, payload)).toEqual({
      thread: { id: threadId, isResolved: true, resolvedBy: { login: 'ben' } },
    });
    expect(double.world.threads.get(PULL)?.[0]?.resolved).toBe(true);
    await mutate(double, 'unresolveReviewThread', { threadId });
    expect(double.world.threads.get(PULL)?.[0]?.resolved).toBe(false);
    const reply = { pullRequestReviewThreadId: threadId, body: 'Done' };
    expect(
      await mutate(double, 'addPullRequestReviewThreadReply', reply, 'comment { body replyTo { databaseId } }'),
    ).toEqual({
      comment: { body: 'Done', replyTo: { databaseId: 91 } },
    });
  });

  it('minimizeComment and unminimizeComment, where the forge can', async () => {
    const double = seeded();
    const payload = 'minimizedComment { isMinimized minimizedReason }';
    expect(await mutate(double, 'minimizeComment', { subjectId: commentId, classifier: 'OFF_TOPIC' }, payload)).toEqual(
      {
        minimizedComment: { isMinimized: true, minimizedReason: 'off-topic' },
      },
    );
    expect(double.world.comments.get(72)?.minimized).toBe('off-topic');
    const again = await mutate(
      double,
      'unminimizeComment',
      { subjectId: commentId },
      'unminimizedComment { isMinimized }',
    );
    expect(again).toEqual({ unminimizedComment: { isMinimized: false } });
    double.missing.add('PUT /repos/{owner}/{repo}/issues/comments/{comment_id}/minimized');
    const text =
      'mutation ($id: ID!) { minimizeComment(input: { subjectId: $id, classifier: SPAM }) { clientMutationId } }';
    expect((await ask(double, text, { id: commentId })).errors).toMatchObject([{ type: 'NOT_SUPPORTED' }]);
  });

  it.each([
    ['an issue', issueId, `issue ${ISSUE}`],
    ['a comment', commentId, 'comment 72'],
    ['a comment on a line', nodeId('PullRequestReviewComment', 91, `${where}#${PULL}`), 'line 91'],
  ])('addReaction and removeReaction on %s', async (_what, subjectId, key) => {
    const double = seeded();
    const input = { subjectId, content: 'THUMBS_UP' };
    expect(await mutate(double, 'addReaction', input, 'reaction { content } subject { id databaseId }')).toEqual({
      reaction: { content: 'THUMBS_UP' },
      subject: { id: subjectId, databaseId: expect.any(Number) },
    });
    expect(double.world.reactions.get(key)).toMatchObject([{ content: '+1' }]);
    await mutate(double, 'removeReaction', input);
    expect(double.world.reactions.get(key)).toEqual([]);
    const text =
      'mutation ($id: ID!) { removeReaction(input: { subjectId: $id, content: EYES }) { clientMutationId } }';
    expect((await ask(double, text, { id: subjectId })).errors).toMatchObject([{ type: 'NOT_FOUND' }]);
  });
});

describe('mutations of a repository', () => {
  it('createRef, updateRef and deleteRef', async () => {
    const double = seeded();
    const made = await mutate(
      double,
      'createRef',
      { repositoryId, name: 'refs/heads/new', oid: sha('first') },
      'ref { id name target { oid } }',
    );
    const refId = nodeId('Ref', 'refs/heads/new', where);
    expect(made).toEqual({ ref: { id: refId, name: 'new', target: { oid: sha('first') } } });
    await mutate(double, 'updateRef', { refId, oid: sha('third'), force: true });
    expect(double.world.refs.get('heads/new')).toBe(sha('third'));
    await mutate(double, 'deleteRef', { refId });
    expect(double.world.refs.has('heads/new')).toBe(false);
  });

  it('mergeBranch', async () => {
    const double = seeded();
    const input = { repositoryId, base: 'main', head: 'topic', commitMessage: 'Bring it in' };
    expect(
      await mutate(double, 'mergeBranch', input, 'mergeCommit { message parents(first: 3) { totalCount } }'),
    ).toEqual({
      mergeCommit: { message: 'Bring it in', parents: { totalCount: 2 } },
    });
    expect(double.world.refs.get('heads/main')).not.toBe(sha('third'));
  });

  it('createLabel, updateLabel and deleteLabel', async () => {
    const double = seeded();
    const made = await mutate(
      double,
      'createLabel',
      { repositoryId, name: 'new', color: '123456' },
      'label { id name }',
    );
    const { id } = (made as { label: { id: string } }).label;
    expect(await mutate(double, 'updateLabel', { id, name: 'newer' }, 'label { name color }')).toEqual({
      label: { name: 'newer', color: '123456' },
    });
    await mutate(double, 'deleteLabel', { id: label(1_001, 'newer') });
    expect(double.world.labels.map((one) => one.name)).toEqual(['bug', 'good first issue']);
  });
});
