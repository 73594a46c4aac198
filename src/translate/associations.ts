/** Fills in what the authors of things are to their repository, and remembers it for a minute. */

import type { AskAssociations, Author, RepositoryName, Written } from '../forges/kit/associations.js';
import { hasNoAnswer } from '../forges/kit/no-answer.js';
import { type RouteContext, RouteFailure } from '../forges/kit/route.js';
import type { Association } from '../forges/kit/shapes/inputs.js';
import type { Clock } from '../lib/clock.js';
import { messageOf } from '../lib/errors.js';

/** As long as a permission (decision 14). */
const KEPT_MS = 60_000;
const MOST_KEPT = 10_000;

/** Whom to ask, on whose behalf. */
export interface AskingFor {
  ask: AskAssociations;
  context: RouteContext;
  /** Two connections see different things. */
  connectionId: string;
}

interface Known {
  association: Association;
  until: number;
}

const keyOf = (connectionId: string, { owner, repo }: RepositoryName, { id }: Author) =>
  JSON.stringify([connectionId, owner, repo, String(id)]);

export function createAssociations(clock: Clock) {
  const known = new Map<string, Known>();

  const recall = (key: string): Association | undefined => {
    const found = known.get(key);
    return found !== undefined && found.until > clock.now().getTime() ? found.association : undefined;
  };

  const keep = (key: string, association: Association) => {
    known.delete(key);
    known.set(key, { association, until: clock.now().getTime() + KEPT_MS });
    const [oldest] = known.keys();
    if (known.size > MOST_KEPT && oldest !== undefined) known.delete(oldest);
  };

  return {
    /** A forge that does not answer leaves it at NONE, which grants nothing. */
    async fill(written: readonly Written[], { ask, context, connectionId }: AskingFor): Promise<void> {
      const groups = new Map<string, { place: RepositoryName; authors: Map<string, Author> }>();
      for (const { place, author } of written) {
        if (recall(keyOf(connectionId, place, author)) !== undefined) continue;
        const group = groups.get(JSON.stringify(place)) ?? { place, authors: new Map<string, Author>() };
        groups.set(JSON.stringify(place), group);
        group.authors.set(String(author.id), author);
      }
      for (const { place, authors } of groups.values()) {
        try {
          const found = await ask(place, [...authors.values()], context);
          for (const author of authors.values())
            keep(keyOf(connectionId, place, author), found.get(String(author.id)) ?? 'NONE');
        } catch (error) {
          if (!(error instanceof RouteFailure) && !hasNoAnswer(error)) throw error;
          context.log.debug({ err: messageOf(error) }, 'the forge did not say what the authors are to the repository');
        }
      }
      for (const { place, author, set } of written) set(recall(keyOf(connectionId, place, author)) ?? 'NONE');
    },
  };
}
