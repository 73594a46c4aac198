/** A repository with a little of everything, on the forge in memory. */
import type * as inputs from '../../../src/forges/kit/shapes/inputs.js';
import { createRestDouble, type RestDouble } from './double.js';
import { day, person, repositoryInput, sha } from './world.js';

/** Numbers as on a forge whose issues are counted apart. */
export const PULL = 7;
export const MERGED = 5;
export const ISSUE = 1_000_000_012;

export const fork: inputs.RepositoryInput = {
  ...repositoryInput,
  id: 41,
  owner: { id: 7, login: 'anna' },
  htmlUrl: 'https://forge.example.com/anna/web',
  fork: true,
};

export function seeded(): RestDouble {
  const double = createRestDouble();
  const { world: w, addCommit } = double;
  const readme = Buffer.from('# Web\n');
  const tree = new Map([
    ['README.md', { mode: '100644', content: readme }],
    ['bin/run', { mode: '100755', content: Buffer.from('#!/bin/sh\n') }],
    ['docs/logo.png', { mode: '100644', content: Buffer.from([0x89, 0x50, 0, 0xff]) }],
  ]);
  const dated = (name: string, number: number) => {
    const author = { name: 'Anna', email: 'anna@example.com', date: day(number), account: person('anna') };
    return addCommit(name, { author, tree });
  };
  w.history.push(dated('third', 3), dated('second', 2), dated('first', 1));
  w.refs.set('heads/main', sha('third'));
  w.refs.set('heads/topic', addCommit('topic', { tree }));
  w.refs.set('tags/v1', sha('first'));
  w.protection.set('main', {
    required_status_checks: { strict: true, contexts: ['ci'] },
    required_pull_request_reviews: { required_approving_review_count: 2 },
    enforce_admins: { enabled: true },
    restrictions: null,
  });

  w.labels.push({ id: 1, name: 'bug', color: 'ff0000' }, { id: 2, name: 'good first issue', color: '00ff00' });
  w.milestones.push({ id: 6, number: 2, title: 'v2', state: 'open', openIssues: 1, closedIssues: 3 });
  const pull = (number: number, more: Partial<inputs.PullRequestInput>): inputs.PullRequestInput => ({
    id: 500 + number,
    number,
    htmlUrl: `https://forge.example.com/acme/tools/web/-/p/${number}`,
    title: `Change ${number}`,
    body: `Closes #${ISSUE}, see #3.`,
    state: 'open',
    author: person('ben'),
    association: 'MEMBER',
    head: { ref: 'topic', sha: sha('topic'), repository: repositoryInput },
    base: { ref: 'main', sha: sha('third'), repository: repositoryInput },
    labels: [{ id: 1, name: 'bug', color: 'ff0000' }],
    createdAt: day(number),
    updatedAt: day(number),
    additions: 10,
    deletions: 4,
    changedFiles: 2,
    mergeable: true,
    mergeableState: 'blocked',
    ...more,
  });
  w.pulls.set(PULL, pull(PULL, { reviewers: [person('anna')], teams: [{ id: 5, name: 'Core', slug: 'core' }] }));
  const gone: inputs.SideInput = { ref: 'fix', sha: sha('second'), repository: fork };
  const merged = { merged: true, mergedAt: day(6), mergedBy: person('anna'), mergeCommitSha: sha('third') };
  w.pulls.set(MERGED, pull(MERGED, { state: 'closed', head: gone, closedAt: day(6), ...merged }));
  w.pullsOfCommit.set(sha('third'), [MERGED]);
  w.pullsOfCommit.set(sha('second'), [MERGED]);
  w.pullsOfCommit.set(sha('topic'), [PULL]);
  w.files.set(PULL, [
    { path: 'README.md', status: 'modified', additions: 1, deletions: 1 },
    { path: 'old.md', status: 'removed', additions: 0, deletions: 3 },
  ]);
  const issue = (number: number, more: Partial<inputs.IssueInput> = {}): inputs.IssueInput => ({
    id: 600 + (number % 1_000),
    number,
    htmlUrl: `https://forge.example.com/acme/tools/web/-/i/${number}`,
    title: `Issue ${number}`,
    body: 'It broke.',
    state: 'open',
    author: person('anna'),
    createdAt: day(1),
    ...more,
  });
  w.issues.set(ISSUE, issue(ISSUE, { labels: [{ id: 1, name: 'bug', color: 'ff0000' }], assignees: [person('ben')] }));
  const closed = issue(1_000_000_013, { state: 'closed', stateReason: 'completed', createdAt: day(2) });
  w.issues.set(1_000_000_013, closed);

  const comment = (id: number, number: number, author: string): inputs.CommentInput => ({
    id,
    number,
    htmlUrl: `https://forge.example.com/c/${id}`,
    body: `Comment ${id}`,
    author: person(author),
    createdAt: day(4),
  });
  for (const [id, number] of [
    [71, PULL],
    [72, ISSUE],
  ] as const)
    w.comments.set(id, { number, input: comment(id, number, 'robot') });
  const review = (id: number, author: string, state: inputs.ReviewInput['state']): inputs.ReviewInput => ({
    id,
    number: PULL,
    htmlUrl: `https://forge.example.com/r/${id}`,
    pullRequestHtmlUrl: 'https://forge.example.com/p',
    author: person(author),
    association: 'MEMBER',
    state,
    commitSha: sha('topic'),
    submittedAt: day(4),
  });
  w.reviews.set(PULL, [
    review(81, 'anna', 'changes_requested'),
    review(82, 'anna', 'approved'),
    review(83, 'ben', 'commented'),
  ]);
  const line = (id: number, more: Partial<inputs.ReviewCommentInput> = {}): inputs.ReviewCommentInput => ({
    ...comment(id, PULL, 'anna'),
    path: 'README.md',
    commitSha: sha('topic'),
    line: 1,
    reviewId: 82,
    ...more,
  });
  w.threads.set(PULL, [
    { resolved: false, comments: [line(91), line(92, { inReplyTo: 91 })] },
    { resolved: true, comments: [line(93, { line: null, originalLine: 4 })] },
  ]);
  w.statuses.set(sha('topic'), [{ id: 31, sha: sha('topic'), state: 'success', context: 'lint' }]);
  w.runs.set(sha('topic'), [
    { id: 32, name: 'test', headSha: sha('topic'), status: 'completed', conclusion: 'failure', suiteId: 33 },
    { id: 34, name: 'build', headSha: sha('topic'), status: 'in_progress', suiteId: 33 },
  ]);
  const release = { target: 'main', htmlUrl: 'https://forge.example.com/v', author: person('anna') };
  w.releases.push(
    { ...release, id: 52, tag: 'v2', draft: true, name: 'Next' },
    { ...release, id: 51, tag: 'v1', name: 'One', publishedAt: day(2), createdAt: day(2) },
  );
  return double;
}
