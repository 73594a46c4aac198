import { describe, expect, it } from '@jest/globals';
import { routes } from './index.js';

/** What the surveyed apps call most, and what answers about apps themselves elsewhere: the rows that must not get lost. */
const MUST: readonly string[] = [
  'GET /repos/{owner}/{repo}/contents/{path}',
  'PUT /repos/{owner}/{repo}/contents/{path}',
  'POST /repos/{owner}/{repo}/issues/{issue_number}/comments',
  'POST /repos/{owner}/{repo}/issues/{issue_number}/labels',
  'DELETE /repos/{owner}/{repo}/issues/{issue_number}/labels/{name}',
  'GET /repos/{owner}/{repo}/pulls/{pull_number}',
  'GET /repos/{owner}/{repo}/pulls/{pull_number}/commits',
  'POST /repos/{owner}/{repo}/check-runs',
  'PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}',
  'GET /repos/{owner}/{repo}/commits/{ref}/check-runs',
  'GET /search/issues',
  'PATCH /repos/{owner}/{repo}/git/refs/{ref}',
  'POST /repos/{owner}/{repo}/git/commits',
  'POST /repos/{owner}/{repo}/merges',
  'PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge',
  'GET /repos/{owner}/{repo}/compare/{basehead}',
  'POST /repos/{owner}/{repo}/statuses/{sha}',
  'GET /repos/{owner}/{repo}/collaborators/{username}/permission',
  'GET /orgs/{org}/teams/{team_slug}/members',
];

describe('the table', () => {
  it('has at least the rows that the surveyed apps need', () => {
    expect(Object.keys(routes).length).toBeGreaterThanOrEqual(90);
    expect(MUST.filter((route) => !(route in routes))).toEqual([]);
  });

  it('has at most six rows that an app could notice, each with its reason', () => {
    const partial = Object.entries(routes).filter(([, row]) => row.support === 'partial');
    expect(partial.map(([route]) => route)).toEqual([
      'POST /repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers',
      'POST /repos/{owner}/{repo}/pulls/{pull_number}/reviews',
      'PUT /repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}/dismissals',
      'PUT /repos/{owner}/{repo}/branches/{branch}/protection',
      'GET /repos/{owner}/{repo}/subscribers',
      'GET /users/{username}/subscriptions',
    ]);
    const silent = Object.entries(routes).filter(([, row]) => row.support !== 'exact' && !row.note?.endsWith('.'));
    expect(silent.map(([route]) => route)).toEqual([]);
  });

  it('says of every row what it follows, and reads only where it says so', () => {
    for (const [route, row] of Object.entries(routes)) {
      expect([route, row.source.length > 10]).toEqual([route, true]);
      expect([route, row.retry === 'read']).toEqual([route, route.startsWith('GET ')]);
    }
  });
});
