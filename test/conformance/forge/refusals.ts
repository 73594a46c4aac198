/** Of rows that name no repository: what they are asked for in vain. All others are asked of a repository that is not there. */
export const REFUSED: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  ...Object.fromEntries(
    [
      'GET /orgs/{org}',
      'GET /orgs/{org}/events',
      'GET /orgs/{org}/hooks',
      'GET /orgs/{org}/hooks/{hook_id}',
      'GET /orgs/{org}/hooks/{hook_id}/deliveries',
      'GET /orgs/{org}/issues',
      'GET /orgs/{org}/members',
      'GET /orgs/{org}/public_members',
      'GET /orgs/{org}/members/{username}',
      'GET /orgs/{org}/memberships/{username}',
      'GET /orgs/{org}/repos',
      'GET /orgs/{org}/teams',
      'GET /orgs/{org}/teams/{team_slug}',
      'GET /orgs/{org}/teams/{team_slug}/members',
      'GET /orgs/{org}/teams/{team_slug}/memberships/{username}',
      'GET /orgs/{org}/teams/{team_slug}/repos',
      'POST /orgs/{org}/repos',
      'POST /orgs/{org}/teams',
      'PUT /orgs/{org}/teams/{team_slug}/memberships/{username}',
      'DELETE /orgs/{org}/teams/{team_slug}',
      'DELETE /orgs/{org}/teams/{team_slug}/memberships/{username}',
    ].map((route) => [route, { org: 'nobodys' }]),
  ),
  ...Object.fromEntries(
    [
      '',
      '/repos',
      '/followers',
      '/following',
      '/starred',
      '/subscriptions',
      '/orgs',
      '/events',
      '/received_events',
      '/gists',
    ].map((below) => [`GET /users/{username}${below}`, { username: 'nobody' }]),
  ),
  ...Object.fromEntries(
    ['', '/subscription'].map((below) => [
      `GET /notifications/threads/{thread_id}${below}`,
      { thread_id: 987_654_321 },
    ]),
  ),
  ...Object.fromEntries(['', '/forks'].map((below) => [`GET /gists/{gist_id}${below}`, { gist_id: 987_654_321 }])),
  'GET /repositories/{repository_id}': { repository_id: 987_654_321 },
  'GET /search/issues': { q: 'involves:nobody-there sort:unicorns team:x' },
  'GET /search/code': { q: 'anything' },
  'POST /markdown': {},
  // It has to be sent as text.
  'POST /markdown/raw': { data: '{}' },
  'POST /user/repos': { name: '' },
};

/** Rows that answer whomever the forge lets in: they refuse a token that is none. */
export const NOBODYS: readonly string[] = ['GET /user', 'GET /user/repos'];
