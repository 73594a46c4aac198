/** The language of GitHub's issue search, as far as surveyed apps speak it. */
import { RouteFailure } from '../../kit/route.js';
import { type Span, spanOf } from '../../kit/search-span.js';

export interface Qualifier {
  name: string;
  /** Values of one qualifier that are alternatives: `label:a,b`. */
  values: readonly string[];
  negated: boolean;
}

export interface SearchQuery {
  /** Text outside of qualifiers, in lower case; every one has to be found. */
  words: readonly { text: string; negated: boolean }[];
  qualifiers: readonly Qualifier[];
}

/** Qualifiers that are understood. Every other is refused by name, never passed over: a wider answer is a wrong one. */
export const QUALIFIERS: ReadonlySet<string> = new Set([
  'repo',
  'org',
  'user',
  'is',
  'type',
  'state',
  'label',
  'author',
  'assignee',
  'mentions',
  'milestone',
  'no',
  'in',
  'created',
  'updated',
  'closed',
  'merged',
  'comments',
  'archived',
  'head',
  'base',
  'draft',
  'review-requested',
  'sort',
]);

/** @throws always: RouteFailure 422 */
export function refuse(what: string): never {
  const message = `The search cannot be done on this forge: ${what}.`;
  throw new RouteFailure(422, 'Validation Failed', {
    errors: [{ message, resource: 'Search', field: 'q', code: 'invalid' }],
  });
}

const unquote = (text: string): string => text.replace(/^"(.*)"$/s, '$1');

/** `a,"b c"` as its values: commas in quotes are text. */
const alternatives = (text: string): string[] =>
  [...text.matchAll(/"[^"]*"|[^,]+/g)].map(([value]) => unquote(value)).filter((value) => value !== '');

/** @throws RouteFailure 422 naming the qualifier that is not understood */
export function parseSearch(q: string): SearchQuery {
  const words: { text: string; negated: boolean }[] = [];
  const qualifiers: Qualifier[] = [];
  for (const [token] of q.matchAll(/(?:"[^"]*"|[^\s"])+/g)) {
    const match = /^(-?)([a-z][a-z-]*):(.*)$/is.exec(token);
    const [, minus, name = '', value = ''] = match ?? [];
    if (match && !/^\/\//.test(value)) {
      const known = name.toLowerCase();
      if (!QUALIFIERS.has(known)) refuse(`the qualifier "${known}" is not supported`);
      const values = alternatives(value);
      if (values.length === 0) refuse(`the qualifier "${known}" has no value`);
      qualifiers.push({ name: known, values, negated: minus === '-' });
    } else if (/^(?:AND|OR|NOT)$/.test(token)) refuse(`the operator "${token}" is not supported`);
    else words.push({ text: unquote(token.replace(/^-/, '')).toLowerCase(), negated: /^-./.test(token) });
  }
  return { words, qualifiers };
}

/** @throws RouteFailure 422 */
export const spanIn = (name: string, value: string, kind: 'time' | 'number'): Span =>
  spanOf(value, kind) ?? refuse(`"${value}" is no value of the qualifier "${name}"`);
