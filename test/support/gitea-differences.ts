/** Where the fake differs from the published description of Gitea 1.21.4, and why. */
import type { SwaggerDifferences } from './swagger-check.js';

const POINTER = 'a pointer to text in the server, null for "none"';
const UNDOCUMENTED = 'sent by every version, undocumented';

export const giteaDifferences: SwaggerDifferences = {
  wide: ['filepath', 'ref', 'branch', 'archive', 'sha'],
  routes: {
    'DELETE /repos/{owner}/{repo}/pulls/{index}/reviews/{id}/comments/{comment}': 'of Forgejo, asked to find out',
    'GET /repos/{owner}/{repo}/commits/{sha}/pull': 'came with 1.22, asked to find out',
    'GET /repos/{owner}/{repo}/actions/{what}': 'came with 1.22 and 1.24, asked to find out',
    'POST /repos/{owner}/{repo}/actions/runs/{run}/rerun': 'came with 1.26, asked to find out',
    'POST /repos/{owner}/{repo}/actions/runs/{run}/cancel': 'came with 1.28, asked to find out',
    'PUT /repos/{owner}/{repo}/issues/{index}/lock': 'came with 1.24, asked to find out',
    'DELETE /repos/{owner}/{repo}/issues/{index}/lock': 'came with 1.24, asked to find out',
    'POST /repos/{owner}/{repo}/pulls/comments/{id}/resolve': 'came with 1.26, asked to find out',
    'POST /repos/{owner}/{repo}/pulls/comments/{id}/unresolve': 'came with 1.26, asked to find out',
  },
  fields: {
    'User.username': UNDOCUMENTED,
  },
  nullable: {
    'PullRequest.merge_commit_sha': POINTER,
    'ContentsResponse.content': POINTER,
    'ContentsResponse.encoding': POINTER,
    'ContentsResponse.target': POINTER,
    'ContentsResponse.download_url': POINTER,
    'ContentsResponse.git_url': POINTER,
    'ContentsResponse.html_url': POINTER,
    'ContentsResponse.submodule_git_url': POINTER,
  },
  answers: {
    'POST /repos/{owner}/{repo}/tags 201': 'the description says 200',
    'POST /repos/{owner}/{repo}/pulls/{index}/merge 201': 'scheduled; the description knows 200 alone',
  },
  listOrOne: {
    'GET /repos/{owner}/{repo}/contents/{filepath}': 'a list for a folder',
    'GET /repos/{owner}/{repo}/git/refs/{ref}': 'one object when the name fits exactly',
  },
  parameters: {},
};
