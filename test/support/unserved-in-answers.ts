/**
 * Addresses that stand in answers because GitHub's shapes have them, and that no row serves: by GitHub's route, with the reason.
 * Whoever follows one gets a 501 that names route and forge. Payloads have none of them, see `conformance/forge/unserved.ts`.
 */
export const UNSERVED_IN_ANSWERS: Readonly<Record<string, string>> = {
  'GET /gists/{gist_id}': 'A snippet of GitLab’s is listed, and its page shows it; its files are not read.',
  'GET /gists/{gist_id}/comments': 'As the snippet itself.',
  'GET /gists/{gist_id}/commits': 'As the snippet itself.',
  'GET /gists/{gist_id}/forks': 'As the snippet itself.',
  'GET /notifications/threads/{thread_id}': 'GitLab has no call for one to-do item; they are listed.',
  'GET /notifications/threads/{thread_id}/subscription': 'As the thread itself.',
  'GET /repos/{owner}/{repo}/issues/events/{event_id}': 'No forge finds an event by its number alone.',
  'POST /orgs/{org}/hooks/{hook_id}/pings': 'Gitea tries no webhook of an organization by its API.',
};
