/** What became of a story as lines of text that are the same wherever the same happened. */
import type { FakeConversationState, FakePullRequestState } from '../../forges/kit/fake/forge-fake.js';
import type { Run } from '../../translate/rehearsal.js';
import { routeShape } from '../../translate/route-shape.js';
import type { Played } from './stage.js';

const SHA = /\b[0-9a-f]{7,40}\b/g;
const NUMBER = /#\d+/g;
const TIME = /\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g;
const ADDRESS = /https?:\/\/[^\s)"'<>\]]+/g;
const LONGEST = 200;

/** Numbers, hashes and addresses are each forge's own, and so is the moment at which it was played. */
const plain = (text: string): string =>
  text
    .replaceAll(ADDRESS, '<address>')
    .replaceAll(TIME, '<time>')
    // A number may have as many digits as the beginning of a hash.
    .replaceAll(NUMBER, '#…')
    .replaceAll(SHA, '<sha>')
    .replaceAll(/\s+/g, ' ')
    .trim();

const quoted = (text: string): string => {
  const line = plain(text);
  return `"${line.length > LONGEST ? `${line.slice(0, LONGEST)}…` : line}"`;
};

/** Fields that name an object or its place; what an app wrote is in the others. */
const UNNAMED = /(^|_)(sha|id|number|url|ref|key|before|after)$/;

function bodyLine(body: unknown): string {
  if (body === undefined) return '';
  const text = JSON.stringify(body, (key, value: unknown) => {
    if (UNNAMED.test(key) && (typeof value === 'string' || typeof value === 'number')) return '…';
    return typeof value === 'string' ? plain(value) : value;
  });
  return ` ${text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text}`;
}

export function runLine({ app, event, outcome, reason }: Pick<Run, 'app' | 'event' | 'outcome' | 'reason'>): string {
  const why = outcome === 'done' || reason === undefined ? '' : `: ${plain(reason)}`;
  return `${event} → ${app}: ${outcome}${why}`;
}

/** Without the queries of reads, in which pages are. */
export const requestLines = ({ requests }: Played): string[] =>
  requests.map(({ method, path, status, body }) => {
    const [plainPath = ''] = path.split('?', 1);
    return `${method} ${routeShape(plainPath)} ${status === 0 ? 'no answer' : status}${method === 'GET' ? '' : bodyLine(body)}`;
  });

const conversation = (of: string, one: FakeConversationState): string[] => [
  ...one.labels.map((label) => `${of} has the label ${label}`),
  ...one.assignees.map((login) => `${of} is assigned to ${login}`),
  ...(one.locked ? [`${of} is locked`] : []),
  ...one.comments.map(({ author, body }) => `${of} has a comment by ${author}: ${quoted(body)}`),
];

const pullRequest = (of: string, one: FakePullRequestState): string[] => [
  `${of} is ${one.state}${one.draft ? ', a draft' : ''}: ${quoted(one.title)} by ${one.author}, ${quoted(one.body)}`,
  `${of} is from ${one.head} to ${one.base}`,
  ...conversation(of, one),
  ...one.reviewers.map((login) => `${of} waits for a review by ${login}`),
  ...one.reviews.map(({ author, state, body }) => `${of} was reviewed by ${author}: ${state} ${quoted(body)}`),
  ...one.lineComments.map(
    ({ author, path, line, body }) => `${of} at ${path}:${line ?? '?'}: ${quoted(body)} by ${author}`,
  ),
  ...one.statuses.map(
    ({ context, state, description }) => `${of} has the status ${context}: ${state} ${quoted(description)}`,
  ),
];

const stateLinesOf = ({ state }: Played): string[] => [
  ...state.branches.map(({ name }) => `branch ${plain(name)}`),
  ...state.tags.map((name) => `tag ${name}`),
  ...state.labels.map((name) => `label ${name}`),
  ...state.releases.map(
    ({ tag, name, body, draft }) => `release ${tag}${draft ? ' (draft)' : ''}: ${name} ${quoted(body)}`,
  ),
  ...state.issues.flatMap((one, at) => {
    const of = `issue ${at + 1}`;
    return [
      `${of} is ${one.state}: ${quoted(one.title)} by ${one.author}, ${quoted(one.body)}`,
      ...conversation(of, one),
    ];
  }),
  ...state.pullRequests.flatMap((one, at) => pullRequest(`pull request ${at + 1}`, one)),
];

/** The app's own account has another name on each forge. */
export const stateLines = (played: Played): string[] =>
  stateLinesOf(played).map((line) => line.replaceAll(played.bot, '<bot>'));
