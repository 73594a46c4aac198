/**
 * Addresses that stand in GitHub's payloads because its schema asks for them, and that some forge has no route for. An app
 * that follows one gets a 501 that names route and forge.
 */
const FEED = 'A feed of what happened; webhooks tell the same.';
const SOCIAL = 'Who watches what, and a person’s groups, GitLab does not tell; neither has gists as GitHub has.';
const HOOKS = 'Webhooks are made and mended by Forgeway itself.';
const ACTIONS = 'Workflows are told of and begun again, not administered.';
const SETTINGS = 'Settings and figures that no app that was surveyed reads.';

const because = (reason: string, ...routes: readonly string[]) =>
  Object.fromEntries(routes.map((route) => [route, reason]));

export const UNSERVED: Readonly<Record<string, string>> = {
  ...because(
    FEED,
    'GET /orgs/{org}/events',
    'GET /repos/{owner}/{repo}/events',
    'GET /repos/{owner}/{repo}/issues/events',
    'GET /repos/{owner}/{repo}/notifications',
    'GET /users/{username}/events',
    'GET /users/{username}/received_events',
  ),
  ...because(
    SOCIAL,
    'GET /repos/{owner}/{repo}/subscribers',
    'GET /repos/{owner}/{repo}/subscription',
    'GET /users/{username}/gists',
    'GET /users/{username}/orgs',
    'GET /users/{username}/subscriptions',
  ),
  ...because(
    HOOKS,
    'GET /orgs/{org}/hooks',
    'GET /repos/{owner}/{repo}/hooks',
    'GET /repos/{owner}/{repo}/hooks/{hook_id}',
    'GET /repos/{owner}/{repo}/hooks/{hook_id}/deliveries',
    'POST /repos/{owner}/{repo}/hooks/{hook_id}/pings',
  ),
  ...because(
    ACTIONS,
    'GET /repos/{owner}/{repo}/actions/jobs/{job_id}',
    'GET /repos/{owner}/{repo}/actions/runs/{run_id}/artifacts',
    'GET /repos/{owner}/{repo}/actions/runs/{run_id}/logs',
    'GET /repos/{owner}/{repo}/actions/workflows/{workflow_id}',
    'POST /repos/{owner}/{repo}/actions/runs/{run_id}/cancel',
    'POST /repos/{owner}/{repo}/actions/runs/{run_id}/rerun',
  ),
  ...because(
    SETTINGS,
    'GET /orgs/{org}/issues',
    'GET /repos/{owner}/{repo}/comments',
    'GET /repos/{owner}/{repo}/comments/{comment_id}',
    'GET /repos/{owner}/{repo}/comments/{comment_id}/reactions',
    'GET /repos/{owner}/{repo}/commits/{commit_sha}/comments',
    'GET /repos/{owner}/{repo}/contributors',
    // GitHub itself has no such route any more.
    '/repos/{}/{}/downloads',
  ),
};
