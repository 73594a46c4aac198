/** Comments on issues and pull requests. */
import { globalId } from '../node-ids.js';
import { account, as, issue, type Numbered, pullRequest, repository, type Source } from '../sources.js';
import { type Area, connectionTypes, type Fields } from './area.js';
import { reactionsOf } from './reactions.js';

/** GraphQL fields of everything that somebody said, in its own language. */
export const SPOKEN = `
  id: ID! databaseId: BigInt fullDatabaseId: BigInt body: String! bodyText: String! url: URI! author: Actor
  authorAssociation: CommentAuthorAssociation! createdAt: DateTime! updatedAt: DateTime! repository: Repository!
  isMinimized: Boolean! minimizedReason: String`;

export const spokenFields: Fields = {
  id: (source: Numbered) => globalId(source.__typename, source.rest, `${source.owner}/${source.repo}#${source.number}`),
  databaseId: as('id'),
  fullDatabaseId: as('id'),
  body: (source: Source) => source.rest.body ?? '',
  bodyText: (source: Source) => source.rest.body ?? '',
  url: as('html_url'),
  author: (source: Source, _args: unknown, ask) => account(ask, source.rest.user),
  authorAssociation: (source: Source) => source.rest.author_association ?? 'NONE',
  createdAt: as('created_at'),
  updatedAt: as('updated_at'),
  repository: (source: Source, _args: unknown, ask) => repository(ask, source),
  // Set by the forges that can hide a comment; elsewhere none is hidden.
  isMinimized: (source: Source) => source.rest.minimized === true,
  minimizedReason: (source: Source) => source.rest.minimized_reason,
};

export const comments: Area = {
  sdl: `
    type IssueComment implements Node & Comment & Reactable & Minimizable & UniformResourceLocatable {
      ${SPOKEN}
      issue: Issue!
      pullRequest: PullRequest
      reactions(content: ReactionContent first: Int after: String last: Int before: String): ReactionConnection!
    }
    ${connectionTypes('IssueComment')}`,
  fields: {
    IssueComment: {
      ...spokenFields,
      issue: (source: Numbered, _args: unknown, ask) => issue(ask, source, source.number),
      pullRequest: async (source: Numbered, _args: unknown, ask) => {
        const rest = await ask.get('GET /repos/{owner}/{repo}/issues/{issue_number}', {
          owner: source.owner,
          repo: source.repo,
          issue_number: source.number,
        });
        return rest.pull_request === undefined ? null : pullRequest(ask, source, source.number, rest);
      },
      reactions: reactionsOf('GET /repos/{owner}/{repo}/issues/comments/{comment_id}/reactions', 'comment_id'),
    },
  },
};
