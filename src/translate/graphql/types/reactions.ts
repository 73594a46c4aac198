/** Reactions, whose names GraphQL spells otherwise than REST. */
import type { Ask } from '../ask.js';
import { connection } from '../connection.js';
import { routeListing } from '../listing.js';
import { globalId } from '../node-ids.js';
import { text } from '../rest.js';
import { account, as, placed, plain, type Source } from '../sources.js';
import { type Area, connectionTypes, type Pages } from './area.js';

const REST_CONTENT: Readonly<Record<string, string>> = {
  THUMBS_UP: '+1',
  THUMBS_DOWN: '-1',
  LAUGH: 'laugh',
  HOORAY: 'hooray',
  CONFUSED: 'confused',
  HEART: 'heart',
  ROCKET: 'rocket',
  EYES: 'eyes',
};

/** `THUMBS_UP` as `+1`. */
export const restReaction = (content: string): string => REST_CONTENT[content] ?? content.toLowerCase();

const graphqlReaction = (content: unknown): string | undefined =>
  Object.keys(REST_CONTENT).find((name) => REST_CONTENT[name] === content);

/** Reactions of one thing, by the route that lists them; `parameter` is the one that names it. */
export function reactionsOf(route: string, parameter: string) {
  return (source: Source & { number?: number }, args: Pages & { content?: string | null }, ask: Ask) => {
    const subject = parameter === 'issue_number' ? source.number : source.rest.id;
    const content = args.content ? { content: restReaction(args.content) } : {};
    const list = routeListing(ask, route, { ...placed(source), [parameter]: subject, ...content });
    return connection('reactions', args, list, (rest) => plain('Reaction', source, rest));
  };
}

export const reactions: Area = {
  sdl: `
    enum ReactionContent { THUMBS_UP THUMBS_DOWN LAUGH HOORAY CONFUSED HEART ROCKET EYES }
    type Reaction implements Node { id: ID! databaseId: BigInt content: ReactionContent! createdAt: DateTime! user: User }
    ${connectionTypes('Reaction')}`,
  fields: {
    Reaction: {
      id: (source: Source) => globalId('Reaction', source.rest, `${source.owner}/${source.repo}`),
      databaseId: as('id'),
      content: (source: Source) => graphqlReaction(text(source.rest.content)),
      createdAt: as('created_at'),
      user: (source: Source, _args: unknown, ask) => {
        const user = account(ask, source.rest.user);
        return user?.__typename === 'User' ? user : null;
      },
    },
  },
};
