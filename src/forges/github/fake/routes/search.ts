/** Search for issues and pull requests, with the qualifiers that apps use. */
import type { FakeRequest, FakeRoute } from '../../../kit/fake/routing.js';
import { momentOf } from '../../../kit/moments.js';
import { counted, holderOf, mayIn, refuse, row } from '../answers.js';
import { issueJson, labelsOf } from '../present.js';
import { type Issue, isPull, type Repository, same } from '../state.js';
import type { World } from '../world.js';

interface Place {
  repository: Repository;
  issue: Issue;
}
type Test = (place: Place, value: string) => boolean;

/** `>=2026-01-01`, `2026-01-01..2026-02-01`, `2026-01-01`: a day without a time is all of that day. */
function inRange(time: string | null, range: string): boolean {
  if (time === null) return false;
  const at = Date.parse(time);
  const start = (text: string) => momentOf(text) ?? Number.NaN;
  const end = (text: string) => start(text.includes('T') ? text : `${text}T23:59:59Z`);
  const [, sign, bound = ''] = /^(<=|>=|<|>)(.+)$/.exec(range) ?? [];
  if (sign === '<=') return at <= end(bound);
  if (sign === '>=') return at >= start(bound);
  if (sign === '<') return at < start(bound);
  if (sign === '>') return at > end(bound);
  const [from = '', to = from] = range.split('..');
  return (from === '*' || at >= start(from)) && (to === '*' || at <= end(to));
}

const is: Readonly<Record<string, (issue: Issue) => boolean>> = {
  issue: (issue) => !isPull(issue),
  pr: isPull,
  'pull-request': isPull,
  open: ({ state }) => state === 'open',
  closed: ({ state }) => state === 'closed',
  merged: ({ pull }) => pull?.merged != null,
  unmerged: ({ pull }) => pull !== null && pull.merged === null,
  draft: ({ pull }) => pull?.draft === true,
  locked: ({ locked }) => locked,
  unlocked: ({ locked }) => !locked,
};
const without: Readonly<Record<string, (issue: Issue) => boolean>> = {
  label: ({ labels }) => labels.length === 0,
  assignee: ({ assignees }) => assignees.length === 0,
  milestone: ({ milestone }) => milestone === null,
};
const isOneOf: Test = ({ issue }, value) => is[value]?.(issue) ?? false;
const isBy: Test = ({ issue }, value) => same(issue.author, value);

const TESTS: Readonly<Record<string, Test>> = {
  repo: ({ repository }, value) => same(`${repository.owner}/${repository.name}`, value),
  org: ({ repository }, value) => same(repository.owner, value),
  user: ({ repository }, value) => same(repository.owner, value),
  is: isOneOf,
  type: isOneOf,
  state: isOneOf,
  draft: ({ issue }, value) => String(issue.pull?.draft ?? false) === value,
  author: isBy,
  assignee: ({ issue }, value) => issue.assignees.some((login) => same(login, value)),
  commenter: ({ issue }, value) => issue.comments.some(({ author }) => same(author, value)),
  involves: ({ issue }, value) =>
    [issue.author, ...issue.assignees, ...issue.comments.map(({ author }) => author)].some((who) => same(who, value)),
  label: ({ repository, issue }, value) =>
    value.split(',').some((name) => labelsOf(repository, issue).some((label) => same(label.name, name))),
  milestone: ({ repository, issue }, value) =>
    repository.milestones.some(({ number, title }) => number === issue.milestone && same(title, value)),
  no: ({ issue }, value) => without[value]?.(issue) ?? false,
  head: ({ issue }, value) => issue.pull?.headBranch === value,
  base: ({ issue }, value) => issue.pull?.baseBranch === value,
  created: ({ issue }, value) => inRange(issue.created, value),
  updated: ({ issue }, value) => inRange(issue.updated, value),
  closed: ({ issue }, value) => inRange(issue.closed, value),
  merged: ({ issue }, value) => inRange(issue.pull?.merged?.at ?? null, value),
};

/** `-label:"help wanted" is:open words`, term by term. */
const termsOf = (query: string): string[] => query.match(/-?(?:[\w-]+:)?(?:"[^"]*"|\S)+/g) ?? [];

function fits(place: Place, term: string, fields: readonly string[]): boolean {
  const [, minus, name, text = ''] = /^(-?)(?:([\w-]+):)?(.*)$/s.exec(term) ?? [];
  const value = text.replaceAll('"', '');
  const test = name === undefined ? undefined : TESTS[name.toLowerCase()];
  const found = test ? test(place, value) : hasText(place.issue, term.replace(/^-/, '').replaceAll('"', ''), fields);
  return found !== (minus === '-');
}

function hasText(issue: Issue, text: string, fields: readonly string[]): boolean {
  const places: Readonly<Record<string, string>> = {
    title: issue.title,
    body: issue.body ?? '',
    comments: issue.comments.map(({ body }) => body).join('\n'),
  };
  return fields.some((name) => (places[name] ?? '').toLowerCase().includes(text.toLowerCase()));
}

export function searchRoutes(world: World): FakeRoute[] {
  return [
    row('GET /search/issues', async (request: FakeRequest) => {
      const query = request.query.get('q') ?? '';
      if (query.trim() === '')
        return refuse(422, 'Validation Failed', { errors: [{ resource: 'Search', field: 'q', code: 'missing' }] });
      const all = termsOf(query);
      const told = all.find((term) => term.startsWith('in:'))?.slice('in:'.length);
      const fields = told?.split(',') ?? ['title', 'body', 'comments'];
      const terms = all.filter((term) => !/^(in|sort|order):/.test(term));
      const places = world.state.repositories
        .filter((repository) => mayIn(world, repository, holderOf(request), 'metadata', 'read'))
        .flatMap((repository) => repository.issues.map((issue) => ({ repository, issue })));
      const found = places.filter((place) => terms.every((term) => fits(place, term, fields)));
      const key = request.query.get('sort') === 'updated' ? 'updated' : 'created';
      const upwards = request.query.get('order') === 'asc';
      found.sort((a, b) => {
        const [first, second] = upwards ? [a.issue, b.issue] : [b.issue, a.issue];
        return Date.parse(first[key]) - Date.parse(second[key]) || first.number - second.number;
      });
      const answer = await counted(world, request, 'items', found, ({ repository, issue }) => ({
        ...issueJson(world, repository, issue),
        score: 1,
      }));
      return { ...answer, json: { incomplete_results: false, ...(answer.json as object) } };
    }),
  ];
}
