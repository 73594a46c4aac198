/**
 * Addresses that stand in answers because GitHub's shapes have them, and that no row of the forge serves: by GitHub's route, with
 * the reason. Whoever follows one gets a 501 that names route and forge. Payloads have none of them, see
 * `conformance/forge/unserved.ts`.
 */
type Unserved = Readonly<Record<string, string>>;

export const UNSERVED_IN_ANSWERS: Readonly<Record<'gitlab' | 'gitea', Unserved>> = {
  gitlab: {
    'GET /gists/{gist_id}/comments': 'GitLab has no call for comments on the snippets of a person.',
    'GET /gists/{gist_id}/commits': 'GitLab has no call for the commits of a snippet.',
    'GET /notifications/threads/{thread_id}': 'GitLab has no call for one to-do item; they are listed.',
    'GET /notifications/threads/{thread_id}/subscription': 'As the thread itself.',
    'POST /orgs/{org}/hooks/{hook_id}/pings':
      'GitLab tries the webhook of a group from 17.1 on only; it is tried on its page.',
  },
  gitea: {
    'POST /orgs/{org}/hooks/{hook_id}/pings': 'Gitea tries no webhook of an organization by its API.',
  },
};
