/** A row of the forge in memory. */
import { user } from '../../../src/forges/kit/shapes/account.js';
import { base, day, type Parameters, person, type World } from './world.js';

export type Rows = Readonly<Record<string, { parameters: readonly string[]; run: Handler }>>;
export type Handler = (p: Parameters) => unknown;
/** Route, the parameters it takes beside those of its path, and what it does. */
export const row = (parameters: string, run: Handler) => ({ parameters: parameters.split(' ').filter(Boolean), run });
export const repo = '/repos/{owner}/{repo}';
export const PAGES = 'per_page page';
export const reactionRows = ({ pageOf, reactionsAt, id }: World, at: string, key: (p: Parameters) => string) => ({
  [`GET ${at}`]: row(`content ${PAGES}`, (p) =>
    pageOf(
      reactionsAt(key(p)).filter((one) => p.content === undefined || one.content === p.content),
      p,
    ),
  ),
  [`POST ${at}`]: row('content', (p) => {
    const made = { id: id(), content: String(p.content), user: user(base, person('robot')), created_at: day(9) };
    reactionsAt(key(p)).push(made);
    return made;
  }),
  [`DELETE ${at}/{reaction_id}`]: row('', (p) => {
    const all = reactionsAt(key(p));
    all.splice(
      all.findIndex((one) => one.id === Number(p.reaction_id)),
      1,
    );
  }),
});
