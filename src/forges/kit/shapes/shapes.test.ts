import { describe, expect, it } from '@jest/globals';
import {
  anna,
  api,
  base,
  bot,
  fullComment,
  fullCommit,
  fullIssue,
  fullJob,
  fullLabel,
  fullMilestone,
  fullPull,
  fullRelease,
  fullRepository,
  fullReview,
  fullReviewComment,
  fullRun,
  fullStatus,
  fullSuite,
  fullTeam,
  fullWorkflowRun,
  group,
  owner,
  page,
  sha,
  smallComment,
  smallCommit,
  smallIssue,
  smallJob,
  smallLabel,
  smallMilestone,
  smallPull,
  smallRelease,
  smallRepository,
  smallReview,
  smallReviewComment,
  smallRun,
  smallStatus,
  smallSuite,
  smallWorkflowRun,
  workflowInput,
} from '../../../../test/support/shape-inputs.js';
import { githubDefinitionErrors, githubFieldErrors } from '../../../../test/support/webhook-schema.js';
import { ghost, organization, user } from './account.js';
import { checkRun, checkSuite } from './check.js';
import { commitComment, issueComment, reviewComment } from './comment.js';
import { commit, file, gitCommit, pushCommit } from './commit.js';
import type * as inputs from './inputs.js';
import { issue } from './issue.js';
import { label } from './label.js';
import { milestone } from './milestone.js';
import { jsonId, nodeId, readNodeId } from './node-id.js';
import { pullRequest, simplePullRequest } from './pull-request.js';
import { release } from './release.js';
import { apiOf, repository, shortRepository } from './repository.js';
import { review } from './review.js';
import { combinedStatus, commitStatus, statusEvent } from './status.js';
import { team } from './team.js';
import { workflow, workflowJob, workflowRun } from './workflow.js';

describe('every shape, from the required inputs alone and from all of them, is what GitHub would send', () => {
  it.each<[string, string, unknown]>([
    ['user', 'small', user(base, anna)],
    ['user', 'full', user(base, bot)],
    ['user', 'ghost', ghost(base)],
    ['organization', 'small', organization(base, group)],
    ['repository', 'small', repository(base, smallRepository)],
    ['repository', 'full', repository(base, fullRepository)],
    ['label', 'small', label(base, owner, 'web', smallLabel)],
    ['label', 'full', label(base, owner, 'web', fullLabel)],
    ['milestone', 'small', milestone(base, owner, 'web', smallMilestone)],
    ['milestone', 'full', milestone(base, owner, 'web', fullMilestone)],
    ['pull-request', 'small', pullRequest(base, smallPull)],
    ['pull-request', 'full', pullRequest(base, fullPull)],
    ['simple-pull-request', 'full', simplePullRequest(base, fullPull)],
    ['issue', 'small', issue(base, owner, 'web', smallIssue)],
    ['issue', 'full', issue(base, owner, 'web', fullIssue)],
    ['issue-comment', 'small', issueComment(base, owner, 'web', smallComment)],
    ['issue-comment', 'full', issueComment(base, owner, 'web', fullComment)],
    ['pull-request-review', 'small', review(base, owner, 'web', smallReview, 'webhook')],
    ['pull-request-review', 'full', review(base, owner, 'web', fullReview, 'webhook')],
    ['pull-request-review-comment', 'small', reviewComment(base, owner, 'web', smallReviewComment)],
    ['pull-request-review-comment', 'full', reviewComment(base, owner, 'web', fullReviewComment)],
    ['commit', 'small', pushCommit(base, smallCommit)],
    ['commit', 'full', pushCommit(base, fullCommit)],
    ['release', 'small', release(base, owner, 'web', smallRelease)],
    ['release', 'full', release(base, owner, 'web', fullRelease)],
    ['release', 'draft', release(base, owner, 'web', { ...fullRelease, draft: true })],
    ['team', 'small', team(base, { id: 8, name: 'Core', slug: 'core', organization: owner })],
    ['team', 'full', team(base, fullTeam)],
    ['workflow', 'small', workflow(base, owner, 'web', workflowInput)],
    ['workflow-run', 'small', workflowRun(base, smallRepository, smallWorkflowRun)],
    ['workflow-run', 'full', workflowRun(base, fullRepository, fullWorkflowRun)],
    ['workflow-job', 'small', workflowJob(base, owner, 'web', smallJob)],
    ['workflow-job', 'full', workflowJob(base, owner, 'web', fullJob)],
  ])('%s (%s)', (definition, _which, value) => {
    expect(githubDefinitionErrors(definition, value)).toEqual([]);
  });

  it.each<[string, string, string, unknown]>([
    ['check_run$created', 'check_run', 'small', checkRun(base, owner, 'web', smallRun)],
    ['check_run$completed', 'check_run', 'full', checkRun(base, owner, 'web', fullRun)],
    ['check_suite$requested', 'check_suite', 'small', checkSuite(base, owner, 'web', smallSuite)],
    ['check_suite$completed', 'check_suite', 'full', checkSuite(base, owner, 'web', fullSuite)],
    ['commit_comment$created', 'comment', 'small', commitComment(base, owner, 'web', { ...smallComment, sha })],
    [
      'commit_comment$created',
      'comment',
      'full',
      commitComment(base, owner, 'web', { ...fullComment, sha, path: 'a', line: 3 }),
    ],
    ['status$event', 'commit', 'small', commit(base, owner, 'web', smallCommit)],
    ['status$event', 'commit', 'full', commit(base, owner, 'web', fullCommit)],
  ])('%s: %s (%s)', (definition, field, _which, value) => {
    expect(githubFieldErrors(definition, field, value)).toEqual([]);
  });

  it('the fields of a status event', () => {
    const event = {
      ...statusEvent(base, owner, 'web', smallStatus, { commit: fullCommit, branches: ['page'] }),
      repository: repository(base, smallRepository),
      sender: user(base, anna),
    };
    expect(githubDefinitionErrors('status$event', event)).toEqual([]);
  });

  it('is told when it is not', () => {
    expect(githubDefinitionErrors('label', { ...label(base, owner, 'web', smallLabel), id: 'five' })).toEqual([
      '/id must be integer',
    ]);
    expect(githubFieldErrors('status$event', 'commit', {})).toContain("/ must have required property 'sha'");
  });
});

describe('addresses', () => {
  it('name the API by the owner as apps see it, and pages as people see them', () => {
    expect(apiOf(base, owner, 'web')).toBe(api);
    expect(repository(base, smallRepository)).toMatchObject({
      url: api,
      pulls_url: `${api}/pulls{/number}`,
      git_url: 'git://forge.example.com/group/sub/web.git',
      ssh_url: 'git@forge.example.com:group/sub/web.git',
      clone_url: `${page}.git`,
    });
    expect(user(base, group).html_url).toBe('https://forge.example.com/group/sub');
    expect(file(base, owner, 'web', sha, { path: 'a b/c', status: 'added', additions: 1, deletions: 2 })).toMatchObject(
      {
        blob_url: `${page}/blob/${sha}/a%20b/c`,
        contents_url: `${api}/contents/a%20b/c?ref=${sha}`,
        changes: 3,
        sha: null,
      },
    );
  });

  it('encode what stands in them', () => {
    expect(label(base, owner, 'web', smallLabel).url).toBe(`${api}/labels/bug%20fix%2Fnow`);
    expect(user(base, bot).url).toBe(`${base.api}/users/helper%5Bbot%5D`);
    expect(release(base, owner, 'web', smallRelease).tarball_url).toBe(`${api}/tarball/v1.0%2Frc`);
  });

  it('of a pull request lead to its issue, its comments and its head', () => {
    expect(pullRequest(base, smallPull)).toMatchObject({
      url: `${api}/pulls/12`,
      issue_url: `${api}/issues/12`,
      statuses_url: `${api}/statuses/${sha}`,
      _links: { self: { href: `${api}/pulls/12` }, review_comment: { href: `${api}/pulls/comments{/number}` } },
    });
  });

  it("of a commit's parents are the commit's own with another SHA", () => {
    const parent = 'f'.repeat(40);
    const parents = [{ sha: parent, url: `${api}/git/commits/${parent}`, html_url: `${page}/-/commit/${parent}` }];
    expect(gitCommit(base, owner, 'web', fullCommit)).toMatchObject({ parents, verification: { verified: true } });
  });
});

describe('a known object', () => {
  const known = pullRequest(base, fullPull);

  it('fills in what was not told, and nothing else', () => {
    expect(pullRequest(base, { ...smallPull, title: 'Another', body: null, draft: false }, known)).toMatchObject({
      title: 'Another',
      body: null,
      draft: false,
      user: { login: 'anna' },
      additions: 1,
      labels: [{ name: 'bug fix/now' }],
      requested_teams: [{ slug: 'core-team' }],
      base: { repo: { default_branch: 'trunk', topics: ['web'] } },
      head: { repo: null },
    });
  });

  it('does not keep what was taken away', () => {
    const now = { ...smallPull, assignees: [], labels: [], milestone: null, author: null, autoMerge: false };
    expect(pullRequest(base, now, known)).toMatchObject({
      assignee: null,
      assignees: [],
      labels: [],
      milestone: null,
      user: { login: 'ghost' },
      auto_merge: null,
    });
  });

  it('tells how it will be merged, which a flag alone does not', () => {
    const autoMerge = { enabledBy: null, method: 'squash' as const, commitTitle: 'All of it', commitMessage: null };
    const told = pullRequest(base, { ...smallPull, autoMerge });
    expect(told.auto_merge).toEqual({
      enabled_by: null,
      merge_method: 'squash',
      commit_title: 'All of it',
      commit_message: null,
    });
    expect(pullRequest(base, { ...smallPull, autoMerge: true }, told).auto_merge).toEqual(told.auto_merge);
  });

  it('of another repository is not read', () => {
    const elsewhere = { ...smallPull, base: { ...smallPull.base, repository: { ...smallRepository, id: 41 } } };
    expect(pullRequest(base, elsewhere, known)).toMatchObject({ base: { repo: { id: 41, default_branch: 'main' } } });
  });

  it('fills in an issue', () => {
    const all = issue(base, owner, 'web', fullIssue);
    expect(issue(base, owner, 'web', smallIssue, all)).toMatchObject({
      user: { type: 'Bot' },
      comments: 3,
      body: 'Look',
    });
  });
});

describe('pull requests', () => {
  it('name the ghost as owner of a deleted fork, and the owner of a living one', () => {
    expect(pullRequest(base, smallPull).head).toMatchObject({ repo: null, user: { login: 'ghost' } });
    expect(pullRequest(base, fullPull)).toMatchObject({
      head: { label: 'anna:page' },
      base: { label: 'group~sub:main' },
    });
  });

  it('have a base repository', () => {
    const orphan = { ...smallPull, base: { ...smallPull.base, repository: null } };
    expect(() => pullRequest(base, orphan)).toThrow('Pull request 12 has no base repository.');
  });

  it('have no numbers in lists', () => {
    expect(Object.keys(simplePullRequest(base, fullPull))).not.toContain('additions');
  });
});

describe('reviews', () => {
  it('say their state in lower case to webhooks and in upper case to the API', () => {
    expect(review(base, owner, 'web', smallReview, 'webhook')).toMatchObject({
      state: 'changes_requested',
      body: null,
    });
    expect(review(base, owner, 'web', smallReview, 'api')).toMatchObject({
      state: 'CHANGES_REQUESTED',
      body: '',
      commit_id: null,
    });
  });

  it('have comments on lines, outdated lines and whole files', () => {
    const on = (lines: Partial<inputs.ReviewCommentInput>) =>
      reviewComment(base, owner, 'web', { ...smallReviewComment, ...lines });
    expect(on({ line: 5 })).toMatchObject({ line: 5, position: 5, original_line: 5, subject_type: 'line' });
    expect(on({ line: null, originalLine: 4 })).toMatchObject({ line: null, position: null, subject_type: 'line' });
    expect(on({})).toMatchObject({ line: null, subject_type: 'file' });
  });
});

describe('a combined status', () => {
  const of = (...states: [inputs.CommitStatusInput['state'], string][]) =>
    combinedStatus(
      base,
      repository(base, smallRepository),
      sha,
      states.map(([state, context]) => commitStatus(base, owner, 'web', { ...fullStatus, state, context })),
    );

  it.each([
    ['pending', of()],
    ['success', of(['success', 'a'], ['success', 'b'])],
    ['pending', of(['success', 'a'], ['pending', 'b'])],
    ['failure', of(['pending', 'a'], ['error', 'b'])],
    ['success', of(['success', 'a'], ['failure', 'a'])],
  ])('is %s', (state, combined) => {
    expect(combined.state).toBe(state);
  });

  it('shows the newest of each context', () => {
    expect(of(['success', 'a'], ['failure', 'a'])).toMatchObject({
      total_count: 1,
      statuses: [{ state: 'success', context: 'a' }],
      url: `${api}/commits/${sha}/status`,
    });
  });
});

describe('pictures', () => {
  it.each([
    ['/assets/img/avatar_default.png', `${new URL(base.web).origin}/assets/img/avatar_default.png`],
    ['//pictures.example.org/1.png', `${new URL(base.web).protocol}//pictures.example.org/1.png`],
    ['https://pictures.example.org/1.png', 'https://pictures.example.org/1.png'],
    ['', `${base.web}/bob.png`],
  ])('that a forge gives as %p have a whole address', (avatarUrl, whole) => {
    expect(user(base, { id: 1, login: 'bob', avatarUrl })).toMatchObject({ avatar_url: whole });
  });
});

describe('ids', () => {
  it('are numbers where that is exact', () => {
    expect(jsonId('9007199254740991')).toBe(9007199254740991);
    expect(jsonId('9007199254740993')).toBe('9007199254740993');
    expect(shortRepository(base, { ...smallRepository, id: '12' })).toMatchObject({
      id: 12,
      full_name: 'group~sub/web',
    });
  });

  it('of nodes are read back', () => {
    expect(readNodeId(nodeId('PullRequest', 12))).toEqual({ type: 'PullRequest', id: '12' });
    expect(readNodeId(nodeId('Commit', 'a:b'))).toEqual({ type: 'Commit', id: 'a:b' });
    expect(readNodeId(String(issue(base, owner, 'web', smallIssue).node_id))).toEqual({
      type: 'Issue',
      id: '50',
      where: 'group~sub/web#1000000003',
    });
    expect(readNodeId(String(label(base, owner, 'web', smallLabel).node_id))?.where).toBe('group~sub/web#bug fix/now');
    expect(user(base, group).node_id).toBe(organization(base, group).node_id);
    expect(readNodeId('MDQ6VXNlcjE=')).toBeUndefined();
    expect(readNodeId(`${nodeId('User', 1)}!`)).toBeUndefined();
  });
});
