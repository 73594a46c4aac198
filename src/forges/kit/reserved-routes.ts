/**
 * Routes of GitHub's whose addresses look like a name below another route: `/issues/events` is no issue called "events", and
 * `/commits/main/comments` no commit of a branch called "main/comments". Without a row of their own they are not served.
 */
const PROTECTION = '/repos/{owner}/{repo}/branches/{branch}/protection';

export const reservedRoutes: readonly string[] = [
  'GET /gists/public',
  'GET /gists/starred',
  `GET ${PROTECTION}`,
  `GET ${PROTECTION}/enforce_admins`,
  `GET ${PROTECTION}/required_pull_request_reviews`,
  `GET ${PROTECTION}/required_signatures`,
  `GET ${PROTECTION}/required_status_checks`,
  `GET ${PROTECTION}/required_status_checks/contexts`,
  `GET ${PROTECTION}/restrictions`,
  `GET ${PROTECTION}/restrictions/apps`,
  `GET ${PROTECTION}/restrictions/teams`,
  `GET ${PROTECTION}/restrictions/users`,
  'GET /repos/{owner}/{repo}/commits/{commit_sha}/branches-where-head',
  'GET /repos/{owner}/{repo}/commits/{commit_sha}/comments',
  'GET /repos/{owner}/{repo}/commits/{commit_sha}/pulls',
  'GET /repos/{owner}/{repo}/commits/{ref}/check-runs',
  'GET /repos/{owner}/{repo}/commits/{ref}/check-suites',
  'GET /repos/{owner}/{repo}/issues/comments',
  'GET /repos/{owner}/{repo}/issues/events',
  'GET /repos/{owner}/{repo}/pulls/comments',
];
