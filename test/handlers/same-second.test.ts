/** Forges count seconds: changes of an issue that happen in one look the same, in whatever order they are told. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { RouteFailure } from '../../src/forges/kit/route.js';
import { ForgewayError } from '../../src/lib/errors.js';
import { createHarness, examplesOf, type Harness, type Payload } from './harness.js';
import { permutations, start } from './pull-request-life.js';

const receivedAt = new Date(start + 60_000);
const example = examplesOf('issues').find(({ action }) => action === 'opened') as {
  repository: Payload;
  issue: Payload;
};
const exampleComment = examplesOf('issue_comment').find(({ action }) => action === 'created') as { comment: Payload };
const at = (ms: number) => new Date(start + ms).toISOString();
/** What webhooks tell. */
const second = at(0).replace('.000', '');

interface IssueState {
  title: string;
  state: 'open' | 'closed';
  labels: string[];
}

describe('changes of an issue within one second', () => {
  const opened: IssueState = { title: 'Broken', state: 'open', labels: [] };
  const labeled: IssueState = { ...opened, labels: ['bug'] };
  const closed: IssueState = { ...labeled, state: 'closed' };
  const edited: IssueState = { ...closed, title: 'Mended' };
  const reopened: IssueState = { ...edited, state: 'open' };
  let harness: Harness;
  let ask: (parameters: Readonly<Record<string, unknown>>) => Promise<unknown>;
  const asked: [bigint, string, Readonly<Record<string, unknown>>][] = [];
  let repositoryId = 6_000;

  beforeAll(async () => {
    harness = await createHarness({
      askAs: async (installationId) => (route, parameters) => {
        asked.push([installationId, route, parameters]);
        return ask(parameters);
      },
    });
  });
  afterAll(() => harness.db.drop());
  beforeEach(() => {
    repositoryId += 1;
    asked.length = 0;
    ask = async ({ issue_number: number }) => issue(Number(number), reopened, at(900));
  });

  const issue = (number: number, { title, state, labels }: IssueState, updatedAt = second): Payload => ({
    ...example.issue,
    id: repositoryId * 1_000 + number,
    number,
    title,
    state,
    labels: labels.map((name) => ({ id: 1, name, color: 'ededed' })),
    created_at: second,
    updated_at: updatedAt,
    closed_at: state === 'closed' ? second : null,
  });
  const tell = (action: string, number: number, state: IssueState, installation: object = { id: 77 }) =>
    harness.deliver(
      'issues',
      {
        action,
        issue: issue(number, state),
        repository: { ...example.repository, id: repositoryId },
        sender: { id: 1, login: 'alice' },
        installation,
      },
      { apps: ['mirror'], receivedAt },
    );
  const comment = (number: number, state: IssueState) =>
    harness.deliver(
      'issue_comment',
      {
        action: 'created',
        issue: issue(number, state),
        comment: {
          ...exampleComment.comment,
          id: repositoryId * 1_000 + number,
          created_at: second,
          updated_at: second,
        },
        repository: { ...example.repository, id: repositoryId },
        sender: { id: 1, login: 'alice' },
        installation: { id: 77 },
      },
      { apps: ['mirror'], receivedAt },
    );
  const mirrored = async (number: number) => {
    const [row] = await harness.rows<{ title: string; state: string; labels: { name: string }[] }>(
      'SELECT title, state, labels FROM issue WHERE remote_repository_id = $1 AND number = $2',
      [repositoryId, number],
    );
    return row && { title: row.title, state: row.state, labels: row.labels.map(({ name }) => name) };
  };

  it('end at what the forge says, in all 120 orders', async () => {
    const events: [string, IssueState][] = [
      ['opened', opened],
      ['labeled', labeled],
      ['closed', closed],
      ['edited', edited],
      ['reopened', reopened],
    ];
    for (const [n, order] of permutations(events).entries()) {
      for (const [action, state] of order) await tell(action, n + 1, state);
      expect([order.map(([action]) => action), await mirrored(n + 1)]).toEqual([expect.anything(), reopened]);
    }
    const { owner, name } = example.repository as { owner: { login: string }; name: string };
    expect(asked[0]).toEqual([
      77n,
      'GET /repos/{owner}/{repo}/issues/{issue_number}',
      { owner: owner.login, repo: name, issue_number: 1 },
    ]);
  }, 120_000);

  it('are read again also where a comment tells of what was before', async () => {
    await tell('reopened', 1, reopened);
    expect(asked).toHaveLength(0);
    await comment(1, closed);
    expect(asked).toHaveLength(1);
    expect(await mirrored(1)).toEqual(reopened);
  });

  it('are not read again where both say the same, or one came first by its nature', async () => {
    await tell('labeled', 1, labeled);
    await tell('labeled', 1, labeled);
    await comment(1, labeled);
    await tell('opened', 1, opened);
    expect(asked).toEqual([]);
    expect(await mirrored(1)).toEqual(labeled);
  });

  it('a change that is told after the reading, and of the same second, is read as well', async () => {
    await tell('closed', 1, closed);
    await tell('edited', 1, edited);
    expect(await mirrored(1)).toEqual(reopened);
    ask = async () => issue(1, { ...reopened, title: 'Later' }, at(950));
    await tell('edited', 1, { ...reopened, title: 'Later' });
    expect(await mirrored(1)).toEqual({ ...reopened, title: 'Later' });
  });

  it.each([
    ['is hidden or gone', new RouteFailure(404, 'Not Found')],
    ['has no installation any more', new ForgewayError('FORGEWAY_INSTALLATION_UNKNOWN', 'gone')],
  ])('stand as they were told last where the issue %s', async (_what, refusal) => {
    ask = () => Promise.reject(refusal);
    await tell('labeled', 1, labeled);
    await tell('closed', 1, closed);
    expect(asked).toHaveLength(1);
    expect(await mirrored(1)).toEqual(closed);
  });

  const limited = Object.assign(new Error('API rate limit exceeded'), {
    name: 'HttpError',
    status: 403,
    response: { headers: { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '4102444800' } },
  });
  it.each([
    ['is away', new RouteFailure(502, 'Bad Gateway'), 502],
    ['was asked too often', limited, 403],
  ])('are told again where the forge %s', async (_what, failure, status) => {
    ask = () => Promise.reject(failure);
    await tell('labeled', 1, labeled);
    await expect(tell('closed', 1, closed)).rejects.toMatchObject({ status });
  });
});
