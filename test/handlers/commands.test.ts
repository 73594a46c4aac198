/** Commands in comments, on every forge: who may, what becomes of it, and what is written down. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { listDecisions } from '../../src/accounts/access/trail.js';
import type { FakePlace } from '../../src/forges/kit/fake/forge-fake.js';
import { createApps } from '../../src/handlers/apps.js';
import type { Rights } from '../../src/handlers/commands/commands.js';
import type { JobQueue } from '../../src/jobs/queue/queue.js';
import { shortSha } from '../../src/lib/ids.js';
import { type ConnectedForge, playedForges, startConnectedForge } from '../support/connected-forge.js';
import { rightsFor } from '../support/rights.js';

const place: FakePlace = { owner: 'acme', name: 'shop' };
const people = { bob: 'admin', dave: 'write' } as const;
type Login = keyof typeof people | 'carol';

describe.each(playedForges.map((forge) => ({ forge, label: forge.label })))('commands on $label', ({ forge }) => {
  let connected: ConnectedForge;
  let rights: Rights;
  const poked: string[] = [];
  const queue = (name: string): JobQueue => ({ name, poke: async () => void poked.push(name) });
  const as = (login: Login) => connected.fake.as(login, place);

  beforeAll(async () => {
    connected = await startConnectedForge(forge, {
      people: [...Object.keys(people), 'carol'],
      repository: { ...place, people },
      apps: (store, organizationId) => {
        rights = rightsFor(store, organizationId);
        const pokes = {
          preview: queue('preview'),
          sync: queue('sync'),
          report: queue('report'),
          run: queue('run'),
          watch: queue('watch'),
          agent: queue('agent'),
        };
        return createApps({ store, pokes, log: pino({ level: 'silent' }), rights, previews: true });
      },
    });
  });
  afterAll(async () => {
    await rights?.access.close();
    await connected?.close();
  });

  const rows = async <Row extends object>(sql: string): Promise<Row[]> =>
    (await connected.store.tenant(connected.organizationId, (tx) => tx.query<Row>(sql))).rows;

  /** What the bot said to a comment, and with what it reacted, in order. */
  async function answersTo(login: Login, number: number, body: string) {
    const [before] = await rows<{ at: Date }>('SELECT clock_timestamp() AS at');
    await as(login).comment(number, body);
    await connected.quiet();
    const state = await connected.fake.state(place);
    const thread = [...state.pullRequests, ...state.issues].find((one) => one.number === number);
    const at = thread?.comments.findLastIndex((comment) => comment.body === body) ?? -1;
    const journal = await connected.store.pool.query<{ body: Buffer | null; route: string }>(
      `SELECT request_body AS body, route FROM write_journal
       WHERE route LIKE '%/reactions' AND created_at > $1 AND status = 'answered' ORDER BY created_at`,
      [before?.at],
    );
    return { said: thread?.comments.slice(at + 1).map((comment) => comment.body), reactions: journal.rows.length };
  }

  it('lets one commit run by whoever may say so, and tells the others as much as they should know', async () => {
    await as('dave').push({ branch: 'feature', files: { 'a.txt': 'a' }, message: 'feat: a' });
    const number = await as('dave').openPullRequest({ head: 'feature', title: 'A' });
    const issue = await as('carol').openIssue({ title: 'B' });
    await connected.quiet();
    const head = (await connected.fake.state(place)).pullRequests[0]?.headSha ?? '';
    const command = `/ok-to-test ${shortSha(head)}`;
    const approved = () =>
      rows<{ sha: string; approver_login: string }>('SELECT sha, approver_login FROM trusted_commit');

    // A stranger is answered by a face alone; one who belongs here is told.
    expect(await answersTo('carol', number, command)).toEqual({ said: [], reactions: 1 });
    expect(await answersTo('dave', number, command)).toEqual({
      said: [expect.stringContaining('@dave you may not use')],
      reactions: 1,
    });
    expect(await answersTo('bob', number, `> ${command}\n\n\`\`\`\n${command}\n\`\`\``)).toEqual({
      said: [],
      reactions: 0,
    });
    expect(await answersTo('bob', number, '/ok-to-test deadbeef')).toEqual({
      said: [expect.stringContaining(`The newest commit is ${shortSha(head)}.`)],
      reactions: 2,
    });
    expect(await answersTo('bob', issue, command)).toEqual({
      said: [expect.stringContaining('is for pull requests')],
      reactions: 1,
    });
    expect(await approved()).toEqual([]);

    poked.length = 0;
    expect(await answersTo('bob', number, `Fine.\n${command}`)).toEqual({ said: [], reactions: 2 });
    expect(await approved()).toEqual([{ sha: head, approver_login: 'bob' }]);
    expect(poked).toContain('preview');

    // Of what is pushed later nothing is approved.
    const next = await as('dave').push({ branch: 'feature', files: { 'a.txt': 'b' }, message: 'feat: b' });
    await connected.quiet();
    expect(await answersTo('bob', number, `/fw ok-to-test ${head}`)).toEqual({
      said: [expect.stringContaining(`The newest commit is ${shortSha(next)}.`)],
      reactions: 2,
    });
    expect(await approved()).toEqual([{ sha: head, approver_login: 'bob' }]);

    // Both heads were seen. Had the first begun like the second, which is made in a second, its name says too little.
    const seen = () => rows<{ sha: string }>(`SELECT sha FROM seen_head WHERE number = ${number} ORDER BY seen_at`);
    expect((await seen()).map(({ sha }) => sha)).toEqual([head, next]);
    const twin = `${shortSha(next)}${head.slice(7)}`;
    await rows(
      `INSERT INTO seen_head (repository_id, number, sha, organization_id)
       SELECT repository_id, number, '${twin}', organization_id FROM seen_head WHERE sha = '${head}'`,
    );
    expect(await answersTo('bob', number, `/ok-to-test ${shortSha(next)}`)).toEqual({
      said: [expect.stringContaining(`More than one commit of this pull request begins with ${shortSha(next)}`)],
      reactions: 2,
    });
    expect(await approved()).toHaveLength(1);
    expect(await answersTo('bob', number, `/ok-to-test ${next}`)).toEqual({ said: [], reactions: 2 });
    expect((await approved()).map(({ sha }) => sha).sort()).toEqual([head, next].sort());

    await rights.access.close();
    const trail = await listDecisions(connected.store, connected.organizationId, {
      action: 'untrusted.approve',
      limit: 20,
    });
    expect(trail.map(({ allowed, because, subject }) => ({ allowed, because, subject }))).toEqual(
      expect.arrayContaining([
        { allowed: true, because: null, subject: `acme/shop#${number}` },
        { allowed: false, because: 'level', subject: `acme/shop#${number}` },
      ]),
    );
    expect(trail.filter(({ allowed }) => !allowed)).toHaveLength(2);
  });

  it('hears what stands on a line and in the text of a review, once, and what stands in the texts of issues and pull requests never', async () => {
    await as('dave').push({ branch: 'spoken', files: { 'c.txt': 'one\ntwo\n' }, message: 'feat: c' });
    const number = await as('dave').openPullRequest({ head: 'spoken', title: '/help', body: '/help\n\n/fw help' });
    const issue = await as('dave').openIssue({ title: '/help', body: '/help' });
    const answers = async () => {
      await connected.quiet();
      const { pullRequests, issues } = await connected.fake.state(place);
      return [...pullRequests, ...issues]
        .flatMap((one) => (one.number === number || one.number === issue ? one.comments : []))
        .filter(({ author, body }) => !(author in people) && body.startsWith('@'))
        .map(({ body }) => body.split(' ', 1)[0]);
    };
    expect(await answers()).toEqual([]);
    await as('bob').review(number, { verdict: 'comment', body: 'Look.\r\n/FW /Help\r\n' });
    expect(await answers()).toEqual(['@bob']);
    await as('dave').review(number, {
      ...{ verdict: 'comment', body: 'Two things.' },
      lines: [
        { path: 'c.txt', line: 1, body: '\u{1f600} not here /help\n> /help\n    /help\n```\n/help\n```' },
        { path: 'c.txt', line: 2, body: '/help' },
      ],
    });
    expect(await answers()).toEqual(['@bob', '@dave']);
    // A stranger's are answered by a face at most.
    await as('carol').review(number, { verdict: 'comment', body: '/ok-to-test 1234567', lines: [] });
    expect(await answers()).toEqual(['@bob', '@dave']);
  });

  it('starts, builds again, puts to sleep and removes a preview, for whoever may write', async () => {
    await as('dave').push({ branch: 'shown', files: { 'b.txt': 'b' }, message: 'feat: b' });
    const number = await as('dave').openPullRequest({ head: 'shown', title: 'Shown' });
    await connected.quiet();
    const row = async () => {
      const [found] = await rows<{
        desired_state: string;
        by_hand: boolean;
        desired_version: bigint;
        rebuild_version: bigint;
      }>(
        `SELECT p.desired_state, p.by_hand, p.desired_version, p.rebuild_version FROM preview p
         JOIN pull_request q ON q.id = p.pull_request_id WHERE q.number = ${number}`,
      );
      return found;
    };
    const silent = { said: [], reactions: 2 };
    const says = (text: string) => ({ said: [expect.stringContaining(text)], reactions: 2 });

    expect(await answersTo('carol', number, '/preview delete')).toEqual({ said: [], reactions: 1 });
    expect(await row()).toMatchObject({ desired_state: 'running', by_hand: false });
    expect(await answersTo('dave', number, '/preview')).toEqual(
      says('There is no .forgeway.yml on the default branch'),
    );
    await as('bob').push({
      branch: 'main',
      files: { '.forgeway.yml': 'preview:\n  start: x\n' },
      message: 'chore: previews',
    });
    await connected.quiet();

    expect(await answersTo('dave', number, '/preview polish')).toEqual(says('That is not known. There is `/preview'));
    expect(await answersTo('dave', number, '/preview sleep')).toEqual(silent);
    expect(await row()).toMatchObject({ desired_state: 'asleep' });
    expect(await answersTo('dave', number, '/preview')).toEqual(silent);
    expect(await row()).toMatchObject({ desired_state: 'running', by_hand: true });
    expect(await answersTo('dave', number, '/preview Rebuild')).toEqual(silent);
    const rebuilt = await row();
    expect(rebuilt?.rebuild_version).toEqual(rebuilt?.desired_version);
    expect(await answersTo('dave', number, '/fw preview delete')).toEqual(silent);
    expect(await row()).toMatchObject({ desired_state: 'absent', by_hand: false });
    expect(await answersTo('dave', number, '/preview delete')).toEqual(says('There is no preview to delete'));
    expect(await answersTo('dave', number, '/preview sleep')).toEqual(says('There is no preview to sleep'));
    expect(await answersTo('dave', number, '/preview rebuild')).toEqual(silent);
    expect(await row()).toMatchObject({ desired_state: 'running', by_hand: true });
    expect(poked).toContain('preview');
  });

  it('has pushes to named branches, and to the default one, looked at', async () => {
    const branches = () =>
      rows<{ branch: string; desired_state: string }>(
        `SELECT branch, desired_state FROM preview WHERE branch IS NOT NULL ORDER BY branch`,
      );
    await as('bob').push({ branch: 'main', files: { 'c.txt': 'c' }, message: 'chore: c' });
    await connected.quiet();
    expect(await branches()).toEqual([{ branch: 'main', desired_state: 'running' }]);
    await rows(`UPDATE repository SET preview_branches = '["release/*"]'`);
    await as('bob').push({ branch: 'release/1', files: { 'd.txt': 'd' }, message: 'chore: d' });
    await as('bob').push({ branch: 'other', files: { 'd.txt': 'd' }, message: 'chore: d' });
    await connected.quiet();
    expect((await branches()).map(({ branch }) => branch)).toEqual(['main', 'release/1']);
  });
});
