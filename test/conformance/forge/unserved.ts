/**
 * Addresses that stand in GitHub's payloads because its schema asks for them, and that some forge has no route for. An app
 * that follows one gets a 501 that names route and forge.
 */
const FEED = 'A feed of what happened; webhooks tell the same.';
const SOCIAL = 'Who follows, watches or likes what: no app that was surveyed asks.';
const HOOKS = 'Webhooks are made and mended by Forgeway itself.';
const ACTIONS = 'Workflows are told of and begun again, not administered.';
const DEPLOYMENTS = 'Deployments are told of and not made.';
const SETTINGS = 'Settings and figures that no app that was surveyed reads.';
const FILES = 'Archives and attached files are fetched from the forge’s pages.';
const OTHERS = 'Not on every forge.';

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
    'GET /repos/{owner}/{repo}/stargazers',
    'GET /repos/{owner}/{repo}/subscribers',
    'GET /repos/{owner}/{repo}/subscription',
    'GET /users/{username}/followers',
    'GET /users/{username}/following',
    'GET /users/{username}/gists',
    'GET /users/{username}/orgs',
    'GET /users/{username}/starred',
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
    DEPLOYMENTS,
    'GET /repos/{owner}/{repo}/deployments',
    'GET /repos/{owner}/{repo}/deployments/{deployment_id}',
    'GET /repos/{owner}/{repo}/deployments/{deployment_id}/statuses',
    'GET /repos/{owner}/{repo}/deployments/{deployment_id}/statuses/{status_id}',
  ),
  ...because(
    SETTINGS,
    'GET /orgs/{org}/issues',
    'GET /orgs/{org}/public_members',
    'GET /orgs/{org}/teams/{team_slug}/repos',
    'GET /repos/{owner}/{repo}/comments',
    'GET /repos/{owner}/{repo}/comments/{comment_id}',
    'GET /repos/{owner}/{repo}/comments/{comment_id}/reactions',
    'GET /repos/{owner}/{repo}/commits/{commit_sha}/comments',
    'GET /repos/{owner}/{repo}/contributors',
    'GET /repos/{owner}/{repo}/keys',
    'GET /repos/{owner}/{repo}/milestones/{milestone_number}/labels',
    // GitHub itself has no such route any more.
    '/repos/{}/{}/downloads',
  ),
  ...because(
    FILES,
    'GET /repos/{owner}/{repo}/releases/assets/{asset_id}',
    'GET /repos/{owner}/{repo}/releases/{release_id}/assets',
  ),
  ...because(OTHERS, 'POST /repos/{owner}/{repo}/git/tags'),
};
