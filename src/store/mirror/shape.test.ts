import { describe, expect, it } from '@jest/globals';
import { stateOf } from '../told/state.js';
import { comment, issue, listedCommit, pullRequest, pushedCommit, readShape, repository, review } from './shape.js';

const time = '2026-01-01T00:00:00Z';
const sha = 'c'.repeat(40);
const rawPullRequest = {
  id: '9007199254740993',
  number: 1,
  title: 'T',
  body: null,
  state: 'open',
  user: { id: 1, login: 'ann' },
  head: { ref: 'page', sha, repo: { id: 2 } },
  base: { ref: 'main', sha },
  merge_commit_sha: sha,
  html_url: 'https://forge.example/1',
  updated_at: time,
  merged_at: null,
};
const codeOf = (run: () => unknown) => {
  try {
    run();
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    return `${code} ${message}`;
  }
  return 'no error';
};

describe('shapes', () => {
  it('read ids beyond 2^53 exactly from text, and refuse them as rounded numbers', () => {
    expect(readShape(pullRequest, rawPullRequest, 'pull_request').remoteId).toBe(9_007_199_254_740_993n);
    const rounded = { ...rawPullRequest, id: Number('9007199254740993') };
    expect(codeOf(() => readShape(pullRequest, rounded, 'pull_request'))).toBe(
      'FORGEWAY_PAYLOAD_INVALID pull_request: id: is not an id',
    );
  });

  it('leave tokens that people wrote with their forge, and nothing else', () => {
    const token = `glpat-${'x'.repeat(20)}`;
    const raw = {
      ...rawPullRequest,
      title: `use ${token}`,
      body: `git clone https://me:${token}@h/a.git, password: x`,
    };
    expect(readShape(pullRequest, raw, 'pull_request')).toMatchObject({
      title: 'use [redacted]',
      body: 'git clone https://[redacted]@h/a.git, password: x',
    });
    // What the poller compares is made the same way, so that such a text is not told as changed each time.
    expect(stateOf(raw)).toMatchObject({ title: 'use [redacted]' });
    expect(stateOf(raw)).toEqual(stateOf({ ...raw }));
  });

  it('derive merged from either field, and show a merge commit only then', () => {
    const read = (changes: object) => readShape(pullRequest, { ...rawPullRequest, ...changes }, 'pull_request');
    expect(read({})).toMatchObject({ state: 'open', mergeCommitSha: null, draft: false, additions: null, labels: [] });
    expect(read({ state: 'closed' })).toMatchObject({ state: 'closed', mergeCommitSha: null });
    expect(read({ state: 'closed', merged: true })).toMatchObject({ state: 'merged', mergeCommitSha: sha });
    expect(read({ state: 'closed', merged_at: time })).toMatchObject({ state: 'merged', mergedAt: new Date(time) });
  });

  it('read deleted forks, deleted accounts and teams', () => {
    const raw = {
      ...rawPullRequest,
      user: null,
      head: { ref: 'page', sha, repo: null },
      assignees: [null, { id: 3, login: 'bob' }],
      requested_reviewers: [{ id: 4, login: 'cat' }],
      requested_teams: [{ slug: 'web', name: 'Web' }],
    };
    expect(readShape(pullRequest, raw, 'pull_request')).toMatchObject({
      author: null,
      headRepositoryId: null,
      assignees: [{ id: 3n, login: 'bob' }],
      reviewers: [{ id: 4n, login: 'cat' }, { team: 'web' }],
    });
  });

  it('name the field that is missing or wrong, never its content', () => {
    const { updated_at: _gone, ...rest } = rawPullRequest;
    expect(codeOf(() => readShape(pullRequest, rest, 'pull_request'))).toContain('pull_request: updated_at: ');
    const bad = { ...rawPullRequest, head: { ref: 'page', sha: 'hunter2', repo: null } };
    expect(codeOf(() => readShape(pullRequest, bad, 'pull_request'))).toBe(
      'FORGEWAY_PAYLOAD_INVALID pull_request: head.sha: is not a commit id',
    );
    for (const nothing of [null, undefined, 1, 'x', []])
      expect(codeOf(() => readShape(pullRequest, nothing, 'pull_request'))).toContain('FORGEWAY_PAYLOAD_INVALID');
  });

  it('make text storable, and refuse a branch that would become another one', () => {
    const odd = { ...rawPullRequest, title: 'a\0b\uD800c' };
    expect(readShape(pullRequest, odd, 'pull_request').title).toBe('a\uFFFDb\uFFFDc');
    const branch = { ...rawPullRequest, head: { ref: 'a\0b', sha, repo: null } };
    expect(codeOf(() => readShape(pullRequest, branch, 'pull_request'))).toContain('head.ref: holds characters');
  });

  it('take a commit’s clock for what it is: anybody’s', () => {
    const raw = { id: sha.toUpperCase(), message: 'm', author: { name: 'n', email: 'e' } };
    const at = (timestamp: unknown) => readShape(pushedCommit, { ...raw, timestamp }, 'push').committedAt.toISOString();
    expect(at('2026-01-01T02:00:00+02:00')).toBe('2026-01-01T00:00:00.000Z');
    for (const nonsense of ['soon', '+99999-01-01T00:00:00Z', null, {}, -5])
      expect(at(nonsense)).toBe('1970-01-01T00:00:00.000Z');
    expect(readShape(pushedCommit, raw, 'push').sha).toBe(sha);
    const listed = { sha, commit: { message: 'm', author: null, committer: { name: 'n', date: time } } };
    expect(readShape(listedCommit, listed, 'commit')).toMatchObject({ committedAt: new Date(time), authorName: null });
  });

  it('read repositories with times as seconds, issues, comments and reviews', () => {
    const raw = {
      id: 1,
      name: 'web',
      owner: { login: 'acme' },
      html_url: 'u',
      private: false,
      updated_at: 1_767_225_600,
    };
    expect(readShape(repository, raw, 'repository')).toMatchObject({ updatedAt: new Date(time), defaultBranch: null });
    const rawIssue = { id: 1, number: 2, title: 'T', html_url: 'u', updated_at: time, pull_request: {} };
    expect(readShape(issue, rawIssue, 'issue')).toMatchObject({ isPullRequest: true, state: 'open' });
    const rawComment = { id: 1, body: 'b', html_url: 'u', updated_at: time, line: null, original_line: 7 };
    expect(readShape(comment, rawComment, 'comment')).toMatchObject({ line: 7, author: null });
    const rawReview = { id: 1, state: 'APPROVED', html_url: 'u', submitted_at: time };
    expect(readShape(review, rawReview, 'review')).toMatchObject({ state: 'approved', updatedAt: new Date(time) });
  });
});
