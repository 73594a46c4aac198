import { z } from 'zod';
import {
  invalid,
  notFound,
  type Route,
  type RouteContext,
  RouteFailure,
  type RouteRequest,
  type RouteTable,
} from '../../kit/route.js';
import { userOrGhost } from '../../kit/shapes/account.js';
import { nodeId } from '../../kit/shapes/node-id.js';
import { contentOf, emojiOf, type NativeAward, nativeAward } from '../convert/reaction.js';
import { read, time } from '../convert/read.js';
import { account } from '../convert/user.js';
import { commentThread } from './comment-places.js';
import { accept, everything, idParam, placeOf, slice, threadOf } from './place.js';

/** Path of the emoji of what the route names. */
type Place = (request: RouteRequest, context: RouteContext) => Promise<string>;

const onThread: Place = async (request) => `${threadOf(request, placeOf(request)).api}/award_emoji`;
const onComment: Place = async (request, context) => {
  const id = idParam(request, 'comment_id');
  const { api } = await commentThread(context, placeOf(request), id);
  return `${api}/notes/${id}/award_emoji`;
};

const shown = (context: RouteContext, award: NativeAward, content: string) => ({
  id: award.id,
  node_id: nodeId('Reaction', award.id),
  user: userOrGhost(context.base, account(award.user)),
  content,
  created_at: time(award.created_at),
});

const list = (where: Place): Route => ({
  support: 'exact',
  retry: 'read',
  source: 'emoji_reactions: GET /projects/:id/(issues|merge_requests)/:iid(/notes/:note_id)/award_emoji',
  note: 'Emoji that are no reaction on GitHub are left out.',
  async run(request, context) {
    const awards = await everything(context, await where(request, context), nativeAward);
    const reactions = awards.flatMap((award) => {
      const content = contentOf(award.name);
      return content === undefined || (request.query.content ?? content) !== content
        ? []
        : [shown(context, award, content)];
    });
    const { items, pages } = slice(request, reactions);
    return { data: items, pages };
  },
});

const create = (where: Place): Route => ({
  support: 'exact',
  retry: 'idempotent',
  source: 'emoji_reactions: POST /projects/:id/(issues|merge_requests)/:iid(/notes/:note_id)/award_emoji',
  async run(request, context) {
    const { content } = accept('Reaction', z.looseObject({ content: z.string() }), request.body);
    const name = emojiOf(content);
    if (name === undefined) throw invalid('Reaction', 'content', 'invalid');
    const path = await where(request, context);
    try {
      const { data } = await context.native.send('POST', path, { json: { name } });
      return { status: 201, data: shown(context, read(nativeAward, data, 'emoji'), content) };
    } catch (error) {
      if (!(error instanceof RouteFailure) || (error.status !== 404 && error.status !== 422 && error.status !== 409))
        throw error;
      // GitLab says 404 for a second one of the same account; GitHub answers the first.
      const own = String(context.account.id);
      const there = (await everything(context, path, nativeAward)).find(
        (award) => award.name === name && String(award.user.id) === own,
      );
      if (there === undefined) throw error;
      return { status: 200, data: shown(context, there, content) };
    }
  },
});

const remove = (where: Place): Route => ({
  support: 'exact',
  retry: 'idempotent',
  source: 'emoji_reactions: DELETE /projects/:id/(issues|merge_requests)/:iid(/notes/:note_id)/award_emoji/:award_id',
  async run(request, context) {
    const id = idParam(request, 'reaction_id');
    const path = await where(request, context);
    const there = (await everything(context, path, nativeAward)).some((award) => String(award.id) === id);
    if (!there) throw notFound();
    await context.native.send('DELETE', `${path}/${id}`);
    return { status: 204 };
  },
});

export const reactions: RouteTable = {
  'GET /repos/{owner}/{repo}/issues/{issue_number}/reactions': list(onThread),
  'POST /repos/{owner}/{repo}/issues/{issue_number}/reactions': create(onThread),
  'DELETE /repos/{owner}/{repo}/issues/{issue_number}/reactions/{reaction_id}': remove(onThread),
  'GET /repos/{owner}/{repo}/issues/comments/{comment_id}/reactions': list(onComment),
  'POST /repos/{owner}/{repo}/issues/comments/{comment_id}/reactions': create(onComment),
  'DELETE /repos/{owner}/{repo}/issues/comments/{comment_id}/reactions/{reaction_id}': remove(onComment),
  'GET /repos/{owner}/{repo}/pulls/comments/{comment_id}/reactions': list(onComment),
  'POST /repos/{owner}/{repo}/pulls/comments/{comment_id}/reactions': create(onComment),
  'DELETE /repos/{owner}/{repo}/pulls/comments/{comment_id}/reactions/{reaction_id}': remove(onComment),
};
