/** GitHub's search language for issues, as far as GitLab's lists can answer it. */

import { toUtc } from '../../kit/moments.js';
import { segment } from '../../kit/native-client.js';
import { invalid } from '../../kit/route.js';
import { type Span, spanOf } from '../../kit/search-span.js';
import { groupPath, projectPath, toNativeText } from '../references.js';
import type { ThreadFilter, ThreadTest } from './thread-list.js';

interface Term {
  name: string;
  value: string;
  negated: boolean;
}

/** @throws RouteFailure 422 naming the qualifier that GitLab cannot answer */
const unsupported = (qualifier: string): never => {
  throw invalid('Search', 'q', 'invalid', `GitLab cannot search by ${qualifier}.`);
};

/** Words, quoted words, and `name:value` with either. */
function terms(q: string): { words: string[]; qualifiers: Term[] } {
  const words: string[] = [];
  const qualifiers: Term[] = [];
  for (const [, minus, name, quoted, bare, text, word] of q.matchAll(
    /(-?)(?:([a-z][a-z-]*):(?:"([^"]*)"|(\S+))|"([^"]*)"|(\S+))/gi,
  )) {
    if (name === undefined) {
      if (minus || word === 'NOT' || word === 'OR') unsupported(minus ? '-word' : String(word));
      if (word !== 'AND') words.push(text ?? word ?? '');
    } else qualifiers.push({ name: name.toLowerCase(), value: quoted ?? bare ?? '', negated: minus === '-' });
  }
  return { words, qualifiers };
}

/** @throws RouteFailure 422 */
const spanIn = (name: string, value: string, kind: 'time' | 'number'): Span =>
  spanOf(value, kind) ?? unsupported(`${name}:${value}`);

/** GitLab's filters by time include both ends. */
function timesIn(name: string, value: string): { after?: string; before?: string; span: Span } {
  const span = spanIn(name, value, 'time');
  return {
    ...(Number.isFinite(span.from) && { after: toUtc(span.from) }),
    ...(Number.isFinite(span.to) && { before: toUtc(span.to) }),
    span,
  };
}

interface Building {
  scopes: string[];
  kinds: Set<'issue' | 'merge_request'>;
  states: ReadonlySet<'opened' | 'closed' | 'merged'>;
  labels: string[];
  notLabels: string[];
  query: Record<string, string | number | undefined>;
  pullQuery: Record<string, string | undefined>;
  order: ThreadFilter['order'];
  direction: ThreadFilter['direction'];
  tests: ThreadTest[];
  /** What is looked for did not change before. */
  since: string | undefined;
  /** Login of the token's account. */
  self: string;
}

const onlyPulls = (building: Building): void => void building.kinds.delete('issue');

const narrowTo =
  (...states: ('opened' | 'closed' | 'merged')[]) =>
  (building: Building): void => {
    building.states = new Set(states.filter((state) => building.states.has(state)));
  };
const both =
  (...steps: ((building: Building) => void)[]) =>
  (building: Building): void => {
    for (const step of steps) step(building);
  };

/** Values of `is:`, `type:` and `state:`. */
const conditions: Readonly<Record<string, (building: Building) => void>> = {
  pr: onlyPulls,
  'pull-request': onlyPulls,
  issue: ({ kinds }) => void kinds.delete('merge_request'),
  open: narrowTo('opened'),
  closed: narrowTo('closed', 'merged'),
  merged: both(onlyPulls, narrowTo('merged')),
  unmerged: both(onlyPulls, narrowTo('opened', 'closed')),
  draft: both(onlyPulls, ({ pullQuery }) => {
    pullQuery.wip = 'yes';
  }),
  locked: ({ tests }) => void tests.push(({ locked }) => locked),
  unlocked: ({ tests }) => void tests.push(({ locked }) => !locked),
};

/** What is asked for where one of those words is excluded. */
const opposites: Readonly<Record<string, (building: Building) => void>> = {
  pr: ({ kinds }) => void kinds.delete('merge_request'),
  'pull-request': ({ kinds }) => void kinds.delete('merge_request'),
  issue: onlyPulls,
  open: narrowTo('closed', 'merged'),
  closed: narrowTo('opened'),
  merged: narrowTo('opened', 'closed'),
  draft: ({ tests }) => void tests.push(({ draft }) => !draft),
  locked: ({ tests }) => void tests.push(({ locked }) => !locked),
};

function kindOrState(building: Building, { name, value, negated }: Term): void {
  const word = value.toLowerCase();
  const table = negated ? opposites : conditions;
  const condition = Object.hasOwn(table, word) ? table[word] : undefined;
  if (condition === undefined) unsupported(`${negated ? '-' : ''}${name}:${value}`);
  else condition(building);
}

const absent: Readonly<Record<string, string>> = { label: 'labels', assignee: 'assignee_id', milestone: 'milestone' };
/** `assignee:*`: by whatever it is. */
const ANY = 'Any';

type Qualifier = (building: Building, term: Term) => void;

const set =
  (field: string): Qualifier =>
  (building, { value, negated }) => {
    building.query[negated ? `not[${field}]` : field] = value;
  };
/** A login, `@me`, or an app by its slug. */
const person =
  (field: string): Qualifier =>
  (building, term) => {
    const value = term.value === '@me' ? building.self : term.value.replace(/^app\//i, '');
    set(field)(building, { ...term, value });
  };
/** The same, or `*` for anything: `any` is GitLab's field for that. */
const orAny =
  (any: string, one: Qualifier): Qualifier =>
  (building, term) => {
    if (term.value !== '*') one(building, term);
    else building.query[any] = term.negated ? 'None' : ANY;
  };
const plain =
  (apply: Qualifier): Qualifier =>
  (building, term) => {
    if (term.negated) unsupported(`-${term.name}`);
    apply(building, term);
  };
const dated = (field: string) =>
  plain((building, { name, value }) => {
    const { after, before } = timesIn(name, value);
    if (after !== undefined) building.query[`${field}_after`] = after;
    if (before !== undefined) building.query[`${field}_before`] = before;
  });
const ofPulls = (field: string) =>
  plain((building, { value }) => {
    onlyPulls(building);
    building.pullQuery[field] = value;
  });
/** When it ended: GitLab lists by no such time, but whatever ended has changed then. */
const ended = (what: 'closed' | 'merged') =>
  plain((building, { name, value }) => {
    if (what === 'merged') onlyPulls(building);
    const { after, span } = timesIn(name, value);
    narrowTo(...(what === 'merged' ? (['merged'] as const) : (['closed', 'merged'] as const)))(building);
    building.tests.push(({ [what]: at }) => at !== undefined && at >= span.from && at <= span.to);
    if (after !== undefined) building.since = after;
  });

const qualifiers: Readonly<Record<string, Qualifier>> = {
  repo: plain(({ scopes }, { value }) => {
    const [owner = '', name = ''] = value.split('/');
    scopes.push(`/projects/${segment(projectPath(owner, name))}`);
  }),
  org: plain(({ scopes }, { value }) => void scopes.push(`/groups/${segment(groupPath(value))}`)),
  user: plain(({ scopes }, { value }) => void scopes.push(`/groups/${segment(groupPath(value))}`)),
  is: kindOrState,
  type: kindOrState,
  state: kindOrState,
  label: ({ labels, notLabels }, { value, negated }) => {
    // Commas are GitHub's "or", and GitLab's "and".
    if (value.includes(',')) unsupported('label with a comma');
    (negated ? notLabels : labels).push(value);
  },
  author: person('author_username'),
  assignee: orAny('assignee_id', person('assignee_username')),
  milestone: orAny('milestone', set('milestone')),
  no: plain(({ query }, { name, value }) => {
    const field = Object.hasOwn(absent, value) ? absent[value] : undefined;
    if (field === undefined) unsupported(`${name}:${value}`);
    else query[field] = 'None';
  }),
  comments: plain((building, { name, value }) => {
    const { from, to } = spanIn(name, value, 'number');
    building.tests.push(({ comments }) => comments >= from && comments <= to);
  }),
  created: dated('created'),
  updated: dated('updated'),
  closed: ended('closed'),
  merged: ended('merged'),
  in: plain(({ query }, { name, value }) => {
    const where = value
      .split(',')
      .map((one) => (one === 'body' ? 'description' : one === 'title' ? one : unsupported(`${name}:${one}`)));
    query.in = where.join(',');
  }),
  head: ofPulls('source_branch'),
  base: ofPulls('target_branch'),
  'review-requested': ofPulls('reviewer_username'),
  draft: plain((building, { value }) => {
    onlyPulls(building);
    building.pullQuery.wip = value === 'true' ? 'yes' : 'no';
  }),
  archived: plain(({ query }, { value }) => {
    if (value === 'false') query.non_archived = 'true';
  }),
  sort: plain((building, { name, value }) => {
    const [, by, direction] = /^(created|updated)(?:-(asc|desc))?$/.exec(value) ?? [];
    if (by === undefined) unsupported(`${name}:${value}`);
    building.order = by === 'updated' ? 'updated_at' : 'created_at';
    building.direction = direction === 'asc' ? 'asc' : 'desc';
  }),
};

/** GitLab looks for every word by itself unless they stand in quotes. */
const asTerm = (word: string): string => (/\s/.test(word) ? `"${word}"` : word);

/** @throws RouteFailure 422 naming the qualifier that GitLab cannot answer */
export function parseSearch(q: string, options: { sort?: string; order?: string; self: string }): ThreadFilter {
  const { words, qualifiers: used } = terms(q);
  const building: Building = {
    scopes: [],
    kinds: new Set(['issue', 'merge_request']),
    states: new Set(['opened', 'closed', 'merged']),
    labels: [],
    notLabels: [],
    query: {},
    pullQuery: {},
    order: 'created_at',
    direction: 'desc',
    tests: [],
    since: undefined,
    self: options.self,
  };
  for (const term of used) {
    const apply = Object.hasOwn(qualifiers, term.name) ? qualifiers[term.name] : undefined;
    if (apply === undefined) unsupported(term.name);
    else apply(building, term);
  }
  if (options.sort !== undefined)
    qualifiers.sort?.(building, { name: 'sort', value: `${options.sort}-${options.order ?? 'desc'}`, negated: false });
  const { labels, notLabels, query, since } = building;
  return {
    scopes: building.scopes.length > 0 ? building.scopes : [''],
    kinds: [...building.kinds],
    states: [...building.states],
    query: {
      ...query,
      ...(since !== undefined && { updated_after: query.updated_after ?? since }),
      labels: labels.length > 0 ? labels.join(',') : query.labels,
      'not[labels]': notLabels.length > 0 ? notLabels.join(',') : undefined,
      search: words.length > 0 ? toNativeText(words.map(asTerm).join(' ')) : undefined,
    },
    pullQuery: building.pullQuery,
    order: building.order,
    direction: building.direction,
    tests: building.tests,
  };
}
