/** `/ok-to-test` with every kind of name, and heads that move around it: approved is what somebody has looked at, and nothing else. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import type { FakePlace } from '../../src/forges/kit/fake/forge-fake.js';
import { createApps } from '../../src/handlers/apps.js';
import type { Rights } from '../../src/handlers/commands/commands.js';
import { type ConnectedForge, playedForges, startConnectedForge } from '../support/connected-forge.js';
import { rightsFor } from '../support/rights.js';

const place: FakePlace = { owner: 'acme', name: 'shop' };
const people = { bob: 'admin', dave: 'write' } as const;

describe.each(playedForges.map((forge) => ({ forge, label: forge.label })))('/ok-to-test on $label', ({ forge }) => {
  let connected: ConnectedForge;
  let rights: Rights;
  const nowhere = (name: string) => ({ name, poke: async () => undefined });
  beforeAll(async () => {
    connected = await startConnectedForge(forge, {
      people: Object.keys(people),
      repository: { ...place, people },
      apps: (store, organizationId) => {
        rights = rightsFor(store, organizationId);
        const pokes = {
          ...{ preview: nowhere('preview'), sync: nowhere('sync'), report: nowhere('report') },
          ...{ run: nowhere('run'), watch: nowhere('watch'), agent: nowhere('agent') },
        };
        return createApps({ store, pokes, log: pino({ level: 'silent' }), rights, previews: true });
      },
    });
  });
  afterAll(async () => {
    await rights?.access.close();
    await connected?.close();
  });

  const as = (login: keyof typeof people) => connected.fake.as(login, place);
  const rows = async <Row extends object>(sql: string, values: unknown[] = []): Promise<Row[]> =>
    (await connected.store.tenant(connected.organizationId, (tx) => tx.query<Row>(sql, values))).rows;
  beforeEach(() => rows('UPDATE command_sender SET given = 0'));

  let made = 0;
  const push = (branch: string) => {
    made += 1;
    return as('dave').push({ branch, files: { 'a.txt': `${made}` }, message: `feat: ${made}` });
  };
  async function opened(branch: string): Promise<{ number: number; head: string }> {
    const head = await push(branch);
    const number = await as('dave').openPullRequest({ head: branch, title: branch });
    await connected.quiet();
    return { number, head };
  }
  const approved = async (number: number) =>
    (await rows<{ sha: string }>('SELECT sha FROM trusted_commit WHERE number = $1 ORDER BY sha', [number])).map(
      ({ sha }) => sha,
    );
  /** What the bot has said there, each without whom it says it to. */
  async function said(number: number): Promise<string[]> {
    await connected.quiet();
    const { pullRequests } = await connected.fake.state(place);
    const comments = pullRequests.find((one) => one.number === number)?.comments ?? [];
    return comments
      .filter(({ author, body }) => !(author in people) && body.startsWith('@bob '))
      .map(({ body }) => body.slice(5));
  }

  it('takes a name in capitals and in part, and none of two, of another pull request, or of nothing', async () => {
    const { number, head } = await opened('names');
    const other = await opened('others');
    const refused = [
      head.slice(0, 6),
      `${head} ${other.head}`,
      other.head,
      `${head}0`,
      `${head.slice(0, 7)}x`,
      'HEAD',
      '',
    ];
    for (const [at, name] of refused.entries()) {
      await as('bob').comment(number, `/ok-to-test ${name}`);
      const answers = await said(number);
      expect(answers).toHaveLength(at + 1);
      expect(answers[at]).toContain(head.slice(0, 7));
    }
    expect([await approved(number), await approved(other.number)]).toEqual([[], []]);
    await as('bob').comment(number, `/ok-to-test ${head.slice(0, 7).toUpperCase()}`);
    expect(await said(number)).toHaveLength(refused.length);
    expect([await approved(number), await approved(other.number)]).toEqual([[head], []]);
  });

  it('approves no head that came between the comment and its handling, and none after it', async () => {
    const { number, head } = await opened('moves');
    connected.forgeIs.down = true;
    await as('bob').comment(number, `/ok-to-test ${head}`);
    await as('bob').comment(number, `/ok-to-test ${head.slice(0, 7)}`);
    const second = await push('moves');
    await connected.forgeIsBack();
    const answers = await said(number);
    expect(answers).toEqual(Array(2).fill(expect.stringContaining(`The newest commit is ${second.slice(0, 7)}.`)));
    expect(await approved(number)).toEqual([]);
    await as('bob').comment(number, `/ok-to-test ${second.slice(0, 7)}`);
    await connected.quiet();
    await push('moves');
    await connected.quiet();
    expect(await approved(number)).toEqual([second]);
  });

  it('takes part of a name for no head that was not seen when it was written, and the whole name for it', async () => {
    const { number, head } = await opened('unseen');
    const short = head.slice(0, 7);
    // What they looked at began the same, and was gone before we heard of it.
    for (const seen of ['never', 'later'] as const) {
      const row = await rows<{ repository: string }>(
        'DELETE FROM seen_head WHERE number = $1 RETURNING repository_id AS repository',
        [number],
      );
      if (seen === 'later')
        await rows(
          `INSERT INTO seen_head (repository_id, number, sha, organization_id, seen_at)
           SELECT id, $1, $2, organization_id, now() + interval '5 minutes' FROM repository LIMIT 1`,
          [number, head],
        );
      else expect(row).toHaveLength(1);
      await as('bob').comment(number, `/ok-to-test ${short}`);
      const answers = await said(number);
      expect(answers.at(-1)).toContain(`was not seen here before you wrote that. Look at the newest, then comment`);
      expect(answers.at(-1)).toContain(`/ok-to-test ${head}`);
      expect(await approved(number)).toEqual([]);
    }
    await as('bob').comment(number, `/ok-to-test ${head}`);
    await connected.quiet();
    expect(await approved(number)).toEqual([head]);
  });
});
