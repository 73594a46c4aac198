/**
 * Addresses that stand in GitHub's payloads because its schema asks for them, and that a forge has no route for, by the
 * forge's id. An app that follows one gets a 501 that names route and forge. An entry that is not needed any more fails.
 */
type Unserved = Readonly<Record<string, string>>;

const EVERYWHERE: Unserved = {
  '/repos/{}/{}/downloads': 'Of GitHub’s past: its package of endpoints has no such route any more.',
};

const GITEA: Unserved = {
  ...EVERYWHERE,
  'GET /repos/{owner}/{repo}/hooks/{hook_id}/deliveries':
    'The server keeps deliveries of webhooks and shows them on its pages only: an empty list would be untrue.',
};

export const UNSERVED: Readonly<Record<string, Unserved>> = {
  gitlab: {
    ...EVERYWHERE,
    'GET /repos/{owner}/{repo}/subscribers':
      'GitLab tells nobody who else watches a project: a list of one’s own account alone would be untrue.',
    'GET /users/{username}/subscriptions':
      'Nor what anybody watches; of the token’s own account project by project only.',
  },
  gitea: GITEA,
  forgejo: GITEA,
};
