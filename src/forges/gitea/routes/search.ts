/** Search in issues and pull requests. */
import type { JsonObject } from '../../forge.js';
import { segment } from '../../kit/native-client.js';
import { invalid, type RouteContext, RouteFailure, type RouteRequest, type RouteTable } from '../../kit/route.js';
import { isDraftTitle } from '../convert/pull-request.js';
import { flagIn, listOf, objectOf, objectsOf, param, textIn, textOf } from './native.js';
import { asIssue } from './objects.js';
import { everything, pageIn } from './pages.js';
import { emulated } from './row.js';
import { parseSearch, type Qualifier, refuse, type SearchQuery, spanIn } from './search-query.js';

/** GitHub shows no more results than this either. */
const MOST_RESULTS = 1000;

/** An issue with what only its pull request tells, when somebody asks for that. */
interface Found {
  issue: JsonObject;
  pull: JsonObject | undefined;
  /** Of its repository, when somebody asks for that. */
  archived?: boolean;
}

type Test = (found: Found) => boolean;

const lower = (text: string): string => text.toLowerCase();
const login = (value: unknown): string => lower(textOf(objectOf(value), 'login'));
const isPull = ({ issue }: Found): boolean => issue.pull_request != null;
const isMerged = ({ issue }: Found): boolean => flagIn(objectOf(issue.pull_request), 'merged') === true;
const isDraft = (found: Found): boolean =>
  isPull(found) && (flagIn(objectOf(found.issue.pull_request), 'draft') ?? isDraftTitle(textOf(found.issue, 'title')));

const IS: Readonly<Record<string, Test>> = {
  issue: (found) => !isPull(found),
  pr: isPull,
  'pull-request': isPull,
  open: ({ issue }) => issue.state === 'open',
  closed: ({ issue }) => issue.state === 'closed',
  merged: isMerged,
  unmerged: (found) => isPull(found) && !isMerged(found),
  draft: isDraft,
  locked: ({ issue }) => flagIn(issue, 'is_locked') === true,
  unlocked: ({ issue }) => flagIn(issue, 'is_locked') !== true,
};

const assigned = (issue: JsonObject): string[] => objectsOf(issue.assignees).map(login);

const NO: Readonly<Record<string, Test>> = {
  label: ({ issue }) => listOf(issue.labels).length === 0,
  assignee: ({ issue }) => listOf(issue.assignees).length === 0,
  milestone: ({ issue }) => issue.milestone == null,
};

const time = (value: unknown): number => (typeof value === 'string' ? Date.parse(value) : Number.NaN);

const inSpan = (
  name: string,
  value: string,
  read: (found: Found) => number,
  kind: 'time' | 'number' = 'time',
): Test => {
  const { from, to } = spanIn(name, value, kind);
  return (found) => {
    const at = read(found);
    return at >= from && at <= to;
  };
};

/** What one value of a qualifier asks of an issue; undefined for qualifiers that say where or how to look. */
function testOf(name: string, value: string, self: string): Test | undefined {
  const who = lower(value === '@me' ? self : value.replace(/^app\//, ''));
  const word = (table: Readonly<Record<string, Test>>) =>
    (Object.hasOwn(table, lower(value)) ? table[lower(value)] : undefined) ??
    refuse(`"${name}:${value}" is not supported`);
  switch (name) {
    case 'is':
    case 'type':
    case 'state':
      return word(IS);
    case 'no':
      return word(NO);
    case 'label':
      return ({ issue }) => objectsOf(issue.labels).some((label) => lower(textOf(label, 'name')) === lower(value));
    case 'author':
      return ({ issue }) => login(issue.user) === who;
    case 'assignee':
      return ({ issue }) => (value === '*' ? assigned(issue).length > 0 : assigned(issue).includes(who));
    case 'mentions':
      return ({ issue }) =>
        new RegExp(`(?:^|[^\\w@])@${who.replace(/[^\w-]/g, '\\$&')}(?![\\w-])`, 'i').test(textOf(issue, 'body'));
    case 'milestone':
      return ({ issue }) =>
        value === '*' ? issue.milestone != null : lower(textOf(objectOf(issue.milestone), 'title')) === lower(value);
    case 'draft':
      return (found) => isPull(found) && isDraft(found) === (lower(value) === 'true');
    case 'created':
    case 'updated':
    case 'closed':
      return inSpan(name, value, ({ issue }) => time(issue[`${name}_at`]));
    case 'merged':
      return inSpan(name, value, ({ issue }) => time(objectOf(issue.pull_request).merged_at));
    case 'comments':
      return inSpan(name, value, ({ issue }) => Number(issue.comments ?? 0), 'number');
    case 'archived':
      return ({ archived }) => archived === (lower(value) === 'true');
    case 'head':
    case 'base':
      return ({ pull }) =>
        textOf(objectOf(pull?.[name]), 'ref') === value || textOf(objectOf(pull?.[name]), 'label') === value;
    case 'review-requested':
      return ({ pull }) => objectsOf(pull?.requested_reviewers).some((one) => login(one) === who);
    default:
      return undefined;
  }
}

/** Asked of pull requests themselves: their issues do not tell. */
const NEEDS_PULL: ReadonlySet<string> = new Set(['head', 'base', 'review-requested']);
/** Say where or how to look, not what an issue has to be. */
const NO_TEST: ReadonlySet<string> = new Set(['repo', 'org', 'user', 'in', 'sort']);

function tests({ qualifiers, words }: SearchQuery, self: string): Test[] {
  const places = qualifiers.filter((one) => one.name === 'in').flatMap((one) => one.values);
  if (places.some((place) => place !== 'title' && place !== 'body')) refuse('"in" knows title and body only');
  const texts = places.length > 0 ? places : ['title', 'body'];
  const asked = qualifiers
    .filter((one) => !NO_TEST.has(one.name))
    .map(({ name, values, negated }): Test => {
      const any = values.map((value) => testOf(name, value, self)).filter((test) => test !== undefined);
      return (found) => any.some((test) => test(found)) !== negated;
    });
  const spoken = words.map(
    ({ text, negated }): Test =>
      ({ issue }) =>
        texts.some((place) => lower(textOf(issue, place)).includes(text)) !== negated,
  );
  return [...asked, ...spoken];
}

/** The forge's own filters, where they mean the same; everything is tested once more afterwards. */
function nativeFilters(qualifiers: readonly Qualifier[]) {
  const plain = qualifiers.filter((one) => !one.negated && one.values.length === 1);
  const said = plain
    .filter((one) => ['is', 'type', 'state'].includes(one.name))
    .map((one) => lower(one.values[0] ?? ''));
  const label = plain.find((one) => one.name === 'label' && !one.values[0]?.includes(','));
  const updated = plain.find((one) => one.name === 'updated');
  const span = updated && spanIn('updated', updated.values[0] ?? '', 'time');
  const iso = (ms: number | undefined) =>
    ms !== undefined && Number.isFinite(ms) ? new Date(ms).toISOString() : undefined;
  return {
    state: said.includes('open') ? 'open' : said.includes('closed') || said.includes('merged') ? 'closed' : 'all',
    type: said.includes('issue')
      ? 'issues'
      : said.some((one) => one === 'pr' || one === 'pull-request')
        ? 'pulls'
        : undefined,
    labels: label?.values[0],
    since: iso(span?.from),
    before: iso(span && span.to + 1000),
  };
}

const fullName = (issue: JsonObject): string => textOf(objectOf(issue.repository), 'full_name');

async function candidates(query: SearchQuery, context: RouteContext): Promise<JsonObject[]> {
  const filters = nativeFilters(query.qualifiers);
  const places = query.qualifiers.filter((one) => ['repo', 'org', 'user'].includes(one.name));
  if (places.some((one) => one.negated)) refuse('"-repo", "-org" and "-user" are not supported');
  const found: JsonObject[] = [];
  for (const { name, values } of places)
    for (const value of values) {
      const [owner = '', repo = ''] = value.split('/');
      const path = name === 'repo' ? `/repos/${segment(owner)}/${segment(repo)}/issues` : '/repos/issues/search';
      try {
        const more = await everything(context, path, { ...filters, ...(name !== 'repo' && { owner: value }) });
        found.push(
          ...objectsOf(more).map((issue) => (name === 'repo' ? { ...issue, repository: { full_name: value } } : issue)),
        );
      } catch (error) {
        if (!(error instanceof RouteFailure && error.status === 404)) throw error;
        refuse(`"${value}" does not exist or you may not see it`);
      }
    }
  if (places.length === 0) found.push(...objectsOf(await everything(context, '/repos/issues/search', filters)));
  return [...new Map(found.map((issue) => [String(issue.id), issue])).values()];
}

async function withPulls(issues: readonly JsonObject[], context: RouteContext, needed: boolean): Promise<Found[]> {
  if (!needed) return issues.map((issue) => ({ issue, pull: undefined }));
  const pulls = new Map<string, JsonObject>();
  for (const name of new Set(issues.filter((issue) => issue.pull_request != null).map(fullName))) {
    const path = `/repos/${name.split('/').map(segment).join('/')}/pulls`;
    for (const pull of objectsOf(await everything(context, path, { state: 'all' })))
      pulls.set(`${name}#${pull.number}`, pull);
  }
  return issues.map((issue) => ({ issue, pull: pulls.get(`${fullName(issue)}#${issue.number}`) }));
}

async function withArchived(found: readonly Found[], context: RouteContext): Promise<Found[]> {
  const archived = new Map<string, boolean>();
  for (const name of new Set(found.map(({ issue }) => fullName(issue)))) {
    const path = `/repos/${name.split('/').map(segment).join('/')}`;
    archived.set(name, flagIn(objectOf(await context.native.find(path)), 'archived') === true);
  }
  return found.map((one) => ({ ...one, archived: archived.get(fullName(one.issue)) ?? false }));
}

/** `created-desc` in the query, or the parameters beside it. */
function order(request: RouteRequest, qualifiers: readonly Qualifier[]): (a: Found, b: Found) => number {
  const [key = 'created', way] = (qualifiers.find((one) => one.name === 'sort')?.values[0] ?? '').split('-');
  const sort = key || textIn(request.query, 'sort') || 'created';
  const up = (way ?? textIn(request.query, 'order') ?? 'desc') === 'asc';
  const read: (issue: JsonObject) => number =
    sort === 'comments'
      ? (issue) => Number(issue.comments ?? 0)
      : (issue) => time(issue[sort === 'updated' ? 'updated_at' : 'created_at']);
  // The server dates to the second: of what is equally old the id tells which came first.
  return (a, b) => (up ? 1 : -1) * (read(a.issue) - read(b.issue) || Number(a.issue.id) - Number(b.issue.id));
}

async function searchIssues(request: RouteRequest, context: RouteContext) {
  const query = parseSearch(textIn(request.query, 'q') ?? refuse('there is no "q"'));
  const asked = tests(query, context.account.login);
  const needsPull = query.qualifiers.some((one) => NEEDS_PULL.has(one.name));
  const found = await withPulls(await candidates(query, context), context, needsPull);
  const all = query.qualifiers.some(({ name }) => name === 'archived') ? await withArchived(found, context) : found;
  const matching = all.filter((found) => asked.every((test) => test(found))).sort(order(request, query.qualifiers));
  const answer = pageIn(request, matching.slice(0, MOST_RESULTS));
  const items = (answer.data as Found[]).map(({ issue }) => {
    const [owner = '', repo = ''] = fullName(issue).split('/');
    return { ...asIssue({ ...request, params: { owner, repo } }, context, issue), score: 1 };
  });
  return { ...answer, data: { total_count: matching.length, incomplete_results: false, items } };
}

/** What somebody has to do with an issue, by the server's filters; undefined for all of them. */
const MINE: Readonly<Record<string, string | undefined>> = {
  assigned: 'assigned',
  created: 'created',
  mentioned: 'mentioned',
  repos: undefined,
  all: undefined,
};
const SORTS: ReadonlySet<string> = new Set(['created', 'updated', 'comments']);

async function organizationIssues(request: RouteRequest, context: RouteContext) {
  const { filter = 'assigned', state = 'open', labels, since, sort = 'created' } = request.query;
  if (!Object.hasOwn(MINE, filter))
    throw invalid(
      'Issue',
      'filter',
      'invalid',
      `"${filter}" is not told: assigned, created, mentioned, repos and all are.`,
    );
  if (!['open', 'closed', 'all'].includes(state)) throw invalid('Issue', 'state', 'invalid');
  if (!SORTS.has(sort)) throw invalid('Issue', 'sort', 'invalid');
  const owner = param(request, 'org');
  // The search finds nothing of an owner that is not there.
  await context.native.get(`/orgs/${segment(owner)}`);
  const mine = MINE[filter];
  const query = { owner, state, labels, since, ...(mine !== undefined && { [mine]: true }) };
  const found = objectsOf(await everything(context, '/repos/issues/search', query, MOST_RESULTS));
  const direction = textIn(request.query, 'direction') ?? 'desc';
  const inOrder = order({ ...request, query: { sort, order: direction } }, []);
  const sorted = found.map((issue) => ({ issue, pull: undefined })).sort(inOrder);
  return pageIn(
    request,
    sorted.map(({ issue }) => {
      const [name = '', repo = ''] = fullName(issue).split('/');
      return asIssue({ ...request, params: { owner: name, repo } }, context, issue);
    }),
  );
}

export const search: RouteTable = {
  'GET /orgs/{org}/issues': emulated(
    'read',
    'issue: GET /repos/issues/search',
    'The newest 1,000. Their repository is named by its address.',
    organizationIssues,
  ),
  'GET /search/issues': emulated(
    'read',
    'issue: GET /repos/{owner}/{repo}/issues, GET /repos/issues/search',
    'Filtered by us; a qualifier that is not understood is refused with 422 and its name.',
    searchIssues,
  ),
};
