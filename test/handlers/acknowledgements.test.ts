/** Twenty commands at the same moment: each has its faces once, and its answer. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import type { FakePlace } from '../../src/forges/kit/fake/forge-fake.js';
import { createApps } from '../../src/handlers/apps.js';
import type { Rights } from '../../src/handlers/commands/commands.js';
import { type ConnectedForge, playedForges, startConnectedForge } from '../support/connected-forge.js';
import { rightsFor } from '../support/rights.js';

const place: FakePlace = { owner: 'acme', name: 'shop' };
const people = { bob: 'admin', dave: 'write' } as const;
const nowhere = (name: string) => ({ name, poke: async () => undefined });
interface Face {
  content: string;
  user: { login: string };
}

describe.each(playedForges.map((forge) => ({ forge, label: forge.label })))('commands on $label', ({ forge }) => {
  let connected: ConnectedForge;
  let rights: Rights;
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
        return createApps({ store, pokes, log: pino({ level: 'silent' }), rights });
      },
    });
  });
  afterAll(async () => {
    await rights?.access.close();
    await connected?.close();
  });

  it('are acknowledged once each when they race', async () => {
    const as = (login: keyof typeof people) => connected.fake.as(login, place);
    await as('dave').push({ branch: 'feature', files: { 'a.txt': 'a' }, message: 'feat: a' });
    const threads = [
      await as('bob').openIssue({ title: 'One' }),
      await as('bob').openIssue({ title: 'Two' }),
      await as('dave').openPullRequest({ head: 'feature', title: 'Three' }),
    ];
    await connected.quiet();
    const given = await Promise.all(
      Array.from({ length: 20 }, async (_, at) => {
        const [by, number] = [at % 2 === 0 ? 'bob' : 'dave', threads[at % threads.length] ?? 0] as const;
        // Every other one is no use there, and says so.
        const isMeant = at % 4 < 2;
        const id = await as(by).comment(number, isMeant ? '/status' : '/reply');
        return { id, by, number, faces: isMeant ? ['eyes', 'rocket'] : ['confused', 'eyes'] };
      }),
    );
    await connected.quiet();
    const { rows } = await connected.store.tenant(connected.organizationId, (tx) =>
      tx.query<{ id: string }>('SELECT id FROM repository'),
    );
    const octokit = await connected.bridge.octokitFor(connected.organizationId, rows[0]?.id ?? '');
    for (const { id, faces } of given) {
      const { data } = await octokit.request('GET /repos/{owner}/{repo}/issues/comments/{comment_id}/reactions', {
        ...{ owner: place.owner, repo: place.name, comment_id: Number(id) },
      });
      const seen = (data as Face[]).map(({ content }) => content).sort();
      expect([id, seen]).toEqual([id, faces]);
      expect(new Set((data as Face[]).map(({ user }) => user.login)).size).toBe(1);
    }
    // A forge shows the same face of the same account once, however often it is given.
    const journal = await connected.store.pool.query(`SELECT FROM write_journal WHERE route LIKE '%/reactions'`);
    expect(journal.rowCount).toBe(2 * given.length);
    const { pullRequests, issues } = await connected.fake.state(place);
    for (const number of threads) {
      const comments = [...pullRequests, ...issues].find((one) => one.number === number)?.comments ?? [];
      const answers = comments.filter(({ author }) => !(author in people)).map(({ body }) => body.split(' ', 1)[0]);
      const asked = given.filter((one) => one.number === number).map(({ by }) => `@${by}`);
      expect(answers.sort()).toEqual(asked.sort());
    }
  });
});
