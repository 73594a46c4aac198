/** As much of GitHub, in memory and without sockets, as ten effects need: done, counted, and read back as a look does. */
import { createHash } from 'node:crypto';
import type { Fetch } from '../../src/translate/forge-fetch.js';
import type { Played } from './fault-matrix.js';
import { shop } from './forge-writes.js';

// biome-ignore lint/suspicious/noExplicitAny: bodies of many routes, of which each case reads its own fields.
type Loose = any;
type Handle = (params: string[], sent: Loose, query: URLSearchParams) => unknown;

const bot = { id: 7, login: 'forgeway-bot' };
const sha = (text: string): string => createHash('sha1').update(text).digest('hex');
const HEAD = sha('head');

export async function playGitHub(): Promise<Played> {
  const state = {
    next: 100,
    comments: [] as Loose[],
    statuses: [] as Loose[],
    runs: [] as Loose[],
    issues: new Map<number, { labels: Loose[]; assignees: Loose[] }>(),
    reviews: [] as Loose[],
    merged: new Map<number, boolean>(),
    files: new Map<string, { content: string; commits: Loose[] }>(),
    releases: [] as Loose[],
  };
  const id = () => {
    state.next += 1;
    return state.next;
  };
  const now = () => new Date().toISOString();
  const keep = (list: Loose[], made: object) => {
    const one = { id: id(), created_at: now(), user: bot, ...made };
    list.unshift(one);
    return one;
  };
  const issueOf = (number = '') => {
    const issue = state.issues.get(Number(number));
    return issue && { number: Number(number), ...issue };
  };
  const file = (path = '') => {
    const found = state.files.get(path);
    return found && { path, sha: sha(found.content), content: found.content, encoding: 'base64' };
  };

  const routes: readonly [string, RegExp, Handle][] = [
    ['POST', /^\/issues\/(\d+)\/comments$/, ([issue], { body }) => keep(state.comments, { issue, body })],
    ['GET', /^\/issues\/(\d+)\/comments$/, ([issue]) => state.comments.filter((one) => one.issue === issue)],
    [
      'PATCH',
      /^\/issues\/comments\/(\d+)$/,
      ([of], { body }) =>
        Object.assign(
          state.comments.find((one) => one.id === Number(of)),
          { body },
        ),
    ],
    ['GET', /^\/issues\/comments\/(\d+)$/, ([of]) => state.comments.find((one) => one.id === Number(of))],
    ['POST', /^\/statuses\/(\w+)$/, ([, of], sent) => keep(state.statuses, { ...sent, of, creator: bot })],
    ['GET', /^\/commits\/\w+\/statuses$/, () => state.statuses],
    ['POST', /^\/check-runs$/, (_params, sent) => keep(state.runs, sent)],
    [
      'GET',
      /^\/commits\/\w+\/check-runs$/,
      (_params, _sent, query) => ({
        check_runs: state.runs.filter((one) => [null, one.name].includes(query.get('check_name'))),
      }),
    ],
    [
      'POST',
      /^\/issues\/(\d+)\/labels$/,
      ([number], { labels }) => {
        const issue = issueOf(number);
        for (const name of labels as string[])
          if (!issue?.labels.some((one) => one.name === name)) issue?.labels.push({ name });
        return issue?.labels;
      },
    ],
    [
      'POST',
      /^\/issues\/(\d+)\/assignees$/,
      ([number], { assignees }) => {
        const issue = issueOf(number);
        for (const login of assignees as string[])
          if (!issue?.assignees.some((one) => one.login === login)) issue?.assignees.push({ login });
        return issue;
      },
    ],
    ['GET', /^\/issues\/(\d+)$/, ([number]) => issueOf(number)],
    [
      'POST',
      /^\/pulls\/(\d+)\/reviews$/,
      (_params, { body }) => keep(state.reviews, { body, state: 'COMMENTED', submitted_at: now() }),
    ],
    ['GET', /^\/pulls\/(\d+)\/reviews$/, () => state.reviews],
    [
      'PUT',
      /^\/pulls\/(\d+)\/merge$/,
      ([number]) => {
        state.merged.set(Number(number), true);
        return { merged: true, sha: sha(`merge ${number}`) };
      },
    ],
    [
      'GET',
      /^\/pulls\/(\d+)$/,
      ([number]) => ({
        number: Number(number),
        merged: state.merged.get(Number(number)),
        merge_commit_sha: sha(`merge ${number}`),
      }),
    ],
    [
      'PUT',
      /^\/contents\/(.+)$/,
      ([path = ''], { content, message }) => {
        const commits = state.files.get(path)?.commits ?? [];
        const commit = { sha: sha(`${path} ${commits.length}`), commit: { message }, parents: [] };
        state.files.set(path, { content, commits: [commit, ...commits] });
        return { content: file(path), commit };
      },
    ],
    ['GET', /^\/contents\/(.+)$/, ([path]) => file(path)],
    ['GET', /^\/commits$/, (_params, _sent, query) => state.files.get(query.get('path') ?? '')?.commits ?? []],
    ['POST', /^\/releases$/, (_params, sent) => keep(state.releases, { ...sent, draft: false })],
    ['GET', /^\/releases$/, () => state.releases],
  ];

  const url = 'https://github.test';
  const request: Fetch = async (asked, init) => {
    const { pathname, searchParams } = new URL(asked);
    const path = pathname.replace(/^.*?\/repos\/acme\/shop/, '');
    const method = init?.method ?? 'GET';
    const sent = typeof init?.body === 'string' && init.body !== '' ? (JSON.parse(init.body) as Loose) : {};
    for (const [of, at, handle] of routes) {
      const params = of === method ? at.exec(path) : null;
      if (params === null) continue;
      const data = handle(params.slice(1), sent, searchParams);
      const status = method === 'POST' ? 201 : 200;
      return data === undefined
        ? Response.json({ message: 'Not Found' }, { status: 404 })
        : Response.json(data, { status });
    }
    throw new Error(`The player has no ${method} ${path}.`);
  };
  const newIssue = async () => {
    const number = id();
    state.issues.set(number, { labels: [], assignees: [] });
    return number;
  };
  return {
    url,
    request,
    bot: { id: BigInt(bot.id), login: bot.login },
    token: 'ghp_any',
    repository: { id: 1n, url: `${url}/${shop.owner}/${shop.name}` },
    sha: HEAD,
    newIssue,
    newLabel: async (name) => name,
    pull: id(),
    mergeable: async () => {
      const number = id();
      state.merged.set(number, false);
      return number;
    },
    close: async () => undefined,
  };
}
